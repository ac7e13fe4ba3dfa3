//! Settings of this service.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use millrace_service_kit::Secret;
use millrace_values::ChannelCode;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long another process waits before it takes over a channel's feed, or its doorbells.
    #[serde(with = "humantime_serde")]
    pub takeover_after: Duration,
    /// How long a doorbell may fail before it is switched off.
    #[serde(with = "humantime_serde")]
    pub give_up_after: Duration,
    /// What is special about channels; one that is not here has no doorbells.
    pub channels: Vec<ChannelSettings>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            takeover_after: Duration::from_secs(15),
            give_up_after: Duration::from_secs(5 * 24 * 60 * 60),
            channels: Vec::new(),
        }
    }
}

/// How one channel is told of changes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelSettings {
    pub channel: ChannelCode,
    /// A feed without a shop: its doorbells never ring.
    #[serde(default)]
    pub staging: bool,
    #[serde(default)]
    pub doorbells: Vec<DoorbellSettings>,
}

/// One endpoint of a shop.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoorbellSettings {
    /// 1 to 40 of a-z, 0-9, "-". What a doorbell has rung is remembered under it.
    pub name: String,
    /// With placeholders in path and query. Whole it may be a secret.
    pub url: Secret,
    #[serde(default = "post")]
    pub method: String,
    /// With placeholders.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// With placeholders; absent: a JSON document with the change, or what to fetch. Some shops want their password in it.
    #[serde(default)]
    pub body: Option<Secret>,
    /// Topics it is for; empty: all of the feed.
    #[serde(default)]
    pub kinds: Vec<String>,
    #[serde(default)]
    pub payload: Payload,
    /// `whsec_…`; each signs.
    #[serde(default)]
    pub secrets: Vec<Secret>,
    /// Files with one more each.
    #[serde(default)]
    pub secret_files: Vec<PathBuf>,
    /// Rings at whole multiples of this.
    #[serde(default, with = "humantime_serde::option")]
    pub every: Option<Duration>,
    /// Rings at these times of day.
    #[serde(default)]
    pub at: Vec<String>,
    /// Whose times those are.
    #[serde(default)]
    pub time_zone: Option<String>,
    #[serde(default)]
    pub coalesce: Option<Coalesce>,
    /// Addresses inside the network that it may ring at.
    #[serde(default)]
    pub allow_internal: Vec<String>,
    /// Of one try, with everything.
    #[serde(default = "patience", with = "humantime_serde")]
    pub timeout: Duration,
}

/// Whether the change itself is sent along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Payload {
    /// What to fetch.
    #[default]
    Thin,
    Full,
}

/// Which changes ring together, and how long the first of them waits for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coalesce {
    pub by: By,
    #[serde(with = "humantime_serde")]
    pub within: Duration,
}

/// What changes have in common that ring together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    Key,
    Kind,
    Channel,
}

fn post() -> String {
    "POST".to_owned()
}

const fn patience() -> Duration {
    Duration::from_secs(15)
}

/// How long work in hand may take when the process stops.
pub(crate) const DRAIN: Duration = Duration::from_secs(20);
