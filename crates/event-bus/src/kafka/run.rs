//! One publisher at work for a relay: what it has sent, when that is committed, and whether it is still there.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use millrace_event_store::Recorded;
use millrace_service_kit::Shutdown;
use millrace_service_kit::trace::{self, Work};
use tracing::warn;
use uuid::Uuid;

use crate::kafka::blocking;
use crate::kafka::checkpoint::Checkpoint;
use crate::kafka::publisher::{Outgoing, PublishError, Publisher};
use crate::kafka::relay::{Relay, RelayError};

/// Private events passed over before the checkpoint is moved for them alone.
const UNREPORTED: u64 = 10_000;
/// How often a relay looks whether what it published is still there.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// From the start of a publisher to its end.
pub(super) struct Run {
    relay: Relay,
    /// Every event up to here was sent or is none of Kafka's business.
    pub(super) passed: u64,
    /// The event there.
    passed_last: Option<Uuid>,
    /// What Kafka knows of it.
    checkpoint: Checkpoint,
    /// Topics that the open transaction has records for.
    entered: BTreeSet<&'static str>,
    /// When to look again whether what was published is still there.
    pub(super) look_at: Instant,
    /// `None`: it is at work on a thread where waiting is allowed, or failed there.
    publisher: Option<Publisher>,
    stop: Shutdown,
}

impl Run {
    pub(super) fn new(
        relay: Relay,
        publisher: Publisher,
        checkpoint: Checkpoint,
        stop: Shutdown,
    ) -> Self {
        Self {
            relay,
            passed: checkpoint.position,
            passed_last: checkpoint.last,
            checkpoint,
            entered: BTreeSet::new(),
            look_at: Instant::now(),
            publisher: Some(publisher),
            stop,
        }
    }

    fn due_at(&self, backlog: bool) -> Option<Instant> {
        self.publisher.as_ref()?.due(backlog)
    }

    /// Until the open transaction is to be committed; for ever without one.
    pub(super) async fn due(&self) {
        match self.due_at(false) {
            Some(due) => tokio::time::sleep_until(due.into()).await,
            None => std::future::pending().await,
        }
    }

    /// Sends what goes out of `page`, which ends at position `last`; in a `backlog` more is waiting behind it.
    pub(super) async fn send(
        &mut self,
        page: Vec<Recorded>,
        last: u64,
        backlog: bool,
    ) -> Result<(), RelayError> {
        let last_id = page.last().map(|last| last.event.id);
        let goes_to = self.goes_to(&page);
        let outgoing = goes_to.iter().any(Option::is_some);
        self.entered.extend(goes_to.iter().flatten());
        // The checkpoint alone is worth a transaction only now and then.
        if outgoing || last - self.checkpoint.position >= UNREPORTED {
            let _works = self.works(&page, &goes_to);
            let (relay, stop) = (self.relay.clone(), self.stop.clone());
            self.work(move |publisher| {
                let inner = &relay.0;
                let omitted = inner
                    .omitted
                    .lock()
                    .expect("no holder of this lock panics")
                    .clone();
                let records = page.iter().zip(goes_to).filter_map(|(recorded, topic)| {
                    Some(Outgoing {
                        topic: inner.data.full_name(topic?)?,
                        recorded,
                        omitted: omitted.get(&recorded.at.number).map(String::as_str),
                    })
                });
                publisher.send(records, backlog, &stop)
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

    /// For whoever collects traces.
    fn works(&self, page: &[Recorded], goes_to: &[Option<&'static str>]) -> Vec<Work> {
        let sent = page
            .iter()
            .zip(goes_to)
            .filter(|(_, topic)| topic.is_some());
        let traces = sent.filter_map(|(recorded, _)| recorded.event.cause.traceparent.as_deref());
        let name = format!("publish {}", self.relay.0.log.name());
        Work::on(&name, trace::Kind::Producer, traces)
    }

    /// Ends the open transaction, if there is one.
    pub(super) async fn commit(&mut self) -> Result<(), RelayError> {
        let next = self
            .checkpoint
            .moved(self.passed, self.passed_last, &self.entered);
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
            self.entered.clear();
            if self.checkpoint.topics.values().any(|end| *end == 0) {
                self.look_at = Instant::now();
            }
        }
        Ok(())
    }

    /// Whether it is time to look. In a `backlog` there is something better to do, for a while.
    pub(super) fn is_to_look(&self, backlog: bool) -> bool {
        let patience = match backlog {
            true => LOOK_EVERY,
            false => Duration::ZERO,
        };
        self.look_at + patience <= Instant::now()
    }

    /// Looks whether what was published is still there. If not, the checkpoint says so before anything is sent: whoever goes on from
    /// it fills the topic again.
    pub(super) async fn look(&mut self) -> Result<(), RelayError> {
        self.look_at = Instant::now() + LOOK_EVERY;
        let topics = self.checkpoint.topics.keys();
        // With Kafka away this takes long.
        let ends = tokio::select! {
            () = self.stop.cancelled() => return Ok(()),
            ends = self.relay.0.data.ends(topics) => ends?,
        };
        let lost = self.checkpoint.lost(&ends);
        if lost.is_empty() {
            self.checkpoint.topics.extend(ends);
            return Ok(());
        }
        warn!(
            relay = self.relay.0.name,
            position = self.checkpoint.position,
            topics = ?lost,
            "topics of log {} were deleted: what was published to them is published again",
            self.checkpoint.log
        );
        let (again, stop) = (self.checkpoint.filling_again(lost), self.stop.clone());
        self.work(move |publisher| {
            publisher.send([], false, &stop)?;
            publisher.commit(&again, &stop)
        })
        .await?;
        Err(RelayError::Lost)
    }

    /// The topic of each event of `page`; `None`: it is none of Kafka's business, or is there already.
    fn goes_to(&self, page: &[Recorded]) -> Vec<Option<&'static str>> {
        page.iter()
            .map(|recorded| {
                let topic = self.relay.0.data.of(recorded)?.name;
                self.checkpoint
                    .wants(recorded.at.number, topic)
                    .then_some(topic)
            })
            .collect()
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
