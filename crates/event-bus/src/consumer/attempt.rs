//! One transaction: positions moved, records handled, what cannot be handled kept aside – all of it or nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use millrace_event_store::{Database, Recorded, StoreError, StreamAppend, Tx};
use thiserror::Error;
use uuid::Uuid;

use crate::consumer::held::{self, Due, Status};
use crate::consumer::kept::Kept;
use crate::consumer::meter::Counts;
use crate::consumer::news::News;
use crate::consumer::plan::Plan;
use crate::consumer::positions::claim;
use crate::handler::{HandleError, Handler, Outcome};
use crate::subscription::{Mark, Partition, Taken};
use crate::topics::{self, Kind};

/// Why a transaction was given up. Nothing of it stays.
#[derive(Debug, Error)]
pub(super) enum Stop {
    /// Somebody else moved this partition: it is no longer ours, or was never where we thought.
    #[error("another process has taken {} {}", .0.topic, .0.number)]
    Fenced(Partition),
    /// The handler failed on one record.
    #[error("could not handle {} {} at {offset}", .partition.topic, .partition.number)]
    Handler {
        partition: Partition,
        offset: i64,
        source: HandleError,
    },
    /// As many records of one key wait as may.
    #[error("{waiting} records of one key in {topic} wait behind one that is parked")]
    Full { topic: &'static str, waiting: i64 },
    #[error(transparent)]
    World(#[from] StoreError),
    /// A record is to be kept aside: once more, with a savepoint around each.
    #[error("a record is to be kept aside")]
    NeedsSavepoints,
    /// Appends come first, then once more.
    #[error("there is something to append first")]
    NeedsAppends(Vec<Wanted>),
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::World(StoreError::Database(error))
    }
}

/// An append a handler asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The record it is for.
    pub cause: Uuid,
    pub streams: Vec<StreamAppend>,
}

/// Appends that are in the log already: the record's event id, and the ids of the events appended for it.
pub(super) type Appended = HashMap<Uuid, Vec<Uuid>>;

pub(super) fn event_ids(streams: &[StreamAppend]) -> Vec<Uuid> {
    streams
        .iter()
        .flat_map(|stream| stream.events.iter().map(|event| event.id))
        .collect()
}

/// What all transactions of one consumer share.
pub(super) struct Bench {
    pub consumer: Arc<str>,
    pub database: Database,
    pub handler: Arc<dyn Handler>,
    /// Records of one key of a fact topic that may wait behind a parked one.
    pub waiting_per_key: i64,
}

/// One transaction being filled.
struct Filling<'a> {
    bench: &'a Bench,
    tx: Tx,
    now: Timestamp,
    appended: &'a Appended,
    wanted: Vec<Wanted>,
    counts: Counts,
    kept: Kept,
    news: News,
}

impl Bench {
    /// Handles what is planned. `old` is where the partitions stand in the database, `None` for never stored.
    pub(super) async fn attempt(
        &self,
        plan: &Plan<'_>,
        old: &HashMap<Partition, Option<Mark>>,
        may_hold: bool,
        savepoints: bool,
        appended: &Appended,
    ) -> Result<Counts, Stop> {
        let mut filling = self.begin(appended).await?;
        for (partition, mark) in &plan.marks {
            let known = old.get(partition).and_then(Option::as_ref);
            if !claim(&mut filling.tx, &self.consumer, partition, known, mark).await? {
                return Err(Stop::Fenced(partition.clone()));
            }
        }
        if may_hold {
            filling.kept = Kept::load(&mut filling.tx, &self.consumer, plan.steps.len()).await?;
        }
        let coming = plan
            .steps
            .iter()
            .filter_map(|taken| taken.event.as_ref().ok());
        self.handler
            .foresee(&mut filling.tx, &coming.collect::<Vec<_>>())
            .await?;
        for taken in &plan.steps {
            filling.step(taken, savepoints).await?;
        }
        filling.counts.repeated += plan.repeated;
        filling.counts.stale += plan.stale;
        filling.finish().await
    }

    /// Tries `due` again. The partitions they came from must still be ours.
    pub(super) async fn retry(
        &self,
        due: &[Due],
        old: &HashMap<Partition, Mark>,
        appended: &Appended,
    ) -> Result<Counts, Stop> {
        let mut filling = self.begin(appended).await?;
        filling.kept = Kept::load(&mut filling.tx, &self.consumer, due.len()).await?;
        let coming = due.iter().filter_map(|due| due.event.as_ref().ok());
        self.handler
            .foresee(&mut filling.tx, &coming.collect::<Vec<_>>())
            .await?;
        let mut claimed = HashSet::new();
        for due in due {
            let Some(mark) = old.get(&due.partition) else {
                continue;
            };
            if claimed.insert(&due.partition)
                && !claim(
                    &mut filling.tx,
                    &self.consumer,
                    &due.partition,
                    Some(mark),
                    mark,
                )
                .await?
            {
                return Err(Stop::Fenced(due.partition.clone()));
            }
            filling.again(due).await?;
        }
        filling.finish().await
    }

    /// Says that `due` could not be tried now.
    pub(super) async fn postpone(&self, due: &Due) -> Result<(), StoreError> {
        let mut tx = self.database.begin().await?;
        held::postponed(&mut tx, due, self.database.clock().now()).await?;
        tx.commit().await
    }

