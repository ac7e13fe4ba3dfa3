//! Settings of this service.

use std::time::Duration;

use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Orders on their way into the ERP at once, per process.
    pub posting_at_once: usize,
    /// An attempt to post that has not ended after this long counts as unknown and is repeated.
    #[serde(with = "humantime_serde")]
    pub attempt_limit: Duration,
    /// Pause before the second attempt; doubles with every further one.
    #[serde(with = "humantime_serde")]
    pub first_pause: Duration,
    #[serde(with = "humantime_serde")]
    pub longest_pause: Duration,
    /// How long an order claimed by a process that died waits for another one.
    #[serde(with = "humantime_serde")]
    pub claim: Duration,
    /// How often held orders are checked again, some at a time, whether or not something they lack was seen to arrive.
    #[serde(with = "humantime_serde")]
    pub recheck_every: Duration,
    /// How long another process waits before it takes over reading the ERP's documents.
    #[serde(with = "humantime_serde")]
    pub takeover_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            posting_at_once: 4,
            attempt_limit: Duration::from_secs(10 * 60),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(60),
            claim: Duration::from_secs(30),
            recheck_every: Duration::from_secs(30),
            takeover_after: Duration::from_secs(15),
        }
    }
}

/// How long work in hand may take when the process stops.
pub(crate) const DRAIN: Duration = Duration::from_secs(25);
