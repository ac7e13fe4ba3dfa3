//! How old the figures may be: when the ERP was last read to the end, and whether changes reach this pod.
//!
//! An unchanged figure is no event, so its `as_of` says when it last changed; that it still holds is known from here.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use millrace_service_kit::Clock;
use millrace_service_kit::metrics::{Figure, Figures, Kind};
use millrace_values::ErpCode;

/// Told by whoever reads, asked with every answer.
#[derive(Debug)]
pub struct Freshness {
    /// Per ERP: milliseconds since 1970 at which everything it had was known.
    read_at: HashMap<ErpCode, AtomicI64>,
    /// The index is being read anew.
    mirror_away: AtomicBool,
    /// Kafka does not answer.
    bus_away: AtomicBool,
    stale_after: i64,
    clock: Arc<dyn Clock>,
}

impl Freshness {
    #[must_use]
    pub fn new(
        erps: impl IntoIterator<Item = ErpCode>,
        stale_after: Duration,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new(Self {
            read_at: erps
                .into_iter()
                .map(|erp| (erp, AtomicI64::new(i64::MIN)))
                .collect(),
            mirror_away: AtomicBool::new(false),
            bus_away: AtomicBool::new(false),
            stale_after: i64::try_from(stale_after.as_millis()).unwrap_or(i64::MAX),
            clock,
        })
    }

    /// Everything the ERP had at `at` is known.
    pub fn read(&self, erp: &ErpCode, at: Timestamp) {
        if let Some(read_at) = self.read_at.get(erp) {
            read_at.fetch_max(at.as_millisecond(), Ordering::Relaxed);
        }
    }

    #[must_use]
    pub fn read_at(&self, erp: &ErpCode) -> Option<Timestamp> {
        let millis = self.read_at.get(erp)?.load(Ordering::Relaxed);
        Timestamp::from_millisecond(millis)
            .ok()
            .filter(|_| millis != i64::MIN)
    }

    /// Whether the index has lost its source.
    pub fn mirror_away(&self, away: bool) {
        self.mirror_away.store(away, Ordering::Relaxed);
    }

    /// Whether the bus does not answer.
    pub fn bus_away(&self, away: bool) {
        self.bus_away.store(away, Ordering::Relaxed);
    }

    /// Lags behind more than the setting allows.
    #[inline]
    #[must_use]
    pub fn is_stale(&self, erp: &ErpCode) -> bool {
        let read_at = self
            .read_at
            .get(erp)
            .map_or(i64::MIN, |read_at| read_at.load(Ordering::Relaxed));
        self.mirror_away.load(Ordering::Relaxed)
            || self.bus_away.load(Ordering::Relaxed)
            || self.clock.now().as_millisecond().saturating_sub(read_at) > self.stale_after
    }
}

/// How old the figures are, at `/metrics`: of an ERP that was never read to the end, nothing.
pub(crate) struct Age(pub Arc<Freshness>);

impl Figures for Age {
    fn read(&self) -> Vec<Figure> {
        let mut age = Figure::new(
            "stock_age_seconds",
            "Time since the figures of the ERP were last read to the end",
            Kind::Gauge,
        );
        let now = self.0.clock.now();
        for erp in self.0.read_at.keys() {
            if let Some(read_at) = self.0.read_at(erp) {
                let seconds = now.duration_since(read_at).as_secs();
                age.add(
                    [("erp", erp.as_str())],
                    u64::try_from(seconds).unwrap_or_default(),
                );
            }
        }
        vec![age]
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use millrace_service_kit::ManualClock;

    use super::*;

    #[test]
    fn an_age_that_nobody_knows_is_not_shown() {
        let clock = ManualClock::at(Timestamp::from_second(1_700_000_000).unwrap());
        let erp = ErpCode::parse("bc-main").unwrap();
        let stale_after = Duration::from_secs(60);
        let freshness = Freshness::new([erp.clone()], stale_after, Arc::new(clock.clone()));
        let shown = || Age(freshness.clone()).read().remove(0).values;
        assert!(shown().is_empty());
        freshness.read(&erp, clock.now());
        clock.advance(SignedDuration::from_secs(7));
        assert_eq!(shown()[0].value, 7);
    }

    #[test]
    fn figures_get_stale_when_the_erp_was_not_read_for_too_long() {
        let clock = ManualClock::at(Timestamp::from_second(1_700_000_000).unwrap());
        let erp = ErpCode::parse("bc-main").unwrap();
        let freshness = Freshness::new(
            [erp.clone()],
            Duration::from_secs(60),
            Arc::new(clock.clone()),
        );
        assert!(freshness.is_stale(&erp), "nothing was read yet");
        freshness.read(&erp, clock.now());
        clock.advance(SignedDuration::from_secs(60));
        assert!(!freshness.is_stale(&erp));
        clock.advance(SignedDuration::from_secs(1));
        assert!(freshness.is_stale(&erp));
        freshness.read(&erp, clock.now());
        freshness.bus_away(true);
        assert!(freshness.is_stale(&erp), "what was read does not arrive");
    }
}
