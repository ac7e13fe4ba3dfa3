//! What `/metrics` shows of doorbells. Counters count what this process did; gauges are shown by the one process that rings.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use millrace_service_kit::metrics::{self, Figure, Kind};
use millrace_values::ChannelCode;

#[derive(Debug, Clone, Default)]
pub(crate) struct Figures(Arc<Mutex<BTreeMap<(String, String), Reading>>>);

/// Of one doorbell.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reading {
    pub rings: u64,
    pub failures: u64,
    /// `None`: another process rings it.
    pub here: Option<Here>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Here {
    pub pending: u64,
    pub failing: bool,
    pub off: bool,
}

impl Figures {
    pub(crate) fn change(
        &self,
        channel: &ChannelCode,
        doorbell: &str,
        change: impl FnOnce(&mut Reading),
    ) {
        let mut readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (channel.to_string(), doorbell.to_owned());
        change(readings.entry(key).or_default());
    }
}

impl metrics::Figures for Figures {
    fn read(&self) -> Vec<Figure> {
        let readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rings = Figure::new("doorbell_rings", "Rings that shops took", Kind::Counter);
        let mut failures = Figure::new(
            "doorbell_failures",
            "Rings that shops did not take",
            Kind::Counter,
        );
        let mut pending = Figure::new(
            "doorbell_pending",
            "Changes not rung yet, at most so many above 1000",
            Kind::Gauge,
        );
        let mut failing = Figure::new(
            "doorbell_failing",
            "1 for a doorbell whose last ring was not taken",
            Kind::Gauge,
        );
        let mut off = Figure::new(
            "doorbell_off",
            "1 for a doorbell that is switched off",
            Kind::Gauge,
        );
        for ((channel, doorbell), reading) in readings.iter() {
            let labels = [("channel", channel.as_str()), ("doorbell", doorbell)];
            rings.add(labels, reading.rings);
            failures.add(labels, reading.failures);
            if let Some(here) = reading.here {
                pending.add(labels, here.pending);
                failing.add(labels, here.failing.into());
                off.add(labels, here.off.into());
            }
        }
        vec![rings, failures, pending, failing, off]
    }
}
