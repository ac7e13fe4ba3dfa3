//! Settings of this service.

use std::time::Duration;

use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long another process waits before it takes over reading from the ERP.
    #[serde(with = "humantime_serde")]
    pub takeover_after: Duration,
    /// How often all customers of the ERP are compared with those known here, to find deletions nobody told of.
    #[serde(with = "humantime_serde")]
    pub compare_every: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            takeover_after: Duration::from_secs(6),
            compare_every: Duration::from_secs(24 * 60 * 60),
        }
    }
}
