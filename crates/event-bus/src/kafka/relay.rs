//! The relay: a log's feed into topics, one process at a time, every position once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millrace_event_store::{EventLog, Held, Post, Recorded, StoreError, while_holding};
use millrace_service_kit::Shutdown;
use rdkafka::consumer::BaseConsumer;
use thiserror::Error;
use tracing::{debug, error, info, warn};

use crate::bus::{BusError, Routes};
use crate::kafka::checkpoint::{self, Checkpoint, relay_name};
use crate::kafka::client::Quiet;
use crate::kafka::publisher::{Outgoing, PublishError, Publisher};
use crate::kafka::settings::KafkaSettings;
use crate::kafka::{blocking, topic_admin};
use crate::topics::{self, TOPICS, Topic};

/// How long the others wait for a relay that fell silent.
const LEASE: Duration = Duration::from_secs(8);
const PAGE_FIRST: usize = 1_000;
const PAGE_LAST: usize = 20_000;
/// Bytes of payload aimed at per transaction.
const PAGE_BYTES: usize = 16 << 20;
/// Private events passed over before the checkpoint is moved for them alone.
const UNREPORTED: u64 = 10_000;

/// How far one relay has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayReading {
    /// Its transactional id.
    pub relay: String,
    /// This process holds the lease.
    pub active: bool,
    /// The last position published or passed over.
    pub position: u64,
    pub published: u64,
    pub transactions: u64,
    /// Producers thrown away after a failure.
    pub failures: u64,
    /// Events that Kafka does not take because they are too large, by position: their readers find a stand-in that they park.
    pub omitted: Vec<u64>,
}

/// The readings of all relays of a process.
#[derive(Debug, Clone, Default)]
pub(super) struct Board(Arc<Mutex<BTreeMap<String, RelayReading>>>);

impl Board {
    pub(super) fn read(&self) -> Vec<RelayReading> {
        self.0
            .lock()
            .expect("no holder of this lock panics")
            .values()
            .cloned()
            .collect()
    }

    fn note(&self, relay: &str, change: impl FnOnce(&mut RelayReading)) {
        let mut board = self.0.lock().expect("no holder of this lock panics");
        let new = || RelayReading {
            relay: relay.to_owned(),
            active: false,
            position: 0,
            published: 0,
            transactions: 0,
            failures: 0,
            omitted: Vec::new(),
        };
        change(board.entry(relay.to_owned()).or_insert_with(new));
    }
}

