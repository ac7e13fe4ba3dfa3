//! Rows of goods that are reserved in a store: requests to put them aside, what became of them, and requests to count.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::row::{Row, Stamp};
use super::rows::{buffer_key, row};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferState {
    Open,
    Posted,
    Cancelled,
    Returned,
    /// It broke a business rule: it holds nothing, and a mended one takes its place.
    Refused,
}

impl TransferState {
    /// As the companion's page spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Posted => "posted",
            Self::Cancelled => "cancelled",
            Self::Returned => "returned",
            Self::Refused => "refused",
        }
    }
}

/// Why a request was refused; empty when it was not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    pub code: String,
    pub text: String,
    pub line: i64,
}

/// Goods of a reservation that are to go from a store to its reservation warehouse.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TransferRequest {
    pub id: Uuid,
    pub stamp: Stamp,
    pub channel: String,
    pub number: String,
    /// The request as sent, defaults filled in.
    pub content: Value,
    pub reference: String,
    pub from: String,
    pub to: String,
    pub state: TransferState,
    pub refused: Refused,
    /// Number of the posted document that brought the goods to the warehouse; empty = none.
    pub document: String,
    /// Number of the one that brought them back.
    pub return_document: String,
    /// Empty when refused.
    pub lines: Vec<TransferLine>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferLine {
    pub line_number: i64,
    pub item: Uuid,
    pub item_number: String,
    pub variant: String,
    pub unit: String,
    /// How many base units one unit is.
    pub unit_quantity: Decimal,
    pub quantity: Decimal,
    pub found: Decimal,
}

/// One change of state of a transfer request, as the feed tells it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TransferStatus {
    pub id: Uuid,
    pub stamp: Stamp,
    /// The request as this change left it.
    pub request: TransferRequest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CountState {
    Open,
    Counted,
    Refused,
}

impl CountState {
    /// As the companion's page spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Counted => "counted",
            Self::Refused => "refused",
        }
    }
}

/// A wish that a person counts what really lies on a shelf.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CountRequest {
    pub id: Uuid,
    pub stamp: Stamp,
    pub channel: String,
    pub number: String,
    pub line_number: i64,
    /// The request as sent, defaults filled in.
    pub content: Value,
    pub item: Uuid,
    pub item_number: String,
    pub variant: String,
    pub location: String,
    pub reason: String,
    pub state: CountState,
    pub refused: Refused,
    pub counted: Decimal,
    /// Number of the adjustment; empty when the figure was right or nobody counted yet.
    pub document: String,
}

row!(TransferRequest, key = |request| Some(buffer_key(&request.channel, &request.number)) => Option<String>);
row!(TransferStatus, parent = |status| Some(status.request.id) => Option<Uuid>);
row!(CountRequest,
    key = |request| Some(count_key(&request.channel, &request.number, request.line_number)) => Option<String>);

/// The unique key of a request to count.
pub fn count_key(channel: &str, number: &str, line_number: i64) -> String {
    format!("{}\u{1}{line_number}", buffer_key(channel, number))
}
