//! The log: append, streams, feed, projections and checkpoints, leases, the keys that seal personal data. PostgreSQL and
//! SQLite, one contract suite for both. No business words here.

mod database;
mod decider;
mod event;
mod execute;
mod log;
mod postgres;
mod projection;
mod row;
mod sqlite;
mod writer;

pub use database::{
    Database, DatabaseSettings, Dialect, Migrations, Pending, Tx, load_cursor, save_cursor,
};
pub use decider::{Decider, Given, Then, given};
pub use event::{Cause, NewEvent, Position, Recorded};
pub use execute::{
    Context, Draft, ExecuteError, Executed, Loaded, Loads, Outcome, Stored, Streams,
};
pub use log::{
    Append, AppendError, Appended, EventLog, Expected, Held, LEASE_TAKEN, LeaseEpoch, StoreError,
    StreamAppend,
};
pub use projection::{Projection, checkpoint, project, projected_up_to};
