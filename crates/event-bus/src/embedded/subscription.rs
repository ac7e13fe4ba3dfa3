//! Reading logs' feeds as if they were topics. A partition is one topic in one log; its offset is the log's position.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::select_all;
use millrace_event_store::{EventLog, Position, StoreError};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use crate::bus::BusError;
use crate::consumer::NOTHING_OLD;
use crate::embedded::Attached;
use crate::subscription::{Batch, Change, Partition, Positions, Reached, Subscription, Taken};
use crate::topics::{self, Topic};

/// Events that concern nobody here before their passing is reported: so that a restart does not read them all again, and
/// so that not every one of them costs a write.
const UNREPORTED: u64 = 2_000;

pub(super) struct EmbeddedSubscription {
    attached: watch::Receiver<Vec<Attached>>,
    seen_first: bool,
    topics: Vec<&'static Topic>,
    positions: Arc<dyn Positions>,
    feeds: Vec<Feed>,
    /// Which feed is read first next time: none may starve the others.
    turn: usize,
}

struct Feed {
    log: Arc<dyn EventLog>,
    source: Arc<str>,
    moved: watch::Receiver<u64>,
    /// There was more than one page.
    more: bool,
    closed: bool,
    unreported: u64,
    cursors: BTreeMap<&'static str, Cursor>,
}

struct Cursor {
    /// The first position not delivered yet.
    next: u64,
    paused: bool,
    lost: bool,
}

impl Feed {
    fn partition(&self, topic: &'static str) -> Partition {
        Partition {
            topic,
            number: 0,
            source: self.source.clone(),
        }
    }

    fn active(&mut self) -> impl Iterator<Item = (&&'static str, &mut Cursor)> {
        self.cursors
            .iter_mut()
            .filter(|(_, cursor)| !cursor.paused && !cursor.lost)
    }
}

impl EmbeddedSubscription {
    pub(super) fn new(
        attached: watch::Receiver<Vec<Attached>>,
        topics: Vec<&'static Topic>,
        positions: Arc<dyn Positions>,
    ) -> Self {
        Self {
            attached,
            seen_first: false,
            topics,
            positions,
            feeds: Vec::new(),
            turn: 0,
        }
    }

    /// The logs read here and how far, for who waits to have caught up.
    pub(super) fn reached(&self) -> impl Iterator<Item = (&Arc<dyn EventLog>, u64)> {
        self.feeds.iter().map(|feed| {
            (
                &feed.log,
                feed.cursors
                    .values()
                    .map(|cursor| cursor.next)
                    .min()
                    .unwrap_or(1)
                    - 1,
            )
        })
    }

    async fn look_around(&mut self) -> Result<Vec<Change>, BusError> {
        if self.seen_first && !self.attached.has_changed().unwrap_or(false) {
            return Ok(Vec::new());
        }
        let attached = self.attached.borrow_and_update().clone();
        let mut changes = Vec::new();
        self.feeds.retain(|feed| {
            let stays = attached
                .iter()
                .any(|attached| Arc::ptr_eq(&attached.log, &feed.log));
            if !stays {
                changes.extend(
                    feed.cursors
                        .keys()
                        .map(|topic| Change::Revoked(feed.partition(topic))),
                );
            }
            stays
        });
        // Once all of this succeeded; an error in between begins anew.
        self.seen_first = false;
        for Attached { log, .. } in attached {
            if self.feeds.iter().any(|feed| Arc::ptr_eq(&feed.log, &log)) {
                continue;
            }
            let topics: Vec<&'static str> = self
                .topics
                .iter()
                .map(|topic| topic.name)
                .filter(|topic| topics::may_carry(log.name(), topic))
                .collect();
            if !topics.is_empty() {
                let feed = self.join(log, &topics, &mut changes).await?;
                self.feeds.push(feed);
            }
        }
        self.seen_first = true;
        Ok(changes)
    }

