//! What the relays of a process say of themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

/// How far one relay has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayReading {
    /// Its transactional id.
    pub relay: String,
    /// This process holds the lease.
    pub active: bool,
    /// The last position published or passed over.
    pub position: u64,
    /// Where its log ends, as far as this process has heard.
    pub head: u64,
    pub published: u64,
    pub transactions: u64,
    /// Producers thrown away after a failure.
    pub failures: u64,
    /// Events that Kafka does not take because they are too large, by position: their readers find a stand-in that they park.
    pub omitted: Vec<u64>,
}

/// The readings of all relays of a process.
#[derive(Debug, Clone, Default)]
pub(super) struct Board(Arc<Mutex<BTreeMap<String, Entry>>>);

#[derive(Debug, Clone)]
struct Entry {
    reading: RelayReading,
    moved: Option<watch::Receiver<u64>>,
}

impl Entry {
    fn new(relay: &str) -> Self {
        Self {
            reading: RelayReading {
                relay: relay.to_owned(),
                active: false,
                position: 0,
                head: 0,
                published: 0,
                transactions: 0,
                failures: 0,
                omitted: Vec::new(),
            },
            moved: None,
        }
    }
}

impl Board {
    pub(super) fn read(&self) -> Vec<RelayReading> {
        self.0
            .lock()
            .expect("no holder of this lock panics")
            .values()
            .map(|entry| RelayReading {
                head: entry.moved.as_ref().map_or(0, |moved| *moved.borrow()),
                ..entry.reading.clone()
            })
            .collect()
    }

    /// Where the log of `relay` ends is read from `moved` from now on.
    pub(super) fn follow(&self, relay: &str, moved: watch::Receiver<u64>) {
        let mut board = self.0.lock().expect("no holder of this lock panics");
        let entry = board.entry(relay.to_owned());
        entry.or_insert_with(|| Entry::new(relay)).moved = Some(moved);
    }

    pub(super) fn note(&self, relay: &str, change: impl FnOnce(&mut RelayReading)) {
        let mut board = self.0.lock().expect("no holder of this lock panics");
        let entry = board.entry(relay.to_owned());
        change(&mut entry.or_insert_with(|| Entry::new(relay)).reading);
    }
}
