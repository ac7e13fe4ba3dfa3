//! How the business says no.

use thiserror::Error;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    #[error("this number was submitted before with other content")]
    OtherContent,
    #[error("the order is not known")]
    Unknown,
    #[error("the order is not held")]
    NotHeld,
    #[error("the order is in the erp and cannot be changed here")]
    InErp,
    #[error("the order was given up")]
    GivenUp,
    #[error("the order stands at version {actual}, not {expected}")]
    ChangedMeanwhile { expected: u64, actual: u64 },
}
