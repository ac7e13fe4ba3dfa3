//! Stock figures as the ERP calculates them.

use millrace_values::{LocationCode, Quantity, Sku, SystemId, Timestamp, UnitCode, VariantCode};

/// Figures of one item: every variant and location the ERP has, so one that is absent has no figure any more.
#[derive(Debug, Clone, PartialEq)]
pub struct StockObserved {
    pub item: SystemId,
    pub number: Sku,
    pub unit: Option<UnitCode>,
    pub figures: Vec<Figure>,
    /// When the ERP calculated them.
    pub as_of: Timestamp,
    /// Everything with a row version below this is contained. `None` where the ERP has no such thing: time decides.
    pub boundary: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    pub variant: Option<VariantCode>,
    pub location: LocationCode,
    pub on_hand: Quantity,
    /// Bound to sales orders; says nothing where [`crate::Capabilities::stock_allocated`] is false.
    pub allocated: Quantity,
    /// Held back outside sales orders.
    pub reserved: Quantity,
    pub safety_stock: Quantity,
}

/// What a live lookup asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StockKey {
    pub item: Sku,
    pub variant: Option<VariantCode>,
}
