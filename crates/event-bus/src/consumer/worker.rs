//! The loop itself: what comes in, which transaction it goes into, and what happens when one fails.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use millrace_event_store::{LeaseEpoch, StoreError};
use millrace_service_kit::Shutdown;
use millrace_service_kit::trace::{Kind, Work};
use tokio::time::Instant;
use tracing::error;

use crate::bus::{Bus, BusError};
use crate::consumer::Consumer;
use crate::consumer::appends::append;
use crate::consumer::attempt::{Appended, Bench, Stop, Wanted};
use crate::consumer::failing::Failing;
use crate::consumer::meter::{Counts, Meter};
use crate::consumer::order::QUIET;
use crate::consumer::plan::{NOTHING_OLD, plan};
use crate::consumer::positions::StoredPositions;
use crate::past::Past;
use crate::subscription::{Mark, Partition, Reached, Subscription, Taken};
use crate::topics::Topic;

const IDLE: Duration = Duration::from_secs(30);
const LAG_EVERY: Duration = Duration::from_secs(5);
/// How long a partition with records may stand still before the member begins anew.
const UNMOVED: Duration = Duration::from_secs(60);
/// How long after a commit the positions are looked at again: the server may have died with what it had not yet written to its disk.
pub(super) const UNSURE: Duration = Duration::from_secs(10);
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LAST: Duration = Duration::from_secs(20);
/// Transactions that begin with savepoints after one that needed them.
const SAVEPOINTS_FOR: u32 = 20;

/// A partition of this process.
pub(super) struct Own {
    pub(super) mark: Mark,
    /// The mark is in the database.
    pub(super) stored: bool,
    pub(super) failing: Option<Failing>,
    /// What was taken of what is older than `mark.old_until`.
    pub(super) past: Past,
}

pub(super) struct Worker {
    pub(super) bench: Bench,
    pub(super) positions: Arc<StoredPositions>,
    batch: usize,
    pace: Duration,
    pub(super) meter: Arc<Meter>,
    pub(super) own: HashMap<Partition, Own>,
    /// Something may be kept aside in the database.
    pub(super) may_hold: bool,
    pub(super) recheck_at: Instant,
    /// Kept records up to this id were tried in this round.
    pub(super) rechecked_to: i64,
    lag_at: Instant,
    pub(super) topics: Vec<&'static Topic>,
    /// Paused until what is named before them has been read.
    pub(super) held_back: HashSet<Partition>,
    /// When something came last for which a partition is held back.
    pub(super) awaited_at: Instant,
    /// Until when the database may still lose what was committed last.
    pub(super) unsure_until: Instant,
    /// Partitions with records waiting: where each stands, and since when.
    unmoved: HashMap<Partition, (i64, Instant)>,
    savepoints: u32,
    lease: Option<LeaseEpoch>,
}

impl Worker {
    pub(super) fn new(consumer: Consumer) -> Self {
        let Consumer {
            group,
            database,
            handler,
            batch,
            waiting_per_key,
            pace,
            meter,
            lease,
            ..
        } = consumer;
        let now = Instant::now();
        Self {
            positions: Arc::new(StoredPositions {
                consumer: group.clone(),
                database: database.clone(),
            }),
            bench: Bench {
                consumer: group,
                database,
                handler,
                waiting_per_key: i64::try_from(waiting_per_key).unwrap_or(i64::MAX),
            },
            batch,
            pace,
            meter,
            own: HashMap::new(),
            may_hold: true,
            recheck_at: now,
            rechecked_to: 0,
            lag_at: now,
            topics: Vec::new(),
            held_back: HashSet::new(),
            awaited_at: now,
            unsure_until: now,
            unmoved: HashMap::new(),
            savepoints: 0,
            lease,
        }
    }

