//! Goods that customers send back: asked for, received, judged, credited. And the reasons why they may come back.

use std::collections::BTreeMap;
use std::fmt;

use millrace_values::{
    Amount, ChannelCode, Currency, CustomerNumber, LanguageTag, LocationCode, OrderNumber,
    Percentage, Quantity, ReturnNumber, ReturnReasonCode, Sku, SystemId, Timestamp, UnitCode,
    UnitPrice, VariantCode,
};

use crate::document::NewFreight;

/// What a return is known by, in the ERP and here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReturnKey {
    pub channel: ChannelCode,
    pub number: ReturnNumber,
}

impl fmt::Display for ReturnKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.channel, self.number)
    }
}

/// Goods that a customer sends back, as Millrace let them pass.
#[derive(Debug, Clone, PartialEq)]
pub struct NewReturn {
    pub key: ReturnKey,
    /// 1 as the shop sent it; rises when a person mends what the ERP refused, so that the ERP may take the new content.
    pub revision: u32,
    /// What the goods were bought with, in the same channel.
    pub order_number: OrderNumber,
    /// Who gets the refund.
    pub customer: CustomerNumber,
    pub submitted_at: Timestamp,
    pub currency: Currency,
    pub prices_include_tax: bool,
    pub refund: Refund,
    /// Sent back by who was given it.
    pub gift: bool,
    /// The new order that this is exchanged for, if it is known.
    pub exchange_order: Option<OrderNumber>,
    pub lines: Vec<NewReturnLine>,
    /// Freight of the original order that is paid back.
    pub freight: Option<NewFreight>,
    pub net: Amount,
    pub tax: Amount,
    pub gross: Amount,
}

/// How the customer is paid back: for the people who do it, and on the credit memo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refund {
    Money,
    Voucher,
    /// Not at all, e.g. because the goods are exchanged.
    Nothing,
}

#[derive(Debug, Clone, PartialEq)]
pub struct NewReturnLine {
    pub line_number: u32,
    /// The line of the original order.
    pub order_line: u32,
    pub item: Sku,
    pub variant: Option<VariantCode>,
    /// `None`: the item's base unit.
    pub unit: Option<UnitCode>,
    pub quantity: Quantity,
    /// Where the goods are expected.
    pub location: Option<LocationCode>,
    pub reason: ReturnReasonCode,
    /// The shop's word; at most 50 characters, may be empty.
    pub condition: String,
    /// The customer's words; at most 250 characters, may be empty. May be personal: not for logs.
    pub comment: String,
    /// Addresses that begin with `https://`; at most 10, of at most 2048 characters each.
    pub photos: Vec<String>,
    /// What is credited for the line, exactly as it was sold.
    pub unit_price: UnitPrice,
    pub discount: Amount,
    pub tax_percent: Percentage,
    pub net: Amount,
    pub gross: Amount,
}

/// What a return became.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedReturn {
    pub observed: ReturnObserved,
    /// It was there before this call.
    pub existed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReturnState {
    /// Nothing has come back yet.
    Open,
    /// Goods came back, all of them or some.
    Received,
    /// All that came back is credited. Goods of a return of which not all came back may still come; then it is received again.
    Credited,
    /// Given up before anything came back.
    Cancelled,
}

/// A return as the ERP has it now; quantities and amounts are of all its documents so far.
#[derive(Debug, Clone, PartialEq)]
pub struct ReturnObserved {
    pub key: ReturnKey,
    pub system_id: SystemId,
    /// What the goods were bought with; `None` where nobody says.
    pub order_number: Option<OrderNumber>,
    pub state: ReturnState,
    pub lines: Vec<ReturnLineObserved>,
    /// Of the return order; where the ERP has none (see [`crate::Capabilities::return_orders`]), of the credit memo.
    pub document_number: String,
    pub receipt_numbers: Vec<String>,
    /// Posted ones.
    pub credit_memo_numbers: Vec<String>,
    /// By posted credit memos; `None` before the first.
    pub credited_net: Option<Amount>,
    pub credited_tax: Option<Amount>,
    pub credited_gross: Option<Amount>,
    /// Of the last change: a figure with a boundary contains what is restocked here if and only if this is below the boundary.
    /// `None` where the ERP has no row versions.
    pub row_version: Option<u64>,
    pub changed_at: Timestamp,
}

/// What became of a line. Where the ERP has no return orders nobody says what was received and what became of it: those are zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnLineObserved {
    pub line_number: u32,
    pub unit: Option<UnitCode>,
    pub requested: Quantity,
    pub received: Quantity,
    /// Of what was received: what may be sold again, …
    pub restocked: Quantity,
    /// … what was thrown away, …
    pub scrapped: Quantity,
    /// … and what is being repaired. The rest nobody has judged yet.
    pub repair: Quantity,
    pub credited: Quantity,
}

/// Why goods may come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnReasonObserved {
    pub code: ReturnReasonCode,
    pub description: String,
    /// The description in other languages, where the ERP has some.
    pub translations: BTreeMap<LanguageTag, String>,
}
