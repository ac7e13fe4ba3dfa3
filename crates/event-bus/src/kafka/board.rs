//! What the relays of a process say of themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

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

    pub(super) fn note(&self, relay: &str, change: impl FnOnce(&mut RelayReading)) {
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
