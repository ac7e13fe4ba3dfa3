//! The log: append, streams, feed, projections and checkpoints, leases, the keys that seal personal data. PostgreSQL and
//! SQLite, one contract suite for both. No business words here.

mod decider;
mod event;
mod log;

pub use decider::{Decider, Given, Then, given};
pub use event::{Cause, NewEvent, Position, Recorded};
pub use log::{Append, AppendError, Appended, EventLog, Expected, Held, LeaseEpoch, StoreError, StreamAppend};
