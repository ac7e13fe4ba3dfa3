//! The port: what a log promises. Both adapters pass the same contract suite (`tests/it/contract/`).

use async_trait::async_trait;
use thiserror::Error;
use tokio::sync::watch;

use crate::event::{NewEvent, Recorded};
use uuid::Uuid;

/// What a writer believes about a stream before it appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// No opinion: append to whatever is there.
    Any,
    /// The stream stands at exactly this version; 0 means it does not exist yet.
    Version(u64),
}

/// Events for one stream. Without events it is only looked at: what is expected of it must hold all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamAppend {
    pub stream: String,
    pub expected: Expected,
    pub events: Vec<NewEvent>,
}

/// One atomic append: every expected version holds and everything is written, or nothing is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Append {
    pub streams: Vec<StreamAppend>,
    /// The same key again is answered with the first result, whatever it carries now.
    pub idempotency_key: Option<String>,
    /// Written only while this lease is held in this epoch.
    pub lease: Option<LeaseEpoch>,
}

impl Append {
    /// The common case: one stream.
    #[must_use]
    pub fn to(stream: impl Into<String>, expected: Expected, events: Vec<NewEvent>) -> Self {
        Self {
            streams: vec![StreamAppend {
                stream: stream.into(),
                expected,
                events,
            }],
            ..Self::default()
        }
    }
}

/// A lease at one of its epochs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseEpoch {
    pub name: String,
    pub epoch: u64,
}

/// What became of an append that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Position number of the first and the last event written; equal to the head for an empty append.
    pub first: u64,
    pub last: u64,
    /// The version each stream of the append stands at now, in the append's order.
    pub versions: Vec<u64>,
    /// Nothing was written now: an earlier append with the same event id or idempotency key was.
    pub repeated: bool,
}

#[derive(Debug, Error)]
pub enum AppendError {
    #[error("stream {stream} stands at version {actual}, not {expected}")]
    Conflict {
        stream: String,
        expected: u64,
        actual: u64,
    },
    #[error("lease {name} is no longer held in epoch {epoch}")]
    StaleLease { name: String, epoch: u64 },
    #[error("event cannot be stored: {reason}")]
    Malformed { reason: String },
    #[error("append of {bytes} bytes in {events} events is larger than one append may be")]
    TooLarge { bytes: usize, events: usize },
    /// One of the events was appended before, but not all of them together: an event id was used twice.
    #[error("event {id} was appended before, in other company")]
    Reused { id: Uuid },
    /// The append may or may not have happened; repeating it with the same event ids is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The database did not do its part.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error("could not reach the event store")]
    Database(#[source] sqlx::Error),
    #[error("could not migrate the event store")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The file or schema was written by a newer binary.
    #[error(
        "{name} needs a newer binary: its schema is at version {found}, this binary knows {known}"
    )]
    NewerSchema {
        name: String,
        found: i64,
        known: i64,
    },
    #[error("{name} has {missing} migrations to go: run \"millrace migrate\"")]
    NotMigrated { name: String, missing: usize },
    /// Applied migrations are never edited.
    #[error("migration {version} of {owner} was applied to {name} with another text")]
    Changed {
        name: String,
        owner: String,
        version: i64,
    },
    /// The log was restored or rebuilt while this process had it open; start again.
    #[error("the log was replaced: it was {known}, now it is {found}")]
    Replaced { known: Uuid, found: Uuid },
    #[error("{name} is in use by another process")]
    InUse { name: String },
    #[error("stored event at position {number} cannot be read: {reason}")]
    Corrupt { number: u64, reason: String },
    /// A batch could not be written; everybody in it is told the same. It may have happened: event ids make repeating it safe.
    #[error("could not reach the event store")]
    Away(#[source] std::sync::Arc<StoreError>),
    /// The log was closed, or its writer ended.
    #[error("the event store is closed")]
    Closed,
    #[error("{0}")]
    Address(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            // Nobody closes these pools but us: there is nothing to wait for.
            sqlx::Error::PoolClosed => Self::Closed,
            error => Self::Database(error),
        }
    }
}

/// An append-only log with streams, a gapless feed and leases. Cheap to share as `Arc<dyn EventLog>`.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// The log's name, as it stands in every position.
    fn name(&self) -> &str;

    /// The incarnation of this log.
    fn epoch(&self) -> Uuid;

    /// Durable once answered. Gapless positions in commit order, whoever else writes. A refused append does not touch its neighbours.
    /// Who stops waiting does not stop the append.
    async fn append(&self, append: Append) -> Result<Appended, AppendError>;

    /// Events of one stream with `version > after`, oldest first, at most `limit`.
    async fn read_stream(
        &self,
        stream: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError>;

    /// The last event of each stream that exists, in no particular order. State streams load from it.
    async fn read_last(&self, streams: &[String]) -> Result<Vec<Recorded>, StoreError>;

    /// The feed: events with position `> after` in position order, at most `limit`. Never skips a slower writer.
    async fn read_feed(&self, after: u64, limit: usize) -> Result<Vec<Recorded>, StoreError>;

    /// The last event of every key whose kind is one of `kinds`, up to and including position `up_to`, in position order after
    /// `after`, at most `limit`: the snapshot that a newcomer starts from. Deleted keys are left out.
    async fn read_latest(
        &self,
        kinds: &[&str],
        up_to: u64,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError>;

    /// Position number of the last committed event; 0 when empty.
    async fn head(&self) -> Result<u64, StoreError>;

    /// Changes whenever the head may have moved: in this process at once, from others within the safety poll. Only a hint.
    fn moved(&self) -> watch::Receiver<u64>;

    /// Tries to take or renew the lease `name` for `holder` until `ttl` from now. A takeover raises the epoch and appends a
    /// marker event; the new owner must have read up to [`Held::marker`] before it decides anything. `None`: somebody else holds it.
    /// `holder` names one start of one process: who comes back under an old name would share its predecessor's epoch.
    async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        ttl: std::time::Duration,
    ) -> Result<Option<Held>, StoreError>;

    /// Gives the lease back so that another may take it at once. Does nothing when it is no longer held in that epoch.
    async fn release_lease(&self, lease: &LeaseEpoch) -> Result<(), StoreError>;
}

/// The kind of the marker that a lease's takeover appends, to the stream `lease/<name>` whose version is the lease's epoch. It says
/// nothing to anybody but the new holder: relays and projections pass over it.
pub const LEASE_TAKEN: &str = "millrace.log.v1.LeaseTaken";

/// A lease that was taken or renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub lease: LeaseEpoch,
    /// Position of the takeover's marker in the feed.
    pub marker: u64,
}
