//! The relay: a log's feed into topics, one process at a time, every position once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millrace_event_store::{EventLog, Held, Post, Recorded, StoreError, gather, while_holding};
use millrace_service_kit::Shutdown;
use rdkafka::consumer::BaseConsumer;
use thiserror::Error;
use tracing::{debug, error, info, warn};

use crate::bus::{BusError, Routes};
use crate::kafka::board::{Board, RelayReading};
use crate::kafka::checkpoint::{self, Checkpoint, relay_name};
use crate::kafka::client::Quiet;
use crate::kafka::data_topics::DataTopics;
use crate::kafka::publisher::{PublishError, Publisher};
use crate::kafka::run::Run;
use crate::kafka::settings::KafkaSettings;
use crate::kafka::{blocking, topic_admin};

/// How long the others wait for a relay that fell silent.
const LEASE: Duration = Duration::from_secs(6);
const PAGE_FIRST: usize = 1_000;
const PAGE_LAST: usize = 20_000;
/// So long each event of a page keeps the next page waiting.
const GATHER_PER_EVENT: Duration = Duration::from_micros(200);
/// Bytes of payload aimed at per page.
const PAGE_BYTES: usize = 16 << 20;

#[derive(Debug, Error)]
pub(super) enum RelayError {
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Bus(#[from] BusError),
    /// It was told already, and the checkpoint says that they are to be filled again.
    #[error("topics that were published to are gone")]
    Lost,
    #[error(
        "log {log} does not hold what was published up to position {position}: it was restored to an earlier point; \
         stop its service, run \"millrace migrate --new-epoch\" for it and start it again: everything is published again"
    )]
    Restored { log: String, position: u64 },
}

#[derive(Clone)]
pub(super) struct Relay(pub(super) Arc<Inner>);

pub(super) struct Inner {
    settings: KafkaSettings,
    inquirer: Arc<BaseConsumer<Quiet>>,
    board: Board,
    pub(super) log: Arc<dyn EventLog>,
    routes: Routes,
    pub(super) name: String,
    pub(super) data: DataTopics,
    pub(super) omitted: Mutex<BTreeMap<u64, String>>,
}

impl Relay {
    pub(super) fn new(
        settings: KafkaSettings,
        inquirer: Arc<BaseConsumer<Quiet>>,
        board: Board,
        log: Arc<dyn EventLog>,
        routes: Routes,
    ) -> Self {
        let name = relay_name(&settings, log.name(), &routes);
        let data = DataTopics::new(settings.clone(), inquirer.clone(), routes.clone());
        Self(Arc::new(Inner {
            settings,
            inquirer,
            board,
            log,
            routes,
            name,
            data,
            omitted: Mutex::default(),
        }))
    }

    /// Until shutdown: publishes while this process holds the lease, stands by while another does.
    pub(super) async fn run(self, holder: &str, shutdown: &Shutdown) -> Result<(), BusError> {
        let lease = match &self.0.routes {
            Routes::Internal => "relay".to_owned(),
            Routes::Channel(channel) => format!("relay/{channel}"),
        };
        let post = Post {
            lease,
            holder: holder.to_owned(),
            ttl: LEASE,
        };
        let work = |held: Held, stop: Shutdown| {
            let relay = self.clone();
            async move { relay.hold(&held, &stop).await }
        };
        while_holding(&self.0.log, &post, shutdown, || {}, work).await?;
        Ok(())
    }

