//! The consumer loop, the same for every adapter: takes records, moves positions and effects together, keeps aside what
//! cannot be handled yet, and goes on.

mod appends;
mod attempt;
mod failing;
mod held;
mod kept;
mod meter;
mod news;
mod order;
mod parked;
mod plan;
mod positions;
mod recheck;
mod resync;
mod standing;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use millrace_event_store::{Database, LeaseEpoch, Migrations};
use millrace_service_kit::Shutdown;
use tracing::{Instrument, info_span};

use crate::bus::{Bus, BusError};
use crate::handler::Handler;
use crate::subscription::known;
use worker::Worker;

pub(crate) use plan::NOTHING_OLD;

pub use meter::{Meter, Reading};
pub use parked::{
    From, KeptCount, ParkedRecord, ParkedState, Stalled, count_parked, drop_parked, list_parked,
    list_stalled, resolve, restart_stalled, retry_all_parked, retry_parked,
};
pub use standing::{Standing, standings};

static MIGRATIONS: Migrations = millrace_event_store::migrations!("event-bus");

/// This crate's tables; every database that a [`Consumer`] writes needs them.
#[must_use]
pub fn migrations() -> &'static Migrations {
    &MIGRATIONS
}

/// One reader of topics: what it reads, where it keeps what it made of it.
#[derive(Clone)]
pub struct Consumer {
    pub(crate) group: Arc<str>,
    topics: Vec<String>,
    database: Database,
    handler: Arc<dyn Handler>,
    batch: usize,
    waiting_per_key: usize,
    pace: Duration,
    meter: Arc<Meter>,
    lease: Option<LeaseEpoch>,
}

impl Consumer {
    /// `group` is stored for ever: under it the positions stand in `database`, and Kafka shares the partitions out among the
    /// processes that use it. By habit `<service>` or `<service>.<purpose>`. `topics` are short names of [`crate::topics`];
    /// a reader that begins takes them in this order, so name first what others refer to.
    #[must_use]
    pub fn new(
        group: &str,
        topics: &[&str],
        database: Database,
        handler: Arc<dyn Handler>,
    ) -> Self {
        Self {
            group: group.into(),
            topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
            database,
            handler,
            batch: 500,
            waiting_per_key: 1_000,
            pace: Duration::ZERO,
            meter: Arc::default(),
            lease: None,
        }
    }

    /// Appends that the handler asks for are written only while this lease is held: a process that was taken for dead writes nothing.
    #[must_use]
    pub fn under(mut self, lease: LeaseEpoch) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Records per transaction, at most.
    #[must_use]
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = batch.max(1);
        self
    }

    /// Looks for records at most this often: the first after a quiet time is taken at once, those that follow soon are taken
    /// together. For readers of whom nobody waits for the next record.
    #[must_use]
    pub fn pace(mut self, pace: Duration) -> Self {
        self.pace = pace;
        self
    }

    /// How many facts of one key may wait behind a parked one before their partition waits too.
    #[must_use]
    pub fn waiting_per_key(mut self, limit: usize) -> Self {
        self.waiting_per_key = limit.max(1);
        self
    }

    /// What it counts while it runs.
    #[must_use]
    pub fn meter(&self) -> Arc<Meter> {
        self.meter.clone()
    }
}

/// Runs `consumer` until shutdown, then finishes the transaction in hand. A broken world (database, Kafka) is retried by
/// itself; an error is one that no retry mends.
///
/// # Errors
/// [`BusError::UnknownTopic`] for a topic that is not in the table; [`BusError::Store`] when the database lacks this crate's tables.
pub async fn consume(
    bus: Arc<dyn Bus>,
    consumer: Consumer,
    shutdown: Shutdown,
) -> Result<(), BusError> {
    let topics = known(&consumer.topics)?;
    let span = info_span!("consume", consumer = %consumer.group);
    consumer.database.check(&[migrations()]).await?;
    let meter = consumer.meter();
    bus.board().enter(&consumer.group, &meter);
    let ended = Worker::new(consumer)
        .run(&*bus, &topics, shutdown)
        .instrument(span)
        .await;
    meter.ended();
    ended
}