#[derive(Debug, Error)]
enum RelayError {
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Bus(#[from] BusError),
}

#[derive(Clone)]
pub(super) struct Relay(Arc<Inner>);

struct Inner {
    settings: KafkaSettings,
    inquirer: Arc<BaseConsumer<Quiet>>,
    board: Board,
    log: Arc<dyn EventLog>,
    routes: Routes,
    name: String,
    /// Full topic names by short ones.
    topics: HashMap<&'static str, String>,
    ensured: Mutex<HashSet<&'static str>>,
    omitted: Mutex<BTreeMap<u64, String>>,
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
        let topics = TOPICS
            .iter()
            .map(|topic| (topic.name, settings.topic_name(&routes, topic)))
            .collect();
        Self(Arc::new(Inner {
            settings,
            inquirer,
            board,
            log,
            routes,
            name,
            topics,
            ensured: Mutex::default(),
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
        inner
            .board
            .note(&inner.name, |reading| reading.active = true);
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
                failure => {
                    failures = if self.published() > before {
                        1
                    } else {
                        failures + 1
                    };
                    inner
                        .board
                        .note(&inner.name, |reading| reading.failures += 1);
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
        inner
            .board
            .note(&inner.name, |reading| reading.active = false);
    }

    fn published(&self) -> u64 {
        let mut published = 0;
        self.0
            .board
            .note(&self.0.name, |reading| published = reading.published);
        published
    }

    /// From the start of a publisher to its first failure, or until `stop`; one that sends singly ends with its first page.
    async fn publish(&self, singly: bool, stop: &Shutdown) -> Result<(), RelayError> {
        let inner = &self.0;
        // What was there may be gone: topics are looked after again.
        inner
            .ensured
            .lock()
            .expect("no holder of this lock panics")
            .clear();
        let own = vec![checkpoint::wish(&inner.settings, &inner.name)];
        let created = topic_admin::create(&inner.settings, inner.inquirer.clone(), own).await?;
        let (publisher, mut checkpoint) = self.start(singly, !created.is_empty()).await?;
        let publisher = Arc::new(publisher);
        let mut moved = inner.log.moved();
        let mut page_size = PAGE_FIRST;
        let mut read_to = checkpoint.position;
        moved.borrow_and_update();
        let mut page = inner.log.read_feed(read_to, page_size).await?;
        while !stop.is_cancelled() {
            let Some(last) = page.last() else {
                tokio::select! {
                    () = stop.cancelled() => break,
                    changed = moved.changed() => if changed.is_err() { return Err(StoreError::Closed.into()) },
                }
                moved.borrow_and_update();
                page = inner.log.read_feed(read_to, page_size).await?;
                continue;
            };
            read_to = last.at.number;
            page_size = next_page_size(&page, page_size);
            let next = Checkpoint {
                position: read_to,
                ..checkpoint.clone()
            };
            self.ensure_topics(&page).await?;
            // Reading the next page goes on while this one is published.
            moved.borrow_and_update();
            let (done, following) = tokio::join!(
                self.transact(&publisher, page, &checkpoint, &next, stop),
                inner.log.read_feed(read_to, page_size)
            );
            if done? {
                checkpoint = next;
                if singly {
                    break;
                }
            }
            page = following?;
        }
        Ok(())
    }

    /// Publishes what of `page` goes out, with the checkpoint. `false`: nothing did, and the checkpoint stays for now.
    async fn transact(
        &self,
        publisher: &Arc<Publisher>,
        page: Vec<Recorded>,
        old: &Checkpoint,
        new: &Checkpoint,
        stop: &Shutdown,
    ) -> Result<bool, PublishError> {
        let outgoing = page
            .iter()
            .any(|recorded| self.0.topic_of(recorded).is_some());
        if !outgoing && new.position - old.position < UNREPORTED {
            self.0
                .board
                .note(&self.0.name, |reading| reading.position = new.position);
            return Ok(false);
        }
        let (relay, publisher, new, stop) =
            (self.clone(), publisher.clone(), new.clone(), stop.clone());
        let position = new.position;
        let published = blocking(move || {
            let inner = &relay.0;
            let omitted = inner
                .omitted
                .lock()
                .expect("no holder of this lock panics")
                .clone();
            let mut count = 0_u64;
            let records = page.iter().filter_map(|recorded| {
                let topic = inner.topics.get(inner.topic_of(recorded)?.name)?;
                count += 1;
                Some(Outgoing {
                    topic,
                    recorded,
                    omitted: omitted.get(&recorded.at.number).map(String::as_str),
                })
            });
            publisher.publish(records, &new, &stop)?;
            Ok::<_, PublishError>(count)
        });
        let published = published.await?;
        self.0.board.note(&self.0.name, |reading| {
            reading.position = position;
            reading.published += published;
            reading.transactions += 1;
        });
        Ok(true)
    }

    async fn start(
        &self,
        singly: bool,
        fresh: bool,
    ) -> Result<(Publisher, Checkpoint), RelayError> {
        let relay = self.clone();
        let (publisher, stored) = blocking(move || {
            let inner = &relay.0;
            let publisher = Publisher::start(&inner.settings, &inner.name, singly)?;
            // A topic made a moment ago says nothing yet.
            let stored = match fresh {
                true => None,
                false => {
                    checkpoint::read(&inner.settings, &inner.name).map_err(PublishError::Kafka)?
                }
            };
            Ok::<_, PublishError>((publisher, stored))
        })
        .await?;
        let inner = &self.0;
        let (log, epoch) = (inner.log.name().to_owned(), inner.log.epoch());
        let head = inner.log.head().await?;
        let beginning = Checkpoint {
            log,
            epoch,
            shard: 0,
            position: 0,
        };
        let checkpoint = match stored {
            None => beginning,
            Some(stored) if stored.epoch == epoch && stored.position <= head => stored,
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
        inner.board.note(&inner.name, |reading| {
            reading.position = checkpoint.position
        });
        info!(
            relay = inner.name,
            position = checkpoint.position,
            "relay {} goes on after position {}",
            inner.name,
            checkpoint.position
        );
        Ok((publisher, checkpoint))
    }

    /// Topics are made when the first event for them comes: most are there since `millrace migrate`.
    async fn ensure_topics(&self, page: &[Recorded]) -> Result<(), BusError> {
        let inner = &self.0;
        let mut missing: Vec<&'static Topic> = Vec::new();
        {
            let ensured = inner.ensured.lock().expect("no holder of this lock panics");
            for topic in page.iter().filter_map(|recorded| inner.topic_of(recorded)) {
                if !ensured.contains(topic.name) && !missing.contains(&topic) {
                    missing.push(topic);
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let wishes = missing
            .iter()
            .map(|topic| topic_admin::wish(&inner.settings, &inner.routes, topic))
            .collect();
        topic_admin::create(&inner.settings, inner.inquirer.clone(), wishes).await?;
        inner
            .ensured
            .lock()
            .expect("no holder of this lock panics")
            .extend(missing.iter().map(|topic| topic.name));
        Ok(())
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
        inner
            .board
            .note(&inner.name, |reading| reading.omitted = positions);
    }
}

impl Inner {
    fn topic_of(&self, recorded: &Recorded) -> Option<&'static Topic> {
        let topic = topics::of_kind(&recorded.event.kind)?;
        match &self.routes {
            Routes::Internal => Some(topic),
            Routes::Channel(channel) => (topic.outward
                && recorded.event.channel.as_deref() == Some(channel))
            .then_some(topic),
        }
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
