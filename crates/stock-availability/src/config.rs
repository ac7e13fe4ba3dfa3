//! Settings of this service.

use std::time::Duration;

use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long another process waits before it takes over joining figures and orders.
    #[serde(with = "humantime_serde")]
    pub takeover_after: Duration,
    /// Answers are marked stale when the ERP was not read to the end for so long.
    #[serde(with = "humantime_serde")]
    pub stale_after: Duration,
    /// For an ERP without row versions: a document counts as in flight until the figure is younger by this much.
    #[serde(with = "humantime_serde")]
    pub margin: Duration,
    /// How long a live question waits for the ERP before the index answers.
    #[serde(with = "humantime_serde")]
    pub live_within: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            takeover_after: Duration::from_secs(15),
            stale_after: Duration::from_secs(60),
            margin: Duration::from_secs(30),
            live_within: Duration::from_secs(2),
        }
    }
}