    async fn join(
        &self,
        log: Arc<dyn EventLog>,
        topics: &[&'static str],
        changes: &mut Vec<Change>,
    ) -> Result<Feed, BusError> {
        let head = log.head().await?;
        let source: Arc<str> = log.name().into();
        let moved = log.moved();
        let mut feed = Feed {
            log,
            source,
            moved,
            more: true,
            closed: false,
            unreported: 0,
            cursors: BTreeMap::new(),
        };
        for &topic in topics {
            let partition = feed.partition(topic);
            let mark = self.positions.load(&partition).await?;
            let next = mark
                .as_ref()
                .map_or(1, |mark| u64::try_from(mark.next).unwrap_or(0).max(1));
            let epoch = mark
                .as_ref()
                .and_then(|mark| mark.seen.as_ref())
                .map(|seen| seen.epoch);
            let reason = if epoch.is_some_and(|epoch| epoch != feed.log.epoch()) {
                Some(format!(
                    "log {} was rebuilt and is now in epoch {}",
                    feed.source,
                    feed.log.epoch()
                ))
            } else if next > head + 1 {
                Some(format!(
                    "log {} ends at {head}, before position {next}",
                    feed.source
                ))
            } else if let Some(passed) = mark.as_ref().and_then(|mark| mark.passed)
                && !holds(&*feed.log, next - 1, passed).await?
            {
                Some(format!(
                    "log {} has another event at position {} than was read there: it was restored to an earlier point",
                    feed.source,
                    next - 1
                ))
            } else {
                None
            };
            changes.push(Change::Assigned {
                partition: partition.clone(),
                mark,
                // A log holds every event once, and none is compacted away.
                end: NOTHING_OLD,
            });
            feed.cursors.insert(
                topic,
                Cursor {
                    next,
                    paused: false,
                    lost: reason.is_some(),
                },
            );
            if let Some(reason) = reason {
                let now = Position {
                    log: feed.source.clone(),
                    epoch: feed.log.epoch(),
                    shard: 0,
                    number: 0,
                };
                changes.push(Change::Lost {
                    partition,
                    reason,
                    now: Some(now),
                });
            }
        }
        Ok(feed)
    }

    /// One page of one feed.
    async fn read(
        &mut self,
        index: usize,
        limit: usize,
        batch: &mut Batch,
    ) -> Result<(), BusError> {
        let feed = &mut self.feeds[index];
        let Some(from) = feed.active().map(|(_, cursor)| cursor.next).min() else {
            feed.more = false;
            return Ok(());
        };
        feed.moved.borrow_and_update();
        let events = match feed.log.read_feed(from - 1, limit).await {
            Ok(events) => events,
            Err(StoreError::Closed) => {
                feed.closed = true;
                feed.more = false;
                return Ok(());
            }
            Err(failure) => return Err(failure.into()),
        };
        feed.more = events.len() == limit;
        let Some((end, passed)) = events
            .last()
            .map(|last| (last.at.number + 1, last.event.id))
        else {
            return Ok(());
        };
        let before = batch.records.len();
        feed.unreported += events.len() as u64;
        for mut recorded in events {
            let Some(topic) = topics::of_kind(&recorded.event.kind) else {
                continue;
            };
            let partition = Partition {
                topic: topic.name,
                number: 0,
                source: feed.source.clone(),
            };
            let Some(cursor) = feed.cursors.get(topic.name) else {
                continue;
            };
            if cursor.paused || cursor.lost || recorded.at.number < cursor.next {
                continue;
            }
            if recorded.event.deleted {
                // As in Kafka, where a deletion has no value.
                recorded.event.payload = Bytes::new();
            }
            let offset = i64::try_from(recorded.at.number).unwrap_or(i64::MAX);
            batch.records.push(Taken {
                partition,
                offset,
                event: Ok(recorded),
            });
        }
        for (_, cursor) in feed.active() {
            cursor.next = cursor.next.max(end);
        }
        if batch.records.len() > before || feed.unreported >= UNREPORTED {
            feed.unreported = 0;
            let next = i64::try_from(end).unwrap_or(i64::MAX);
            let active: Vec<&'static str> = feed.active().map(|(topic, _)| *topic).collect();
            batch
                .reached
                .extend(active.into_iter().map(|topic| Reached {
                    partition: feed.partition(topic),
                    next,
                    passed,
                }));
        }
        Ok(())
    }

    /// Until something may have come, or `deadline`; `false` then.
    async fn wait(&mut self, deadline: Instant) -> bool {
        let attached = &mut self.attached;
        let mut waits: Vec<futures::future::BoxFuture<'_, Option<usize>>> =
            Vec::with_capacity(self.feeds.len() + 1);
        waits.push(Box::pin(async move {
            if attached.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            None
        }));
        for (index, feed) in self
            .feeds
            .iter_mut()
            .enumerate()
            .filter(|(_, feed)| !feed.closed)
        {
            let moved = &mut feed.moved;
            waits.push(Box::pin(async move {
                moved.changed().await.is_err().then_some(index)
            }));
        }
        let woken = tokio::select! {
            (closed, ..) = select_all(waits) => Some(closed),
            () = tokio::time::sleep_until(deadline) => None,
        };
        match woken {
            None => return false,
            Some(Some(closed)) => self.feeds[closed].closed = true,
            // A feed has moved, or the bus: its `changed` marks the value as seen, so look again in any case.
            Some(None) => self.seen_first = false,
        }
        true
    }

    fn cursor(&mut self, partition: &Partition) -> Option<(&mut Cursor, &mut bool)> {
        let feed = self
            .feeds
            .iter_mut()
            .find(|feed| feed.source == partition.source)?;
        Some((feed.cursors.get_mut(partition.topic)?, &mut feed.more))
    }
}

/// Whether `event` stands at `position`.
async fn holds(log: &dyn EventLog, position: u64, event: Uuid) -> Result<bool, StoreError> {
    let Some(before) = position.checked_sub(1) else {
        return Ok(true);
    };
    let there = log.read_feed(before, 1).await?;
    Ok(there
        .first()
        .is_some_and(|recorded| recorded.event.id == event))
}

#[async_trait]
impl Subscription for EmbeddedSubscription {
    async fn next(&mut self, limit: usize, patience: Duration) -> Result<Batch, BusError> {
        let deadline = Instant::now() + patience;
        let mut batch = Batch::default();
        loop {
            batch.changes = self.look_around().await?;
            if !batch.changes.is_empty() {
                return Ok(batch);
            }
            let feeds = self.feeds.len();
            for step in 0..feeds {
                let index = (self.turn + step) % feeds;
                self.read(index, limit, &mut batch).await?;
                if !batch.records.is_empty() {
                    self.turn = index + 1;
                    break;
                }
            }
            if !batch.records.is_empty() || !batch.reached.is_empty() {
                return Ok(batch);
            }
            if self.feeds.iter().all(|feed| !feed.more) && !self.wait(deadline).await {
                return Ok(batch);
            }
        }
    }

    async fn seek(&mut self, partition: &Partition, offset: Option<i64>) -> Result<(), BusError> {
        if let Some((cursor, more)) = self.cursor(partition) {
            cursor.next = offset
                .and_then(|offset| u64::try_from(offset).ok())
                .unwrap_or(1)
                .max(1);
            cursor.lost = false;
            *more = true;
        }
        Ok(())
    }

    async fn pause(&mut self, partition: &Partition, paused: bool) -> Result<(), BusError> {
        if let Some((cursor, more)) = self.cursor(partition) {
            cursor.paused = paused;
            *more |= !paused;
        }
        Ok(())
    }

    async fn committed(&mut self, _marks: &[(Partition, i64)]) {}

    async fn lag(&mut self) -> Vec<(Partition, i64)> {
        let mut lag = Vec::new();
        for feed in &self.feeds {
            let Ok(head) = feed.log.head().await else {
                continue;
            };
            for (topic, cursor) in &feed.cursors {
                let behind = (head + 1).saturating_sub(cursor.next);
                lag.push((
                    feed.partition(topic),
                    i64::try_from(behind).unwrap_or(i64::MAX),
                ));
            }
        }
        lag
    }
}
