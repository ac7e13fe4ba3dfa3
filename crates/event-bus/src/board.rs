//! What the consumers of a process count, gathered at the bus they read from, so that metrics find all of them in one place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::consumer::{Meter, Reading};

/// The meters of every consumer that reads from a bus, by the consumer's name. Cheap to clone; all clones are one board.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<BTreeMap<Arc<str>, Meters>>>);

/// A consumer may begin anew, with another meter, whenever its process takes a lease.
#[derive(Debug, Default)]
struct Meters {
    running: Vec<Arc<Meter>>,
    /// What those counted that nobody holds any more.
    ended: Reading,
}

impl Board {
    pub(crate) fn enter(&self, consumer: &Arc<str>, meter: &Arc<Meter>) {
        let mut board = self.0.lock().expect("no holder of this lock panics");
        let meters = board.entry(consumer.clone()).or_default();
        let ended = &mut meters.ended;
        meters.running.retain(|known| {
            let held = Arc::strong_count(known) > 1;
            if !held {
                ended.add(known.read());
            }
            held
        });
        if !meters.running.iter().any(|known| Arc::ptr_eq(known, meter)) {
            meters.running.push(meter.clone());
        }
    }

    /// What each consumer has counted since the process began; it never goes back.
    #[must_use]
    pub fn read(&self) -> BTreeMap<Arc<str>, Reading> {
        let board = self.0.lock().expect("no holder of this lock panics");
        let read = |meters: &Meters| {
            let mut reading = meters.ended.clone();
            for meter in &meters.running {
                reading.add(meter.read());
            }
            reading
        };
        board
            .iter()
            .map(|(consumer, meters)| (consumer.clone(), read(meters)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_that_begins_anew_goes_on_counting() {
        let (board, name): (Board, Arc<str>) = (Board::default(), "shop-delivery.oak".into());
        for _ in 0..3 {
            let meter = Arc::<Meter>::default();
            board.enter(&name, &meter);
            board.enter(&name, &meter);
            meter.failed();
        }
        assert_eq!(board.read()[&name].failed, 3);
    }
}
