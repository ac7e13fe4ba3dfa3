//! What consumers, relays and kept records come to, at `/metrics`. Names and labels are stable: alarms are written on them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use millrace_event_bus::{Bus, KeptCount, Reading, RelayReading};
use millrace_service_kit::metrics::{Figure, Figures, Kind};

/// What the databases kept aside when they were last looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    pub records: BTreeMap<String, KeptCount>,
    /// Partitions by consumer and topic.
    pub stalled: BTreeMap<(String, String), u64>,
    /// Records by ERP and flow.
    pub unreadable: BTreeMap<(String, String), u64>,
}

pub(crate) struct Shown {
    pub bus: Arc<dyn Bus>,
    pub kept: Arc<Mutex<Kept>>,
}

impl Figures for Shown {
    fn read(&self) -> Vec<Figure> {
        let kept = self.kept.lock().expect("no holder of this lock panics");
        let board = self.bus.board().read();
        let mut figures = consumers(&board);
        figures.extend(kept_aside(&kept, &board));
        figures.extend(relays(&self.bus.relays()));
        figures
    }
}

type Board = BTreeMap<Arc<str>, Reading>;

fn consumers(board: &Board) -> Vec<Figure> {
    let count = |name, help, of: fn(&Reading) -> u64| {
        let mut figure = Figure::new(name, help, Kind::Counter);
        for (consumer, reading) in board {
            figure.add([("consumer", consumer)], of(reading));
        }
        figure
    };
    let mut lag = Figure::new(
        "consumer_lag",
        "Records that are there and not read yet",
        Kind::Gauge,
    );
    for (consumer, reading) in board {
        let mut by_topic: BTreeMap<&str, u64> = BTreeMap::new();
        for ((topic, _), behind) in &reading.lag {
            *by_topic.entry(topic).or_default() += u64::try_from(*behind).unwrap_or_default();
        }
        for (topic, behind) in by_topic {
            lag.add([("consumer", consumer), ("topic", topic)], behind);
        }
    }
    vec![
        count("consumer_handled", "Records handled", |read| read.handled),
        count(
            "consumer_repeated",
            "Records that came again and were passed over",
            |read| read.repeated,
        ),
        count(
            "consumer_parked",
            "Records parked: they could not be handled",
            |read| read.parked,
        ),
        count(
            "consumer_healed",
            "Kept records whose turn came because what they lacked arrived",
            |read| read.healed,
        ),
        count(
            "consumer_failed",
            "Transactions given up because the world was broken; tried again",
            |read| read.failed,
        ),
        count(
            "consumer_resyncs",
            "Partitions whose position no longer held",
            |read| read.resyncs,
        ),
        count(
            "consumer_fenced",
            "Transactions given up because another process had the partition",
            |read| read.fenced,
        ),
        lag,
    ]
}

fn kept_aside(kept: &Kept, board: &Board) -> Vec<Figure> {
    // A consumer that keeps nothing shows a nought, or an alarm would never end.
    let names: BTreeSet<&str> = board
        .keys()
        .map(|name| &**name)
        .chain(kept.records.keys().map(String::as_str))
        .collect();
    let now = |name, help, of: fn(&KeptCount) -> u64| {
        let mut figure = Figure::new(name, help, Kind::Gauge);
        for consumer in &names {
            let count = kept.records.get(*consumer).map_or(0, of);
            figure.add([("consumer", consumer)], count);
        }
        figure
    };
    let mut stalled = Figure::new(
        "consumer_stalled",
        "Partitions that wait for a person",
        Kind::Gauge,
    );
    for ((consumer, topic), count) in &kept.stalled {
        stalled.add([("consumer", consumer), ("topic", topic)], *count);
    }
    let mut unreadable = Figure::new(
        "erp_unreadable",
        "Records of the ERP that cannot be read now",
        Kind::Gauge,
    );
    for ((erp, flow), count) in &kept.unreadable {
        unreadable.add([("erp", erp), ("flow", flow)], *count);
    }
    vec![
        now(
            "consumer_parked_now",
            "Records that are parked now: they need a person or a newer record",
            |count| count.parked,
        ),
        now(
            "consumer_unresolved",
            "Records that wait now for something that is not here yet",
            |count| count.unresolved,
        ),
        now(
            "consumer_waiting",
            "Records that wait now behind another of their key",
            |count| count.waiting,
        ),
        stalled,
        unreadable,
    ]
}

fn relays(readings: &[RelayReading]) -> Vec<Figure> {
    let figure = |name, help, kind, of: fn(&RelayReading) -> u64| {
        let mut figure = Figure::new(name, help, kind);
        for reading in readings {
            figure.add([("relay", &reading.relay)], of(reading));
        }
        figure
    };
    // Of who stands by, nobody knows how far the other has come.
    let mut backlog = Figure::new(
        "relay_backlog",
        "Events of the log that are not published yet",
        Kind::Gauge,
    );
    for reading in readings.iter().filter(|reading| reading.active) {
        let events = reading.head.saturating_sub(reading.position);
        backlog.add([("relay", &reading.relay)], events);
    }
    vec![
        backlog,
        figure(
            "relay_active",
            "1 where this process publishes the log",
            Kind::Gauge,
            |read| read.active.into(),
        ),
        figure(
            "relay_position",
            "Last position published or passed over",
            Kind::Gauge,
            |read| read.position,
        ),
        figure(
            "relay_published",
            "Events published",
            Kind::Counter,
            |read| read.published,
        ),
        figure(
            "relay_transactions",
            "Transactions committed to Kafka",
            Kind::Counter,
            |read| read.transactions,
        ),
        figure(
            "relay_failures",
            "Producers thrown away after a failure",
            Kind::Counter,
            |read| read.failures,
        ),
        figure(
            "relay_omitted",
            "Events larger than Kafka takes; their readers park a stand-in",
            Kind::Gauge,
            |read| u64::try_from(read.omitted.len()).unwrap_or(u64::MAX),
        ),
    ]
}
