//! Orders on their way into the ERP, and the documents that come of them.

use millrace_values::{
    Amount, ChannelCode, Currency, CustomerNumber, LocationCode, OrderNumber, Percentage, Quantity,
    Sku, SystemId, Timestamp, UnitCode, UnitPrice, VariantCode,
};

use crate::party::Parties;

/// An order exactly as the shop sold it, with the ERP's codes in place of the shop's.
#[derive(Debug, Clone, PartialEq)]
pub struct NewOrder {
    pub channel: ChannelCode,
    pub number: OrderNumber,
    /// 1 as the shop sent it; rises when a person mends what the ERP refused, so that the ERP may take the new content.
    pub revision: u32,
    pub placed_at: Timestamp,
    pub customer: CustomerNumber,
    pub parties: Parties,
    pub currency: Currency,
    pub prices_include_tax: bool,
    pub payment_method_code: String,
    pub payment_terms_code: String,
    pub shipment_method_code: String,
    pub requested_delivery: Option<jiff::civil::Date>,
    pub lines: Vec<NewOrderLine>,
    pub freight: Option<NewFreight>,
    pub net: Amount,
    pub tax: Amount,
    pub gross: Amount,
}

#[derive(Debug, Clone, PartialEq)]
pub struct NewOrderLine {
    pub line_number: u32,
    pub item: Sku,
    pub variant: Option<VariantCode>,
    pub location: Option<LocationCode>,
    pub quantity: Quantity,
    pub unit: Option<UnitCode>,
    pub unit_price: UnitPrice,
    pub discount: Amount,
    pub tax_percent: Percentage,
    pub net: Amount,
    pub gross: Amount,
}

#[derive(Debug, Clone, PartialEq)]
pub struct NewFreight {
    pub net: Amount,
    pub gross: Amount,
    pub tax_percent: Percentage,
}

/// What an order became.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedOrder {
    pub document: DocumentRef,
    pub customer_system_id: Option<SystemId>,
    pub customer: CustomerNumber,
    /// Totals the ERP booked. `gross` may be as sold while `net` and `tax` differ, where the ERP rounds tax in another way.
    pub net: Amount,
    pub tax: Amount,
    pub gross: Amount,
    /// It was there before this call.
    pub existed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRef {
    pub kind: DocumentKind,
    pub system_id: SystemId,
    pub number: String,
    /// `None` where the ERP has no row versions.
    pub row_version: Option<u64>,
    pub posted_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DocumentKind {
    SalesOrder,
    Shipment,
    Invoice,
    CreditMemo,
    /// Lines of the sales order were cancelled.
    Cancellation,
}

/// Something happened to one of our orders in the ERP.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentObserved {
    pub channel: ChannelCode,
    pub order_number: OrderNumber,
    pub document: DocumentRef,
    /// Quantities of this document alone, by the order's line number; empty for a sales order that was merely released.
    pub lines: Vec<DocumentLine>,
    pub carrier: String,
    pub tracking_number: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentLine {
    pub line_number: u32,
    pub quantity: Quantity,
    pub unit: Option<UnitCode>,
}