    pub(super) async fn run(
        mut self,
        bus: &dyn Bus,
        topics: &[&'static Topic],
        shutdown: Shutdown,
    ) -> Result<(), BusError> {
        self.topics = topics.to_vec();
        let mut away = 0;
        loop {
            let failure = match self.session(bus, topics, &shutdown, &mut away).await {
                Ok(()) => return Ok(()),
                Err(failure @ (BusError::Closed | BusError::UnknownTopic(_))) => {
                    return Err(failure);
                }
                Err(failure) => failure,
            };
            if away == 0 {
                error!(
                    error = &failure as &dyn std::error::Error,
                    "consumer {} cannot go on, trying again", self.bench.consumer
                );
            }
            away += 1;
            self.meter.failed();
            self.own.clear();
            self.held_back.clear();
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause(away)) => {}
            }
        }
    }

    /// From a fresh subscription until shutdown, or until the world breaks in a way that is best answered by beginning anew
    /// from the stored positions.
    async fn session(
        &mut self,
        bus: &dyn Bus,
        topics: &[&'static Topic],
        shutdown: &Shutdown,
        away: &mut u32,
    ) -> Result<(), BusError> {
        let group = self.bench.consumer.clone();
        let mut subscription = bus
            .subscribe(&group, topics, self.positions.clone())
            .await?;
        let mut rests_until = None;
        loop {
            if let Some(rested) = rests_until.take() {
                // A stop shows below.
                let _ = tokio::time::timeout_at(rested, shutdown.cancelled()).await;
            }
            let patience = self.patience();
            let batch = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                batch = subscription.next(self.batch, patience) => batch?,
            };
            if !self.pace.is_zero() && batch.records.len() < self.batch {
                rests_until = Some(Instant::now() + self.pace);
            }
            let changed = !batch.changes.is_empty();
            for change in batch.changes {
                self.change(change, &mut *subscription).await?;
            }
            if changed {
                self.hold_back(&mut *subscription).await?;
            }
            let awaited = self.are_awaited(&batch.records);
            let records = self.sorted(batch.records);
            let reached: Vec<Reached> = batch
                .reached
                .into_iter()
                .filter(|reached| self.flows(&reached.partition))
                .collect();
            self.take(records, reached, &mut *subscription).await?;
            if changed || awaited {
                self.awaited_at = Instant::now();
            }
            self.let_go(&mut *subscription).await?;
            self.retry_failing(&mut *subscription).await?;
            self.recheck(&mut *subscription).await?;
            self.look_at_lag(&mut *subscription).await?;
            *away = 0;
        }
    }

    pub(super) fn flows(&self, partition: &Partition) -> bool {
        self.own
            .get(partition)
            .is_some_and(|own| own.failing.is_none() && own.mark.stalled.is_none())
    }

    fn patience(&self) -> Duration {
        let now = Instant::now();
        let retry = self
            .own
            .values()
            .filter_map(|own| own.failing.as_ref())
            .map(|failing| failing.retry_at)
            .min();
        let stalled = self.own.values().any(|own| own.mark.stalled.is_some());
        let recheck = (self.may_hold || stalled).then_some(self.recheck_at);
        let quiet = (!self.held_back.is_empty()).then(|| self.awaited_at + QUIET);
        let unsure = (now < self.unsure_until).then_some(self.lag_at);
        [retry, recheck, quiet, unsure]
            .into_iter()
            .flatten()
            .min()
            .map_or(IDLE, |next| next.saturating_duration_since(now))
    }

    /// The records that may be handled now; those of partitions that wait go behind what waits there.
    fn sorted(&mut self, mut records: Vec<Taken>) -> Vec<Taken> {
        if self
            .own
            .values()
            .all(|own| own.failing.is_none() && own.mark.stalled.is_none())
        {
            return records;
        }
        records.retain(|taken| match self.own.get_mut(&taken.partition) {
            Some(Own {
                failing: Some(failing),
                ..
            }) => {
                failing.records.push(taken.clone());
                false
            }
            Some(own) => own.mark.stalled.is_none(),
            None => false,
        });
        records
    }

    /// Handles `records` in one transaction, or, when that fails, one by one.
    pub(super) async fn take(
        &mut self,
        records: Vec<Taken>,
        reached: Vec<Reached>,
        subscription: &mut dyn Subscription,
    ) -> Result<(), BusError> {
        let (mut records, mut reached) = (records, reached);
        loop {
            if records.is_empty() && reached.is_empty() {
                return Ok(());
            }
            match self.commit(&records, &reached, subscription).await? {
                None => return Ok(()),
                Some(Stop::Fenced(partition)) => {
                    self.fenced(&partition, subscription).await?;
                    records.retain(|taken| taken.partition != partition);
                    // It was reached without these records: reading goes on from where the partition stands now.
                    reached.retain(|reached| reached.partition != partition);
                }
                Some(stop) if records.len() <= 1 => {
                    return self.fail_all(records, &stop, subscription).await;
                }
                Some(stop @ (Stop::World(_) | Stop::NeedsAppends(_) | Stop::NeedsSavepoints)) => {
                    return self.fail_all(records, &stop, subscription).await;
                }
                Some(Stop::Handler { .. } | Stop::Full { .. }) => break,
            }
        }
        let mut by_partition: BTreeMap<Partition, Vec<Taken>> = BTreeMap::new();
        for taken in records {
            by_partition
                .entry(taken.partition.clone())
                .or_default()
                .push(taken);
        }
        for (partition, records) in by_partition {
            for (index, taken) in records.iter().enumerate() {
                match self
                    .commit(std::slice::from_ref(taken), &[], subscription)
                    .await?
                {
                    None => {}
                    Some(Stop::Fenced(_)) => {
                        self.fenced(&partition, subscription).await?;
                        break;
                    }
                    Some(stop) => {
                        self.fail_all(records[index..].to_vec(), &stop, subscription)
                            .await?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// One batch into the database, with the appends and savepoints it turns out to need. `None`: it is there.
    async fn commit(
        &mut self,
        records: &[Taken],
        reached: &[Reached],
        subscription: &mut dyn Subscription,
    ) -> Result<Option<Stop>, BusError> {
        let marks: HashMap<Partition, Mark> = self
            .own
            .iter()
            .map(|(partition, own)| (partition.clone(), own.mark.clone()))
            .collect();
        let old: HashMap<Partition, Option<Mark>> = self
            .own
            .iter()
            .map(|(partition, own)| (partition.clone(), own.stored.then(|| own.mark.clone())))
            .collect();
        let past = self
            .own
            .iter()
            .map(|(partition, own)| (partition, &own.past))
            .collect();
        let mut plan = plan(&marks, &past, records, reached);
        let works = self.works(&plan.steps);
        let mut savepoints = self.savepoints > 0;
        self.savepoints = self.savepoints.saturating_sub(1);
        let mut appended = Appended::new();
        let mut rounds = 0;
        let counts = loop {
            if plan.marks.is_empty() {
                break Counts::default();
            }
            match self
                .bench
                .attempt(&plan, &old, self.may_hold, savepoints, &appended)
                .await
            {
                Ok(counts) => break counts,
                Err(Stop::NeedsSavepoints) => {
                    savepoints = true;
                    self.savepoints = SAVEPOINTS_FOR;
                }
                Err(Stop::NeedsAppends(wanted)) if rounds < 3 => {
                    rounds += 1;
                    if let Err(failure) = self.append(wanted, &mut appended).await {
                        return Ok(Some(failure));
                    }
                }
                Err(stop) => return Ok(Some(stop)),
            }
        };
        drop(works);
        self.meter.add(&counts);
        self.may_hold |= counts.keeps();
        if counts.healed > 0 {
            self.recheck_at = Instant::now();
        }
        let mut moved = Vec::with_capacity(plan.marks.len());
        for (partition, mark) in plan.marks {
            if let Some(own) = self.own.get_mut(&partition) {
                let mut past = std::mem::take(&mut own.past);
                if mark.old_until == NOTHING_OLD {
                    past = Past::default();
                } else if let Some(taken) = plan.past.remove(&partition) {
                    past.merge(taken);
                }
                moved.push((partition, mark.next));
                self.unsure_until = Instant::now() + UNSURE;
                *own = Own {
                    mark,
                    stored: true,
                    failing: own.failing.take(),
                    past,
                };
            }
        }
        subscription.committed(&moved).await;
        for (partition, offset, at) in plan.rebuilt {
            let reason = format!(
                "log {} was rebuilt and is now in epoch {}",
                at.log, at.epoch
            );
            self.resync(&partition, &reason, Some(offset), Some(at), subscription)
                .await?;
        }
        Ok(None)
    }

    /// For whoever collects traces.
    fn works(&self, steps: &[&Taken]) -> Vec<Work> {
        let events = steps.iter().filter_map(|taken| taken.event.as_ref().ok());
        let traces = events.filter_map(|recorded| recorded.event.cause.traceparent.as_deref());
        let name = format!("take by {}", self.bench.consumer);
        Work::on(&name, Kind::Consumer, traces)
    }

    pub(super) async fn append(
        &self,
        wanted: Vec<Wanted>,
        appended: &mut Appended,
    ) -> Result<(), Stop> {
        let log = self.bench.database.log().await?;
        append(&*log, wanted, self.lease.as_ref(), appended)
            .await
            .map_err(|failure| match failure {
                millrace_event_store::AppendError::Store(store) => Stop::World(store),
                other => Stop::World(StoreError::Address(other.to_string())),
            })
    }

    async fn look_at_lag(&mut self, subscription: &mut dyn Subscription) -> Result<(), BusError> {
        if Instant::now() < self.lag_at {
            return Ok(());
        }
        self.lag_at = Instant::now() + LAG_EVERY;
        if Instant::now() < self.unsure_until {
            self.look_for_gone_back(subscription).await?;
        }
        let lag = subscription.lag().await;
        let stuck = self.stuck(&lag);
        self.meter.lag(
            lag.into_iter()
                .map(|(partition, lag)| ((partition.topic, partition.number), lag))
                .collect(),
        );
        match stuck {
            None => Ok(()),
            Some(partition) => Err(BusError::Stuck {
                topic: partition.topic.to_owned(),
                partition: partition.number,
            }),
        }
    }

    /// A partition of which records are there, and nothing holds it back, but none has come for long. Nobody knows a reason why that
    /// should happen; were there one, this would be how it ends.
    fn stuck(&mut self, lag: &[(Partition, i64)]) -> Option<Partition> {
        let now = Instant::now();
        let mut still: HashMap<Partition, (i64, Instant)> = HashMap::new();
        for (partition, lag) in lag {
            let Some(own) = self.own.get(partition).filter(|_| {
                *lag > 0 && self.flows(partition) && !self.held_back.contains(partition)
            }) else {
                continue;
            };
            let since = match self.unmoved.get(partition) {
                Some((next, since)) if *next == own.mark.next => *since,
                Some(_) | None => now,
            };
            still.insert(partition.clone(), (own.mark.next, since));
        }
        self.unmoved = still;
        let stuck = self
            .unmoved
            .iter()
            .find(|(_, (_, since))| now.duration_since(*since) >= UNMOVED)
            .map(|(partition, _)| partition.clone());
        if stuck.is_some() {
            self.unmoved.clear();
        }
        stuck
    }
}

pub(super) fn pause(attempts: u32) -> Duration {
    (RETRY_FIRST * 2_u32.saturating_pow(attempts.saturating_sub(1).min(12))).min(RETRY_LAST)
}
