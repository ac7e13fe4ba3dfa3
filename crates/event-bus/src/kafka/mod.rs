//! The bus between processes: Apache Kafka through librdkafka.
//!
//! A relay publishes a log's feed in transactions whose transactional id fences a predecessor that wakes up late; where it
//! has come to stands in the same transaction, in a small topic of its own, so that Kafka and the checkpoint cannot disagree
//! (a Kafka that lost everything is filled again from the log). Readers read uncommitted: what is sent stands in the log already, and
//! what is sent again is told by its position.

mod board;
mod checkpoint;
mod client;
mod data_topics;
mod examine;
mod member;
mod mirror;
mod publisher;
mod record;
mod relay;
mod run;
mod settings;
mod subscription;
mod topic_admin;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use millrace_event_store::EventLog;
use millrace_service_kit::Shutdown;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tracing::debug;

use crate::board::Board;
use crate::bus::{Bus, BusError, Mirrored, Routes};
use crate::kafka::client::Quiet;
use crate::kafka::relay::Relay;
use crate::subscription::{Positions, Subscription, known};
use crate::topics::Topic;

pub use board::RelayReading;
pub use examine::{Ends, Published, TopicTrouble, Trouble};
pub use settings::{KafkaSettings, TopicSettings};

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct KafkaBus(Arc<Inner>);

struct Inner {
    settings: KafkaSettings,
    /// This process, unique among all that share the cluster.
    holder: String,
    /// Asks about the cluster; belongs to no group.
    inquirer: Arc<BaseConsumer<Quiet>>,
    relays: board::Board,
    board: Board,
}

impl std::fmt::Debug for KafkaBus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaBus")
            .field("bootstrap", &self.0.settings.bootstrap)
            .field("prefix", &self.0.settings.prefix)
            .finish()
    }
}

impl KafkaBus {
    /// Connects to nobody yet. `holder` names this process, unique among all that share the cluster: leases are held under it.
    ///
    /// # Errors
    /// A setting that librdkafka does not understand.
    pub fn new(settings: KafkaSettings, holder: impl Into<String>) -> Result<Self, BusError> {
        let mut config = settings.client("inquirer");
        // Where a partition ends is asked for, and an open transaction does not change that.
        config.set("isolation.level", "read_uncommitted");
        let inquirer = Arc::new(config.create_with_context(Quiet)?);
        Ok(Self(Arc::new(Inner {
            settings,
            holder: holder.into(),
            inquirer,
            relays: board::Board::default(),
            board: Board::default(),
        })))
    }

    /// Creates every topic of [`crate::topics`] that is missing; `millrace migrate` calls it. Returns the full names of those
    /// it created.
    ///
    /// # Errors
    /// Kafka is away, or does not let us.
    pub async fn create_topics(&self) -> Result<Vec<String>, BusError> {
        topic_admin::create_internal(
            &self.0.settings,
            self.0.inquirer.clone(),
            &crate::topics::internal().collect::<Vec<_>>(),
        )
        .await
    }

    /// Creates the outward topics of `channel` that are missing. Returns the full names of those it created.
    ///
    /// # Errors
    /// Kafka is away, or does not let us.
    pub async fn create_channel_topics(&self, channel: &str) -> Result<Vec<String>, BusError> {
        topic_admin::create_outward(&self.0.settings, self.0.inquirer.clone(), channel).await
    }

    /// How far each relay of this process has come.
    #[must_use]
    pub fn relays(&self) -> Vec<RelayReading> {
        self.0.relays.read()
    }

    /// A reader that comes first finds its topics; one that may not make them waits for who may.
    async fn prepare(&self, topics: &[&Topic]) {
        if let Err(failure) =
            topic_admin::create_internal(&self.0.settings, self.0.inquirer.clone(), topics).await
        {
            debug!(
                error = &failure as &dyn std::error::Error,
                "could not look after the topics to read"
            );
        }
    }

    #[must_use]
    pub fn settings(&self) -> &KafkaSettings {
        &self.0.settings
    }
}

#[async_trait]
impl Bus for KafkaBus {
    async fn relay(
        &self,
        log: Arc<dyn EventLog>,
        routes: Routes,
        shutdown: Shutdown,
    ) -> Result<(), BusError> {
        let (settings, inquirer) = (self.0.settings.clone(), self.0.inquirer.clone());
        Relay::new(settings, inquirer, self.0.relays.clone(), log, routes)
            .run(&self.0.holder, &shutdown)
            .await
    }

    async fn mirror(
        &self,
        topics: &[&str],
    ) -> Result<BoxStream<'static, Result<Mirrored, BusError>>, BusError> {
        let names: Vec<String> = topics.iter().map(|&name| name.to_owned()).collect();
        let topics = known(&names)?;
        self.prepare(&topics).await;
        mirror::mirror(&self.0.settings, &topics)
    }

    async fn subscribe(
        &self,
        group: &str,
        topics: &[&'static Topic],
        positions: Arc<dyn Positions>,
    ) -> Result<Box<dyn Subscription>, BusError> {
        self.prepare(topics).await;
        Ok(Box::new(subscription::KafkaSubscription::join(
            &self.0.settings,
            group,
            topics,
            positions,
        )?))
    }

    async fn check(&self) -> Result<(), BusError> {
        let inquirer = self.0.inquirer.clone();
        blocking(move || {
            inquirer
                .fetch_metadata(Some("__consumer_offsets"), Duration::from_secs(3))
                .map(drop)
        })
        .await?;
        Ok(())
    }

    fn board(&self) -> &Board {
        &self.0.board
    }

    fn relays(&self) -> Vec<RelayReading> {
        self.0.relays.read()
    }
}

/// Runs librdkafka calls that wait, where waiting is allowed.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}
