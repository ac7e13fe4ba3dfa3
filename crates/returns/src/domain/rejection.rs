//! How the business says no.

use thiserror::Error;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    #[error("this number was submitted before with other content")]
    OtherContent,
    #[error("the return is not known")]
    Unknown,
    #[error("the return is not held")]
    NotHeld,
    #[error("the return is held")]
    Held,
    #[error("the return has ended")]
    Ended,
    #[error("the return stands at version {actual}, not {expected}")]
    ChangedMeanwhile { expected: u64, actual: u64 },
    #[error("the return is just being handed to the erp")]
    OnItsWay,
    #[error("goods of the return came back")]
    GoodsReceived,
    #[error("other quantities came back before")]
    ReceivedBefore,
    /// Something else was decided.
    #[error("what becomes of line {0} was decided before")]
    InspectedBefore(u32),
    #[error("the return has no line {0}")]
    UnknownLine(u32),
    /// More came back than was asked for.
    #[error("line {0} does not have so many")]
    NotSoMany(u32),
    #[error("nothing came back")]
    NothingReceived,
}
