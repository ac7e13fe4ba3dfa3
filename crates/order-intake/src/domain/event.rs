//! What happened to an order. Every event carries the lines as they are after it.

use millrace_values::{Amount, CustomerNumber, Quantity, SystemId, Timestamp};

use super::hold::HoldReason;
use super::line::LineStatus;
use super::order::Order;

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Taken and durable.
    Accepted {
        order: Box<Order>,
        content_hash: Vec<u8>,
        at: Timestamp,
        lines: Vec<LineStatus>,
    },
    /// A check failed, or other ones fail now.
    Held {
        reasons: Vec<HoldReason>,
        lines: Vec<LineStatus>,
    },
    /// All checks passed; it will be posted.
    Cleared { lines: Vec<LineStatus> },
    /// A person gave it new content.
    Mended {
        order: Box<Order>,
        note: String,
        lines: Vec<LineStatus>,
    },
    /// It is a document of the ERP. Told twice when the ERP's status came before the answer to our own request, which alone
    /// names the customer and the total.
    Posted {
        document: Document,
        customer: Option<(Option<SystemId>, CustomerNumber)>,
        total_difference: Option<Amount>,
        lines: Vec<LineStatus>,
    },
    /// The ERP said no.
    Refused {
        reason: HoldReason,
        lines: Vec<LineStatus>,
    },
    Shipped {
        document: Document,
        shipped: Vec<LineQuantity>,
        carrier: String,
        tracking_number: String,
        lines: Vec<LineStatus>,
    },
    Invoiced {
        document: Document,
        invoiced: Vec<LineQuantity>,
        lines: Vec<LineStatus>,
    },
    Credited {
        document: Document,
        credited: Vec<LineQuantity>,
        lines: Vec<LineStatus>,
    },
    /// By the ERP with its document; by a person here without.
    Cancelled {
        document: Option<Document>,
        cancelled: Vec<LineQuantity>,
        note: String,
        lines: Vec<LineStatus>,
    },
}

impl Event {
    /// The lines after this event.
    #[must_use]
    pub fn lines(&self) -> &[LineStatus] {
        match self {
            Self::Accepted { lines, .. }
            | Self::Held { lines, .. }
            | Self::Cleared { lines }
            | Self::Mended { lines, .. }
            | Self::Posted { lines, .. }
            | Self::Refused { lines, .. }
            | Self::Shipped { lines, .. }
            | Self::Invoiced { lines, .. }
            | Self::Credited { lines, .. }
            | Self::Cancelled { lines, .. } => lines,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineQuantity {
    pub line: u32,
    pub quantity: Quantity,
}

/// A document of the ERP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub kind: DocumentKind,
    pub system_id: SystemId,
    pub number: String,
    pub row_version: Option<u64>,
    pub posted_at: Timestamp,
}

impl Document {
    /// Seen before? A document has one id for ever; cancellations of one order share the order's, and differ in their row version.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.system_id == other.system_id
            && match self.kind {
                DocumentKind::Cancellation => {
                    (self.row_version, self.posted_at) == (other.row_version, other.posted_at)
                }
                DocumentKind::SalesOrder
                | DocumentKind::Shipment
                | DocumentKind::Invoice
                | DocumentKind::CreditMemo => true,
            }
    }

    /// Was written before `other` was, so that `other` knows of it. Both row version and time say so: row versions begin anew where
    /// an ERP is restored, and without them nobody knows.
    #[must_use]
    pub fn is_known_to(&self, other: &Self) -> bool {
        let versions = self.row_version.zip(other.row_version);
        versions.is_some_and(|(own, others)| own <= others) && self.posted_at <= other.posted_at
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DocumentKind {
    SalesOrder,
    Shipment,
    Invoice,
    CreditMemo,
    Cancellation,
}
