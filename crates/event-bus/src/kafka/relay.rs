//! The relay: a log's feed into topics, one process at a time, every position once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millrace_event_store::{EventLog, Held, Post, Recorded, StoreError, while_holding};
use millrace_service_kit::Shutdown;
use rdkafka::consumer::BaseConsumer;
use thiserror::Error;
use tracing::{debug, error, info, warn};
use uuid::Uuid;

use crate::bus::{BusError, Routes};
use crate::kafka::board::{Board, RelayReading};
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
/// Bytes of payload aimed at per page.
const PAGE_BYTES: usize = 16 << 20;
/// Private events passed over before the checkpoint is moved for them alone.
const UNREPORTED: u64 = 10_000;

#[derive(Debug, Error)]
enum RelayError {
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(
        "log {log} does not hold what was published up to position {position}: it was restored to an earlier point; \
         stop its service, run \"millrace migrate --new-epoch\" for it and start it again: everything is published again"
    )]
    Restored { log: String, position: u64 },
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
        // What was there may be gone: topics are looked after again.
        inner
            .ensured
            .lock()
            .expect("no holder of this lock panics")
            .clear();
        let own = vec![checkpoint::wish(&inner.settings, &inner.name)];
        // With Kafka away this takes long, and leaves nothing behind that matters.
        let created = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            created = topic_admin::create(&inner.settings, inner.inquirer.clone(), own) => created?,
        };
        let (publisher, checkpoint) = self.start(singly, !created.is_empty()).await?;
        let mut run = Run {
            relay: self.clone(),
            passed: checkpoint.position,
            passed_last: checkpoint.last,
            checkpoint,
            publisher: Some(publisher),
            stop: stop.clone(),
        };
        let mut moved = inner.log.moved();
        let mut size = PAGE_FIRST;
        let mut page = inner.log.read_feed(run.passed, size).await?;
        while !stop.is_cancelled() {
            if page.is_empty() {
                tokio::select! {
                    () = stop.cancelled() => break,
                    changed = moved.changed() => if changed.is_err() { return Err(StoreError::Closed.into()) },
                    () = run.due() => run.commit().await?,
                }
                // Before reading: what is written meanwhile is a reason to read once more.
                if *moved.borrow_and_update() > run.passed {
                    page = inner.log.read_feed(run.passed, size).await?;
                }
                continue;
            }
            let full = page.len() == size;
            size = next_page_size(&page, size);
            self.ensure_topics(&page).await?;
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
        let beginning = Checkpoint {
            log,
            epoch,
            shard: 0,
            position: 0,
            last: None,
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
        Ok((publisher, checkpoint))
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

    fn note(&self, change: impl FnOnce(&mut RelayReading)) {
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

/// From the start of a publisher to its end.
struct Run {
    relay: Relay,
    /// Every event up to here was sent or is none of Kafka's business.
    passed: u64,
    /// The event there.
    passed_last: Option<Uuid>,
    /// What Kafka knows of it.
    checkpoint: Checkpoint,
    /// `None`: it is at work on a thread where waiting is allowed, or failed there.
    publisher: Option<Publisher>,
    stop: Shutdown,
}

impl Run {
    fn due_at(&self, backlog: bool) -> Option<Instant> {
        self.publisher.as_ref()?.due(backlog)
    }

    /// Until the open transaction is to be committed; for ever without one.
    async fn due(&self) {
        match self.due_at(false) {
            Some(due) => tokio::time::sleep_until(due.into()).await,
            None => std::future::pending().await,
        }
    }

    /// Sends what goes out of `page`, which ends at position `last`; in a `backlog` more is waiting behind it.
    async fn send(
        &mut self,
        page: Vec<Recorded>,
        last: u64,
        backlog: bool,
    ) -> Result<(), RelayError> {
        let last_id = page.last().map(|last| last.event.id);
        let outgoing = page
            .iter()
            .any(|recorded| self.relay.0.topic_of(recorded).is_some());
        // The checkpoint alone is worth a transaction only now and then.
        if outgoing || last - self.checkpoint.position >= UNREPORTED {
            let (relay, stop) = (self.relay.clone(), self.stop.clone());
            self.work(move |publisher| {
                let inner = &relay.0;
                let omitted = inner
                    .omitted
                    .lock()
                    .expect("no holder of this lock panics")
                    .clone();
                let records = page.iter().filter_map(|recorded| {
                    Some(Outgoing {
                        topic: inner.topics.get(inner.topic_of(recorded)?.name)?,
                        recorded,
                        omitted: omitted.get(&recorded.at.number).map(String::as_str),
                    })
                });
                publisher.send(records, &stop)
            })
            .await?;
        }
        (self.passed, self.passed_last) = (last, last_id);
        match self.due_at(backlog) {
            Some(due) if due <= Instant::now() => self.commit().await,
            Some(_) => Ok(()),
            None => {
                let passed = self.passed;
                self.relay.note(|reading| reading.position = passed);
                Ok(())
            }
        }
    }

    /// Ends the open transaction, if there is one.
    async fn commit(&mut self) -> Result<(), RelayError> {
        let next = Checkpoint {
            position: self.passed,
            last: self.passed_last,
            ..self.checkpoint.clone()
        };
        let (checkpoint, stop) = (next.clone(), self.stop.clone());
        let committed = self
            .work(move |publisher| publisher.commit(&checkpoint, &stop))
            .await?;
        if let Some(count) = committed {
            self.relay.note(|reading| {
                reading.position = next.position;
                reading.published += count;
                reading.transactions += 1;
            });
            self.checkpoint = next;
        }
        Ok(())
    }

    /// Lets the publisher work where waiting is allowed.
    async fn work<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Publisher) -> Result<T, PublishError> + Send + 'static,
    ) -> Result<T, PublishError> {
        let Some(mut publisher) = self.publisher.take() else {
            return Err(PublishError::Stopped);
        };
        let (publisher, done) = blocking(move || {
            let done = work(&mut publisher);
            (publisher, done)
        })
        .await;
        self.publisher = Some(publisher);
        done
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
