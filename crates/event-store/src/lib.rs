//! The log: append, streams, feed, projections and checkpoints, leases, the keys that seal personal data. PostgreSQL and
//! SQLite, one contract suite for both (`tests/it/`). No business words here.
//!
//! # For the author of a service
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! # use async_trait::async_trait;
//! # use millrace_event_store::*;
//! # use millrace_service_kit::{Clock, Ids, Shutdown};
//! # struct Shelf;
//! # impl Decider for Shelf {
//! #     type State = (); type Command = (); type Event = (); type Rejection = String;
//! #     fn decide(_: &(), _: ()) -> Result<Vec<()>, String> { Ok(vec![]) }
//! #     fn evolve(state: (), _: &()) {}
//! # }
//! // Beside the wire mapping: how the decider's events stand in the log. `Loads::Fold` reads the whole stream, `Loads::Last` only
//! // its last event, for states and for facts that carry their balance.
//! impl Stored for Shelf {
//!     const LOADS: Loads = Loads::Fold;
//!
//!     fn encode(event: &()) -> Draft {
//!         Draft { erp: Some("bc-main".into()), ..Draft::new("millrace.reservations.v1.Reserved", vec![]) }
//!     }
//!
//!     fn decode(recorded: &Recorded) -> Result<(), String> {
//!         match recorded.event.kind.as_str() {
//!             "millrace.reservations.v1.Reserved" => Ok(()),
//!             other => Err(format!("no event of a shelf: {other}")),
//!         }
//!     }
//! }
//!
//! // Rows made of events, written in the transaction that moves the projection's checkpoint.
//! struct Shelves;
//!
//! #[async_trait]
//! impl Projection for Shelves {
//!     fn name(&self) -> &str {
//!         "shelves"
//!     }
//!
//!     async fn apply(&self, tx: &mut Tx, events: &[Recorded]) -> Result<(), StoreError> {
//!         for event in events {
//!             sqlx::query("INSERT INTO shelves (stream, version) VALUES ($1, $2) ON CONFLICT (stream) DO UPDATE SET version = $2")
//!                 .bind(event.stream.as_ref())
//!                 .bind(i64::try_from(event.version).unwrap_or(i64::MAX))
//!                 .execute(&mut **tx)
//!                 .await?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # async fn service(clock: Arc<dyn Clock>, ids: Ids, shutdown: Shutdown, cause: Cause, migrations: &Migrations) -> Result<(), Box<dyn std::error::Error>> {
//! // `postgres://…` is a schema `reservation` in that database; `sqlite:<directory>` a file `reservation.db` that one process
//! // holds; `sqlite::memory:` is for tests. The service owns `migrations/postgres/*.sql` and `migrations/sqlite/*.sql`, embedded by
//! // `pub static MIGRATIONS: Migrations = migrations!("reservation");`; its numbers are its own.
//! let database = Database::open(&DatabaseSettings::new("sqlite:data", "reservation"), clock.clone(), ids.clone()).await?;
//! database.migrate(&[migrations]).await?; // `millrace migrate` and `run all`; else `database.check(&[migrations])`
//! let log = database.log().await?;
//!
//! tokio::spawn({
//!     let (database, log) = (database.clone(), log.clone());
//!     async move { project(&database, log, Arc::new(Shelves), shutdown).await }
//! });
//!
//! // Load, decide, append; decided anew when somebody else was quicker. `execute_many` does a whole page of streams at once.
//! let shelves = Streams::<Shelf>::new(log.clone(), clock, ids);
//! let done = shelves.execute("shelf/bc-main/1", (), cause).await?;
//!
//! // Read your own write, then query. One SQL text for both databases: `$1`, BIGINT, TEXT and bytes (BYTEA, BLOB) only, no UUID,
//! // no BOOLEAN in SQLite tables; `CAST(sum(…) AS BIGINT)` for sums.
//! if let Some(appended) = &done.appended {
//!     projected_up_to(&database, "shelves", appended.last, Duration::from_secs(5)).await?;
//! }
//! let rows: Vec<(String, i64)> = sqlx::query_as("SELECT stream, version FROM shelves").fetch_all(database.pool()).await?;
//!
//! // A poller saves its cursor in the transaction of the effect. In SQLite the file has one writer at a time, the log included:
//! // never await an append while holding a `Tx`.
//! let mut tx = database.begin().await?;
//! sqlx::query("DELETE FROM shelves WHERE version = $1").bind(0_i64).execute(&mut *tx).await?;
//! save_cursor(&mut tx, "items", "2026-11-22T15:00:00Z").await?;
//! tx.commit().await?;
//! # Ok(()) }
//! ```
//!
//! What follows the log (a relay, a feed) reads `log.read_feed(position, n)` and sleeps on `log.moved()`; it passes over events of
//! kind [`LEASE_TAKEN`]. A key belongs to one stream: it is the stream, or finer.

mod database;
mod decider;
mod event;
mod execute;
mod gather;
mod holding;
mod log;
mod personal;
mod postgres;
mod projection;
mod row;
mod sqlite;
mod writer;

pub use database::{
    Database, DatabaseSettings, Dialect, LeaseStanding, Migrations, Pending, Tx, cursors,
    load_cursor, places, places_of_rows, save_cursor, still_held,
};
pub use decider::{Decider, Given, Then, given};
pub use event::{Cause, NewEvent, Position, Recorded};
pub use execute::{
    Context, Draft, ExecuteError, Executed, Loaded, Loads, Outcome, Stored, Streams,
};
pub use gather::gather;
pub use holding::{Post, while_holding};
pub use log::{
    Append, AppendError, Appended, EventLog, Expected, Held, LEASE_TAKEN, LeaseEpoch, StoreError,
    StreamAppend,
};
pub use personal::{SealError, Sealer};
pub use projection::{Projection, checkpoint, project, projected_up_to, rewind};