    /// While the lease is ours: one publisher after the other.
    async fn hold(&self, held: &Held, stop: &Shutdown) {
        let inner = &self.0;
        inner.board.follow(&inner.name, inner.log.moved());
        self.note(|reading| reading.active = true);
        debug!(relay = inner.name, epoch = held.lease.epoch, "relay begins");
        let mut failures = 0_u32;
        let mut singly = false;
        while !stop.is_cancelled() {
            let before = self.published();
            let failure = match self.publish(singly, stop).await {
                Ok(()) if stop.is_cancelled() => break,
                Ok(()) => {
                    singly = false;
                    continue;
                }
                Err(failure) => failure,
            };
            singly = false;
            match failure {
                RelayError::Publish(PublishError::Stopped)
                | RelayError::Store(StoreError::Closed) => break,
                RelayError::Publish(PublishError::Fenced) => {
                    warn!(
                        relay = inner.name,
                        "relay {} was fenced by its successor", inner.name
                    );
                    break;
                }
                RelayError::Publish(PublishError::TooLarge { positions }) => {
                    self.omit(positions);
                    continue;
                }
                RelayError::Publish(PublishError::BatchTooLarge) => {
                    singly = true;
                    continue;
                }
                RelayError::Lost => continue,
                failure => {
                    failures = if self.published() > before {
                        1
                    } else {
                        failures + 1
                    };
                    self.note(|reading| reading.failures += 1);
                    if failures == 1 {
                        error!(
                            error = &failure as &dyn std::error::Error,
                            relay = inner.name,
                            "relay {} failed, trying again",
                            inner.name
                        );
                    }
                }
            }
            let pause = (Duration::from_millis(100) * 2_u32.pow(failures.min(6)))
                .min(Duration::from_secs(5));
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.note(|reading| reading.active = false);
    }

    fn published(&self) -> u64 {
        let mut published = 0;
        self.note(|reading| published = reading.published);
        published
    }

    /// From the start of a publisher to its first failure, or until `stop`; one that sends singly ends with its first page.
    async fn publish(&self, singly: bool, stop: &Shutdown) -> Result<(), RelayError> {
        let inner = &self.0;
        inner.data.forget();
        let own = vec![checkpoint::wish(&inner.settings, &inner.name)];
        let creating = topic_admin::create(&inner.settings, inner.inquirer.clone(), own);
        let relay = self.clone();
        let starting = blocking(move || {
            let inner = &relay.0;
            Publisher::start(&inner.settings, &inner.name, singly)
        });
        // With Kafka away this takes long, and leaves nothing behind that matters.
        let (created, publisher) = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            both = async { tokio::join!(creating, starting) } => both,
        };
        let (created, publisher) = (created?, publisher?);
        let checkpoint = self.stored(!created.is_empty()).await?;
        let mut run = Run::new(self.clone(), publisher, checkpoint, stop.clone());
        run.look().await?;
        let mut moved = inner.log.moved();
        let mut size = PAGE_FIRST;
        let mut gathered = Instant::now();
        let mut page = inner.log.read_feed(run.passed, size).await?;
        while !stop.is_cancelled() {
            if run.is_to_look(!page.is_empty()) {
                match run.look().await {
                    // Nothing is lost until the next look: what was there at the last one is remembered.
                    Err(RelayError::Bus(failure)) => debug!(
                        error = &failure as &dyn std::error::Error,
                        relay = inner.name,
                        "could not look after what was published"
                    ),
                    looked => looked?,
                }
            }
            if page.is_empty() {
                tokio::select! {
                    () = stop.cancelled() => break,
                    changed = moved.changed() => if changed.is_err() { return Err(StoreError::Closed.into()) },
                    () = run.due() => run.commit().await?,
                    () = tokio::time::sleep_until(run.look_at.into()) => continue,
                }
                tokio::time::sleep_until(gathered.into()).await;
                // Before reading: what is written meanwhile is a reason to read once more.
                if *moved.borrow_and_update() > run.passed {
                    gathered = Instant::now();
                    page = inner.log.read_feed(run.passed, size).await?;
                    gathered += gather(page.len(), GATHER_PER_EVENT);
                }
                continue;
            }
            let full = page.len() == size;
            size = next_page_size(&page, size);
            inner.data.ensure(&page).await?;
            let last = page.last().map_or(run.passed, |last| last.at.number);
            page = if full {
                // Reading the next page goes on while this one is sent.
                let following = inner.log.read_feed(last, size);
                let (sent, following) = tokio::join!(run.send(page, last, true), following);
                sent?;
                following?
            } else {
                run.send(page, last, false).await?;
                Vec::new()
            };
            if singly {
                break;
            }
        }
        run.commit().await
    }

    /// Where to go on; asked once the predecessor is fenced. A topic made a moment ago (`fresh`) says nothing yet.
    async fn stored(&self, fresh: bool) -> Result<Checkpoint, RelayError> {
        let relay = self.clone();
        let stored = match fresh {
            true => None,
            false => {
                blocking(move || {
                    let inner = &relay.0;
                    checkpoint::read(&inner.settings, &inner.name).map_err(PublishError::Kafka)
                })
                .await?
            }
        };
        let inner = &self.0;
        let (log, epoch) = (inner.log.name().to_owned(), inner.log.epoch());
        let beginning = Checkpoint {
            log,
            epoch,
            shard: 0,
            position: 0,
            last: None,
            topics: BTreeMap::new(),
            again: None,
        };
        let checkpoint = match stored {
            None => beginning,
            Some(stored) if stored.epoch == epoch => {
                if !self.holds(&stored).await? {
                    return Err(RelayError::Restored {
                        log: stored.log,
                        position: stored.position,
                    });
                }
                stored
            }
            Some(stored) => {
                warn!(
                    relay = inner.name,
                    position = stored.position,
                    epoch = %stored.epoch,
                    "log {} is not the one published so far: everything is published again",
                    beginning.log
                );
                beginning
            }
        };
        self.note(|reading| reading.position = checkpoint.position);
        info!(
            relay = inner.name,
            position = checkpoint.position,
            "relay {} goes on after position {}",
            inner.name,
            checkpoint.position
        );
        Ok(checkpoint)
    }

    /// Whether the log has the event it had when it was published so far.
    async fn holds(&self, stored: &Checkpoint) -> Result<bool, StoreError> {
        let Some(before) = stored.position.checked_sub(1) else {
            return Ok(true);
        };
        let found = self.0.log.read_feed(before, 1).await?;
        Ok(found.first().is_some_and(|found| {
            found.at.number == stored.position
                && stored.last.is_none_or(|last| last == found.event.id)
        }))
    }

    pub(super) fn note(&self, change: impl FnOnce(&mut RelayReading)) {
        self.0.board.note(&self.0.name, change);
    }

    fn omit(&self, positions: impl IntoIterator<Item = u64>) {
        let inner = &self.0;
        let mut omitted = inner.omitted.lock().expect("no holder of this lock panics");
        for position in positions {
            let reason = format!(
                "larger than kafka takes ({} bytes)",
                inner.settings.max_record_bytes
            );
            error!(
                relay = inner.name,
                position,
                "event {position} of {} is {reason}: its readers get a stand-in",
                inner.log.name()
            );
            omitted.insert(position, reason);
        }
        let positions = omitted.keys().copied().collect();
        self.note(|reading| reading.omitted = positions);
    }
}

fn next_page_size(page: &[Recorded], size: usize) -> usize {
    let bytes: usize = page
        .iter()
        .map(|recorded| recorded.event.payload.len() + 512)
        .sum();
    let fitting = PAGE_BYTES / (bytes / page.len().max(1)).max(1);
    let wanted = if page.len() == size { size * 4 } else { size };
    wanted.min(fitting).clamp(50, PAGE_LAST)
}
