//! What happened to a return. Every event carries the lines as they are after it.

use millrace_values::{LocationCode, Quantity, Timestamp};

use super::credit::{Credit, Freight, LineCredit, Refunds};
use super::goods::Return;
use super::hold::HoldReason;
use super::line::{Disposition, LineStatus};
use super::state::Document;

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Taken and durable.
    Submitted {
        goods: Box<Return>,
        content_hash: Vec<u8>,
        at: Timestamp,
        lines: Vec<LineStatus>,
    },
    /// A rule is broken, or other ones are now.
    Held {
        reasons: Vec<HoldReason>,
        lines: Vec<LineStatus>,
    },
    /// A person gave it new content.
    Mended {
        goods: Box<Return>,
        note: String,
        lines: Vec<LineStatus>,
    },
    /// The goods may come back, and this is what they are worth.
    Cleared {
        credits: Vec<LineCredit>,
        freight: Option<Freight>,
        /// Where the goods are expected; `None`: where they came from.
        location: Option<LocationCode>,
        lines: Vec<LineStatus>,
    },
    /// It is a document of the ERP.
    Posted {
        document: Document,
        at: Timestamp,
        lines: Vec<LineStatus>,
    },
    /// The ERP does not have it any more: it gets it anew.
    Lost { lines: Vec<LineStatus> },
    /// The ERP said no.
    ErpRefused {
        reason: HoldReason,
        lines: Vec<LineStatus>,
    },
    Received {
        received: Vec<LineQuantity>,
        /// New ones; none where a person said it.
        receipts: Vec<String>,
        /// What the lines are worth from now on; empty: as before.
        credits: Vec<LineCredit>,
        at: Timestamp,
        lines: Vec<LineStatus>,
    },
    Inspected {
        dispositions: Vec<LineDisposition>,
        at: Timestamp,
        lines: Vec<LineStatus>,
    },
    Credited {
        /// New ones.
        credit_memos: Vec<String>,
        credited: Vec<LineQuantity>,
        amount: Credit,
        at: Timestamp,
        lines: Vec<LineStatus>,
    },
    RefundAnnounced {
        refunds: Refunds,
        lines: Vec<LineStatus>,
    },
    /// A person said no.
    Refused {
        text: String,
        lines: Vec<LineStatus>,
    },
    Cancelled {
        reason: CancelReason,
        note: String,
        lines: Vec<LineStatus>,
    },
}

impl Event {
    /// The lines after this event.
    #[must_use]
    pub fn lines(&self) -> &[LineStatus] {
        match self {
            Self::Submitted { lines, .. }
            | Self::Held { lines, .. }
            | Self::Mended { lines, .. }
            | Self::Cleared { lines, .. }
            | Self::Posted { lines, .. }
            | Self::Lost { lines }
            | Self::ErpRefused { lines, .. }
            | Self::Received { lines, .. }
            | Self::Inspected { lines, .. }
            | Self::Credited { lines, .. }
            | Self::RefundAnnounced { lines, .. }
            | Self::Refused { lines, .. }
            | Self::Cancelled { lines, .. } => lines,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineQuantity {
    pub line: u32,
    pub quantity: Quantity,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineDisposition {
    pub line: u32,
    pub disposition: Disposition,
    pub quantity: Quantity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CancelReason {
    ByShop,
    InErp,
}
