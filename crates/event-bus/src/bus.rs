//! The port: how events travel between processes, and what is promised on the way (DESIGN.md §4, §5).

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use millrace_event_store::{EventLog, Recorded, StoreError};
use millrace_service_kit::Shutdown;
use thiserror::Error;

use crate::board::Board;
use crate::kafka::RelayReading;
use crate::subscription::{Positions, Subscription};
use crate::topics::Topic;

#[derive(Debug, Error)]
pub enum BusError {
    #[error("could not reach kafka")]
    Kafka(#[from] rdkafka::error::KafkaError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The adapter's own task ended: the process is going down, or has a bug.
    #[error("the bus is closed")]
    Closed,
    /// The remembered position is gone (topic recreated, retention passed, log rebuilt): start again from a snapshot.
    #[error("resync needed for {topic}: {reason}")]
    ResyncNeeded { topic: String, reason: String },
    /// Records are there and none comes: begin anew from the stored positions.
    #[error("partition {partition} of {topic} has records and brings none")]
    Stuck { topic: String, partition: i32 },
    #[error("no topic is known for events of kind {0}")]
    UnknownTopic(String),
}

/// Which topic an event goes to. The event's kind names it: `millrace.webshop_orders.v1.OrderAccepted` → `webshop-orders`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Routes {
    /// `<prefix><topic>`: the internal mirror of a service's queue.
    Internal,
    /// `<prefix>shop.<channel>.<topic>`: what one shop may read.
    Channel(String),
}

/// A record as a consumer gets it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Short topic name, without prefix: `items`.
    pub topic: String,
    pub partition: i32,
    /// Position in the partition (Kafka offset; in the embedded bus the log's position number).
    pub offset: i64,
    /// The event, or why the record could not be read as one (such a record is parked).
    pub event: Result<Recorded, Unreadable>,
}

/// A record that is no event of ours.
#[derive(Debug, Clone, Error)]
#[error("record cannot be read as an event: {reason}")]
pub struct Unreadable {
    pub key: String,
    pub reason: String,
}

impl Delivery {
    /// The record's key, readable or not.
    #[must_use]
    pub fn key(&self) -> &str {
        match &self.event {
            Ok(recorded) => &recorded.event.key,
            Err(unreadable) => &unreadable.key,
        }
    }
}

/// What a newcomer sees: the latest of every key, then everything as it comes.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "the small one comes once in a stream's life"
)]
pub enum Mirrored {
    Record(Delivery),
    /// Everything that was there at the start has been delivered.
    CaughtUp,
}

/// Carries committed events from logs to readers. Kafka and `embedded` keep the same promises.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Publishes the log's feed by `routes` until shutdown: one process at a time by lease, fenced, from the stored checkpoint.
    /// Returns when shutdown is asked and what is in hand is acknowledged; retries a broken world by itself.
    async fn relay(
        &self,
        log: Arc<dyn EventLog>,
        routes: Routes,
        shutdown: Shutdown,
    ) -> Result<(), BusError>;

    /// All partitions of `topics` alone, without a group: latest per key (at least), then live. Per key in order; repeats possible.
    async fn mirror(
        &self,
        topics: &[&str],
    ) -> Result<BoxStream<'static, Result<Mirrored, BusError>>, BusError>;

    /// What [`consume`](crate::consume) reads from: the partitions of `topics` that fall to this member of `group`, each from
    /// where `positions` says.
    async fn subscribe(
        &self,
        group: &str,
        topics: &[&'static Topic],
        positions: Arc<dyn Positions>,
    ) -> Result<Box<dyn Subscription>, BusError>;

    /// Readiness: `Err` says in one line what is away.
    async fn check(&self) -> Result<(), BusError>;

    /// Where [`consume`](crate::consume) enters what its consumers count.
    fn board(&self) -> &Board;

    /// How far each relay of this process has come; none where nothing is copied.
    fn relays(&self) -> Vec<RelayReading> {
        Vec::new()
    }
}
