//! What happened to a reservation. Every event carries the lines as they are after it.

use jiff::civil::Date;
use millrace_values::Timestamp;

use super::reservation::{LineStatus, Reservation};
use super::transfer::Transfer;

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The goods are held.
    Requested {
        reservation: Box<Reservation>,
        content_hash: Vec<u8>,
        at: Timestamp,
        answer_by: Date,
        lines: Vec<LineStatus>,
    },
    /// The ERP knows of it.
    Placed {
        transfer: Transfer,
        lines: Vec<LineStatus>,
    },
    /// Found, all or some, and put aside.
    Posted {
        document_number: String,
        collect_by: Date,
        /// `None`: the ERP has no part in it.
        transfer: Option<Transfer>,
        lines: Vec<LineStatus>,
    },
    /// Less is there than is held, or no longer less.
    Short {
        lines: Vec<LineStatus>,
    },
    Reminded {
        collect_by: Date,
        lines: Vec<LineStatus>,
    },
    PickedUp {
        lines: Vec<LineStatus>,
    },
    Cancelled {
        reason: CancelReason,
        note: String,
        lines: Vec<LineStatus>,
    },
    /// The customer did not come.
    Expired {
        lines: Vec<LineStatus>,
    },
    /// After the end the ERP's part is over too.
    Settled {
        transfer: Transfer,
        lines: Vec<LineStatus>,
    },
}

impl Event {
    /// The lines after this event.
    #[must_use]
    pub fn lines(&self) -> &[LineStatus] {
        match self {
            Self::Requested { lines, .. }
            | Self::Placed { lines, .. }
            | Self::Posted { lines, .. }
            | Self::Short { lines }
            | Self::Reminded { lines, .. }
            | Self::PickedUp { lines }
            | Self::Cancelled { lines, .. }
            | Self::Expired { lines }
            | Self::Settled { lines, .. } => lines,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CancelReason {
    ByShop,
    ByStore,
    NotFound,
    Unanswered,
    RefusedByErp,
}