    async fn begin<'a>(&'a self, appended: &'a Appended) -> Result<Filling<'a>, StoreError> {
        let tx = self.database.begin_derived().await?;
        let now = self.database.clock().now();
        Ok(Filling {
            bench: self,
            tx,
            now,
            appended,
            wanted: Vec::new(),
            counts: Counts::default(),
            kept: Kept::nothing(),
            news: News::default(),
        })
    }
}

impl Filling<'_> {
    /// Handles one record, or keeps it aside.
    async fn step(&mut self, taken: &Taken, savepoints: bool) -> Result<(), Stop> {
        let consumer = &*self.bench.consumer;
        let topic = taken.partition.topic;
        let held = if self.kept.may_hold(topic, taken.key()) {
            held::of_key(&mut self.tx, consumer, topic, taken.key()).await?
        } else {
            0
        };
        let facts =
            topics::named(topic).is_some_and(|topic| matches!(topic.kind, Kind::Facts { .. }));
        if facts && held > 0 {
            if held > self.bench.waiting_per_key {
                return Err(Stop::Full {
                    topic,
                    waiting: held,
                });
            }
            held::hold(&mut self.tx, consumer, taken, &Status::Waiting, self.now).await?;
            self.counts.waiting += 1;
            return Ok(());
        }
        let status = match &taken.event {
            Ok(recorded) => {
                let place = (&taken.partition, taken.offset);
                match Status::of(&self.handled(recorded, place, savepoints).await?) {
                    Some(_) if !savepoints => return Err(Stop::NeedsSavepoints),
                    status => status,
                }
            }
            Err(unread) => Some(Status::Parked {
                reason: unread.why.reason.clone(),
            }),
        };
        let superseded =
            held > 0 && held::superseded(&mut self.tx, consumer, topic, taken.key()).await?;
        if let Some(status) = &status {
            held::hold(&mut self.tx, consumer, taken, status, self.now).await?;
            self.kept.add(topic, taken.key(), status);
            self.counts.kept(status);
            self.news.kept(topic, taken.key(), status);
            return Ok(());
        }
        if superseded {
            self.news.superseded(topic, taken.key());
        }
        if self.kept.may_need(topic, taken.key()) {
            self.counts.healed += held::heal(&mut self.tx, consumer, topic, taken.key()).await?;
        }
        self.counts.handled += 1;
        Ok(())
    }

    /// Tries a kept record again.
    async fn again(&mut self, due: &Due) -> Result<(), Stop> {
        if !held::take(&mut self.tx, due).await? {
            return Ok(());
        }
        let status = match &due.event {
            Ok(recorded) => Status::of(
                &self
                    .handled(recorded, (&due.partition, due.offset), true)
                    .await?,
            ),
            Err(reason) => Some(Status::Parked {
                reason: reason.clone(),
            }),
        };
        if let Some(status) = &status {
            held::attempted(&mut self.tx, due, status, self.now).await?;
            if due.parked.is_none() {
                self.counts.parked += u64::from(matches!(status, Status::Parked { .. }));
            }
            if !due.is_still(status) {
                self.news.kept(due.partition.topic, &due.key, status);
            }
            return Ok(());
        }
        if due.parked.is_some() {
            self.news.healed(due.partition.topic, &due.key);
        }
        let consumer = &*self.bench.consumer;
        self.counts.healed += u64::from(held::released(&mut self.tx, consumer, due).await?);
        if self.kept.may_need(due.partition.topic, &due.key) {
            self.counts.healed +=
                held::heal(&mut self.tx, consumer, due.partition.topic, &due.key).await?;
        }
        self.counts.handled += 1;
        Ok(())
    }

    /// Calls the handler. With `savepoint`, what it wrote before it answered that the record is to be kept is undone.
    async fn handled(
        &mut self,
        recorded: &Recorded,
        (partition, offset): (&Partition, i64),
        savepoint: bool,
    ) -> Result<Outcome, Stop> {
        if savepoint {
            sqlx::query("SAVEPOINT record")
                .execute(&mut *self.tx)
                .await?;
        }
        let outcome = self
            .bench
            .handler
            .handle(&mut self.tx, recorded)
            .await
            .map_err(|source| Stop::Handler {
                partition: partition.clone(),
                offset,
                source,
            })?;
        if savepoint {
            if Status::of(&outcome).is_some() {
                sqlx::query("ROLLBACK TO SAVEPOINT record")
                    .execute(&mut *self.tx)
                    .await?;
            }
            sqlx::query("RELEASE SAVEPOINT record")
                .execute(&mut *self.tx)
                .await?;
        }
        if let Outcome::Append(streams) = &outcome {
            let ids = event_ids(streams);
            if !ids.is_empty() && self.appended.get(&recorded.event.id) != Some(&ids) {
                self.wanted.push(Wanted {
                    cause: recorded.event.id,
                    streams: streams.clone(),
                });
            }
        }
        Ok(outcome)
    }

    async fn finish(mut self) -> Result<Counts, Stop> {
        if !self.wanted.is_empty() {
            // Dropped, so rolled back: nothing that is appended waits for it.
            return Err(Stop::NeedsAppends(self.wanted));
        }
        self.bench.handler.conclude(&mut self.tx).await?;
        self.tx.commit().await?;
        self.news.tell(&self.bench.consumer);
        Ok(self.counts)
    }
}
