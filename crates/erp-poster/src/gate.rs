//! Holds everybody back while the ERP is away: one tries, the others wait, instead of each document knocking by itself.

use std::time::Duration;

use millrace_service_kit::Ids;
use millrace_service_kit::retry::Backoff;
use tokio::time::Instant;

const OUTAGE: u32 = 3;

#[derive(Debug)]
pub struct Gate {
    backoff: Backoff,
    opens: Option<Instant>,
}

impl Gate {
    #[must_use]
    pub fn new(first: Duration, most: Duration, ids: Ids) -> Self {
        Self {
            backoff: Backoff::new(first, most, ids),
            opens: None,
        }
    }

    /// How many may be under way now.
    #[must_use]
    pub fn room(&self, at_once: usize) -> usize {
        match self.opens {
            Some(opens) if Instant::now() < opens => 0,
            Some(_) => 1,
            None => at_once,
        }
    }

    /// How long it stays shut; `None`: it is open.
    #[must_use]
    pub fn waits(&self) -> Option<Duration> {
        let opens = self.opens?.checked_duration_since(Instant::now())?;
        (!opens.is_zero()).then_some(opens)
    }

    /// Away for several tries in a row: an outage, not one document's bad luck.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        self.opens.is_some() && self.backoff.tries() >= OUTAGE
    }

    /// The other side answered, whatever it said.
    pub fn answered(&mut self) {
        self.backoff.succeeded();
        self.opens = None;
    }

    /// The other side is away, at least for so long as it asks.
    pub fn away(&mut self, at_least: Duration) {
        let pause = self.backoff.next_delay().max(at_least);
        self.opens = Some(Instant::now() + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn while_the_erp_is_away_one_tries_and_the_others_wait() {
        let mut gate = Gate::new(
            Duration::from_secs(1),
            Duration::from_secs(8),
            Ids::seeded(1),
        );
        assert_eq!(gate.room(4), 4);
        gate.away(Duration::ZERO);
        assert_eq!(gate.room(4), 0);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(gate.room(4), 1);
        gate.answered();
        assert_eq!(gate.room(4), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn the_erps_own_wish_is_kept() {
        let mut gate = Gate::new(
            Duration::from_secs(1),
            Duration::from_secs(8),
            Ids::seeded(1),
        );
        gate.away(Duration::from_secs(30));
        tokio::time::advance(Duration::from_secs(29)).await;
        assert_eq!(gate.room(4), 0);
    }
}
