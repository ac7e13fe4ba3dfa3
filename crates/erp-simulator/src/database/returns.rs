//! Rows of goods that customers send back: return orders, and what became of them.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::row::{Row, Stamp};
use super::rows::{buffer_key, row};
use super::transfers::Refused;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReturnState {
    /// Nothing came back yet.
    Open,
    /// All or part of it did.
    Received,
    /// All that came back is credited.
    Credited,
    Cancelled,
    /// It broke a business rule: nobody waits for it, and a mended one takes its place.
    Refused,
}

impl ReturnState {
    /// As the companion's page spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Received => "received",
            Self::Credited => "credited",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
        }
    }
}

/// A sales return order that came through the companion's page; stays when all is credited.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReturnOrder {
    pub id: Uuid,
    pub stamp: Stamp,
    pub channel: String,
    pub number: String,
    pub revision: i64,
    /// The return as sent, defaults filled in.
    pub content: Value,
    /// The shop's number of the order, and the buffer's entry of it.
    pub order_number: String,
    pub buffer: Uuid,
    pub customer: Uuid,
    /// Empty = local currency.
    pub currency: String,
    pub prices_include_tax: bool,
    pub state: ReturnState,
    pub refused: Refused,
    /// Number of the sales return order; empty when refused.
    pub document: String,
    pub receipts: Vec<String>,
    pub memos: Vec<String>,
    pub credited_net: Decimal,
    pub credited_tax: Decimal,
    /// Freight that is paid back, with the first credit memo.
    pub freight_net: Decimal,
    pub freight_tax: Decimal,
    pub freight_percent: Decimal,
    /// Empty when refused.
    pub lines: Vec<ReturnLine>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnLine {
    pub line_number: i64,
    /// The shop's line number in the order.
    pub order_line: i64,
    pub item: Uuid,
    pub item_number: String,
    pub variant: String,
    pub unit: String,
    /// How many base units one unit is.
    pub unit_quantity: Decimal,
    /// The unit of the order's line, and how many base units one is.
    pub order_unit: String,
    pub order_unit_quantity: Decimal,
    pub quantity: Decimal,
    pub location: String,
    pub reason: String,
    pub unit_price: Decimal,
    pub discount: Decimal,
    pub tax_percent: Decimal,
    /// As sold.
    pub net: Decimal,
    pub tax: Decimal,
    pub received: Decimal,
    pub restocked: Decimal,
    pub scrapped: Decimal,
    pub repair: Decimal,
    pub credited: Decimal,
    pub credited_net: Decimal,
    pub credited_tax: Decimal,
}

impl ReturnLine {
    /// Came back, and nobody has said what becomes of it.
    pub fn unjudged(&self) -> Decimal {
        self.received - self.restocked - self.scrapped - self.repair
    }
}

/// One change of a return order, as the feed tells it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReturnStatus {
    pub id: Uuid,
    pub stamp: Stamp,
    /// The return order as this change left it.
    pub order: ReturnOrder,
}

row!(ReturnOrder, key = |order| Some(buffer_key(&order.channel, &order.number)) => Option<String>,
    parent = |order| Some(order.buffer).filter(|id| !id.is_nil()) => Option<Uuid>);
row!(ReturnStatus, parent = |status| Some(status.order.id) => Option<Uuid>);
