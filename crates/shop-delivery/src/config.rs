//! Settings of this service.

use std::time::Duration;

use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long another process waits before it takes over a channel's feed.
    #[serde(with = "humantime_serde")]
    pub takeover_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            takeover_after: Duration::from_secs(15),
        }
    }
}

/// How long work in hand may take when the process stops.
pub(crate) const DRAIN: Duration = Duration::from_secs(20);
