//! The reservation as the ERP has it: a transfer request from the store to its reservation warehouse.

use millrace_values::{Quantity, SystemId, Timestamp};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    pub system_id: SystemId,
    pub state: TransferState,
    /// Of the posting that brought the goods to the reservation warehouse, and of the one that brought them back.
    pub document_number: Option<String>,
    pub return_document_number: Option<String>,
    /// Of its last change of state; `None` where the ERP has none.
    pub row_version: Option<u64>,
    pub changed_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransferState {
    /// Nobody has looked yet.
    Open,
    /// What was found lies in the reservation warehouse.
    Posted,
    /// Nothing was put aside.
    Cancelled,
    /// What was put aside is back in the store.
    Returned,
}

impl TransferState {
    /// Nothing comes after it.
    #[must_use]
    pub fn is_the_end(self) -> bool {
        match self {
            Self::Open | Self::Posted => false,
            Self::Cancelled | Self::Returned => true,
        }
    }
}

/// A transfer with what was found of each line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    pub transfer: Transfer,
    pub found: Vec<(u32, Quantity)>,
}
