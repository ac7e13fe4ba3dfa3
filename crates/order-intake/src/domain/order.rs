//! An order as the shop sold it. Nothing in it is ever recomputed silently.

use std::fmt;

use jiff::civil::Date;
use millrace_values::{
    Amount, ChannelCode, Currency, CustomerNumber, ErpCode, LocationCode, OrderNumber, Percentage,
    Quantity, ReturnNumber, Sku, Timestamp, UnitCode, UnitPrice, VariantCode,
};

#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    pub channel: ChannelCode,
    pub number: OrderNumber,
    pub placed_at: Timestamp,
    pub currency: Currency,
    pub prices_include_tax: bool,
    pub buyer: Buyer,
    /// Absent: the ERP's own address of a customer it has.
    pub personal: Option<Sealed>,
    pub lines: Vec<Line>,
    pub freight: Option<Freight>,
    pub totals: Totals,
    /// The channel's codes, not the ERP's; empty: the customer's own.
    pub payment_method: String,
    pub shipment_method: String,
    pub requested_delivery: Option<Date>,
    /// The return whose goods this order replaces. The ERP is not told.
    pub exchange_for: Option<ReturnNumber>,
    pub erp: ErpCode,
}

impl Order {
    #[must_use]
    pub fn stream(&self) -> String {
        stream(&self.channel, &self.number)
    }
}

/// The stream of an order. A number may hold any printable character; a channel holds no slash, so no two orders share one.
#[must_use]
pub fn stream(channel: &ChannelCode, number: &OrderNumber) -> String {
    format!("order/{channel}/{number}")
}

/// Who bought. The edge makes sure that at least one of the two is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Buyer {
    /// Number of a customer of the ERP; `None` for a new customer.
    pub customer: Option<CustomerNumber>,
    /// Number the shop gave the customer, unique within the channel.
    pub shop_customer: Option<Box<str>>,
}

/// Personal data under its key; the rules never look inside.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    pub person_id: String,
    pub nonce: Vec<u8>,
    pub ciphertext: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sealed({})", self.person_id)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Given by the shop, unique within the order.
    pub number: u32,
    pub item: Sku,
    pub variant: Option<VariantCode>,
    pub quantity: Quantity,
    /// `None`: the item's base unit.
    pub unit: Option<UnitCode>,
    /// Before discount.
    pub unit_price: UnitPrice,
    /// Off the whole line.
    pub discount: Amount,
    pub tax_percent: Percentage,
    pub net: Amount,
    pub gross: Amount,
    /// `None`: the channel's default.
    pub location: Option<LocationCode>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freight {
    pub net: Amount,
    pub gross: Amount,
    pub tax_percent: Percentage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    pub net: Amount,
    pub tax: Amount,
    pub gross: Amount,
}
