//! Waiting before the next try.

use std::time::Duration;

use crate::{Ids, Shutdown};

/// Doubles from `first` to `most`, with jitter so that many do not return at once.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    ids: Ids,
    tries: u32,
}

impl Backoff {
    #[must_use]
    pub fn new(first: Duration, most: Duration, ids: Ids) -> Self {
        Self {
            first,
            most,
            ids,
            tries: 0,
        }
    }

    /// For a neighbour on the network: 100 ms to 15 s.
    #[must_use]
    pub fn neighbour(ids: Ids) -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(15), ids)
    }

    /// Tries since the last success.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.tries
    }

    pub fn succeeded(&mut self) {
        self.tries = 0;
    }

    /// The next wait: between half and the whole of the doubled time.
    pub fn next_delay(&mut self) -> Duration {
        let whole = self
            .first
            .saturating_mul(2_u32.saturating_pow(self.tries))
            .min(self.most);
        self.tries = self.tries.saturating_add(1);
        whole.mul_f64(0.5 + self.ids.fraction() / 2.0)
    }

    /// Waits; `false` when shutdown was asked meanwhile.
    pub async fn wait(&mut self, shutdown: &Shutdown) -> bool {
        let delay = self.next_delay();
        tokio::select! {
            () = shutdown.cancelled() => false,
            () = tokio::time::sleep(delay) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_start_again_after_a_success() {
        let mut backoff = Backoff::new(
            Duration::from_millis(100),
            Duration::from_millis(350),
            Ids::seeded(1),
        );
        let waits: Vec<_> = (0..4).map(|_| backoff.next_delay()).collect();
        assert!(waits[0] >= Duration::from_millis(50) && waits[0] <= Duration::from_millis(100));
        assert!(waits[1] >= Duration::from_millis(100) && waits[1] <= Duration::from_millis(200));
        assert!(waits[3] >= Duration::from_millis(175) && waits[3] <= Duration::from_millis(350));
        backoff.succeeded();
        assert!(backoff.next_delay() <= Duration::from_millis(100));
    }
}
