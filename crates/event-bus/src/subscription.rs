//! The port between the consumer loop and an adapter: where records come from, and where each partition starts.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use millrace_event_store::{Position, Recorded, StoreError};
use uuid::Uuid;

use crate::bus::{BusError, Unreadable};
use crate::topics::Topic;

/// One ordered part of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    pub topic: &'static str,
    pub number: i32,
    /// Empty for Kafka; the log's name in the embedded bus, where every log is a partition of its own.
    pub source: Arc<str>,
}

/// How far a consumer has come in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The first offset that was not taken yet.
    pub next: i64,
    /// The event before `next`, where one was met there: a log that has another one was restored to an earlier point.
    pub passed: Option<Uuid>,
    /// The last event taken.
    pub seen: Option<Seen>,
    /// The offset at which the epoch of `seen` was first met: what is older there belongs to an earlier life of the log.
    pub since: i64,
    /// Where the partition ended when this consumer began it, until something new came after that. What is older may have been
    /// compacted: there a position that goes back does not tell that the record was taken. -1: nothing is that old.
    pub old_until: i64,
    /// Why this partition waits for a person.
    pub stalled: Option<String>,
}

/// Where in its log the last event taken stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub log: Arc<str>,
    pub epoch: Uuid,
    pub shard: u16,
    pub number: u64,
}

/// Reads where to start. Asked whenever a partition is assigned.
#[async_trait]
pub trait Positions: Send + Sync {
    /// `None`: never been there, start at the beginning.
    async fn load(&self, partition: &Partition) -> Result<Option<Mark>, StoreError>;
}

/// A record as the loop takes it.
#[derive(Debug, Clone)]
pub struct Taken {
    pub partition: Partition,
    pub offset: i64,
    pub event: Result<Recorded, Unread>,
}

/// A record that is no event of ours, with what is needed to try again after an upgrade.
#[derive(Debug, Clone)]
pub struct Unread {
    pub why: Unreadable,
    /// Headers as one JSON object.
    pub headers: String,
    pub payload: Option<Bytes>,
}

impl Taken {
    #[must_use]
    pub fn key(&self) -> &str {
        match &self.event {
            Ok(recorded) => &recorded.event.key,
            Err(unread) => &unread.why.key,
        }
    }
}

/// What changed about the partitions this member reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Ours from now on, from its mark; without one from the beginning, and `end` is where the partition ends now.
    Assigned {
        partition: Partition,
        mark: Option<Mark>,
        end: i64,
    },
    /// Somebody else's from now on.
    Revoked(Partition),
    /// The mark points to where nothing is any more; nothing comes from this partition until [`Subscription::seek`].
    Lost {
        partition: Partition,
        reason: String,
        now: Option<Position>,
    },
}

/// What one call of [`Subscription::next`] brings. The changes come before the records.
#[derive(Debug, Default)]
pub struct Batch {
    pub changes: Vec<Change>,
    pub records: Vec<Taken>,
    pub reached: Vec<Reached>,
}

/// How far reading has come where that is further than the last record: events in between concerned nobody here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    pub partition: Partition,
    pub next: i64,
    /// The event before `next`.
    pub passed: Uuid,
}

/// A member of a group, with its partitions.
#[async_trait]
pub trait Subscription: Send {
    /// The next records, per partition in order, at most about `limit`; waits up to `patience` for the first. Must be called
    /// again within the group's patience, or its partitions go to others.
    async fn next(&mut self, limit: usize, patience: Duration) -> Result<Batch, BusError>;

    /// Goes on from `offset`; `None` is the beginning of what is there.
    async fn seek(&mut self, partition: &Partition, offset: Option<i64>) -> Result<(), BusError>;

    /// Holds a partition back, or lets it come again.
    async fn pause(&mut self, partition: &Partition, paused: bool) -> Result<(), BusError>;

    /// For lag displays only: these offsets are done with.
    async fn committed(&mut self, marks: &[(Partition, i64)]);

    /// Records that are there and not delivered yet, per partition, as far as it is known without asking far away.
    async fn lag(&mut self) -> Vec<(Partition, i64)>;
}

/// The topics of these names.
pub(crate) fn known(topics: &[String]) -> Result<Vec<&'static Topic>, BusError> {
    topics
        .iter()
        .map(|name| crate::topics::named(name).ok_or_else(|| BusError::UnknownTopic(name.clone())))
        .collect()
}
