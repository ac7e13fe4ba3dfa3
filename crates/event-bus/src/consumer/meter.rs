//! What a consumer counts, for metrics and for tests.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::consumer::held::Status;

/// Counters since the start of the process, and the lag as it was last seen.
#[derive(Debug, Default)]
pub struct Meter {
    handled: AtomicU64,
    repeated: AtomicU64,
    stale: AtomicU64,
    parked: AtomicU64,
    unresolved: AtomicU64,
    waiting: AtomicU64,
    healed: AtomicU64,
    failed: AtomicU64,
    resyncs: AtomicU64,
    fenced: AtomicU64,
    lag: Mutex<BTreeMap<(&'static str, i32), i64>>,
}

/// The [`Meter`] at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Records whose effect was committed.
    pub handled: u64,
    /// Repeats dropped.
    pub repeated: u64,
    /// Records of an epoch that has ended, dropped.
    pub stale: u64,
    pub parked: u64,
    pub unresolved: u64,
    /// Facts put behind an earlier record of their key.
    pub waiting: u64,
    /// Kept records that became ready because what they waited for arrived.
    pub healed: u64,
    /// Transactions given up because the world was broken.
    pub failed: u64,
    pub resyncs: u64,
    /// Transactions given up because another process had the partition.
    pub fenced: u64,
    /// Records not read yet, per topic and partition of this process.
    pub lag: BTreeMap<(&'static str, i32), i64>,
}

impl Reading {
    /// With what another consumer of the same name counted.
    pub(crate) fn add(&mut self, other: Self) {
        self.handled += other.handled;
        self.repeated += other.repeated;
        self.stale += other.stale;
        self.parked += other.parked;
        self.unresolved += other.unresolved;
        self.waiting += other.waiting;
        self.healed += other.healed;
        self.failed += other.failed;
        self.resyncs += other.resyncs;
        self.fenced += other.fenced;
        self.lag.extend(other.lag);
    }
}

/// What one transaction counted; it only counts when it was committed.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub handled: u64,
    pub repeated: u64,
    pub stale: u64,
    pub parked: u64,
    pub unresolved: u64,
    pub waiting: u64,
    pub healed: u64,
}

impl Counts {
    pub(super) fn kept(&mut self, status: &Status) {
        match status {
            Status::Parked { .. } => self.parked += 1,
            Status::Unresolved { .. } => self.unresolved += 1,
            Status::Waiting => self.waiting += 1,
        }
    }

    /// Something is kept aside in the database now.
    pub(super) fn keeps(&self) -> bool {
        self.parked + self.unresolved + self.waiting > 0
    }
}

impl Meter {
    #[must_use]
    pub fn read(&self) -> Reading {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Reading {
            handled: get(&self.handled),
            repeated: get(&self.repeated),
            stale: get(&self.stale),
            parked: get(&self.parked),
            unresolved: get(&self.unresolved),
            waiting: get(&self.waiting),
            healed: get(&self.healed),
            failed: get(&self.failed),
            resyncs: get(&self.resyncs),
            fenced: get(&self.fenced),
            lag: self
                .lag
                .lock()
                .expect("no holder of this lock panics")
                .clone(),
        }
    }

    pub(super) fn add(&self, counts: &Counts) {
        let add = |counter: &AtomicU64, by: u64| counter.fetch_add(by, Ordering::Relaxed);
        add(&self.handled, counts.handled);
        add(&self.repeated, counts.repeated);
        add(&self.stale, counts.stale);
        add(&self.parked, counts.parked);
        add(&self.unresolved, counts.unresolved);
        add(&self.waiting, counts.waiting);
        add(&self.healed, counts.healed);
    }

    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn resync(&self) {
        self.resyncs.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn fenced(&self) {
        self.fenced.fetch_add(1, Ordering::Relaxed);
    }

    /// Reads no more: how far it is behind is another process's business now.
    pub(super) fn ended(&self) {
        self.lag(BTreeMap::new());
    }

    pub(super) fn lag(&self, lag: BTreeMap<(&'static str, i32), i64>) {
        *self.lag.lock().expect("no holder of this lock panics") = lag;
    }
}
