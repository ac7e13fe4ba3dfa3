//! What somebody writes down to reach one company of one Business Central environment.

use std::time::Duration;

use bytesize::ByteSize;
use millrace_service_kit::Secret;
use millrace_values::{Currency, ErpCode, LocationCode};
use serde::Deserialize;
use thiserror::Error;
use url::Url;

/// One company of one environment, and how to behave towards it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Its name in our settings, events and logs.
    pub code: ErpCode,
    /// Up to and including the API version of the service: `https://api.businesscentral.dynamics.com/v2.0`.
    #[serde(default = "microsoft")]
    pub address: String,
    /// The token endpoint is below it: `{sign_in_address}/{tenant}/oauth2/v2.0/token`.
    #[serde(default = "microsoft_sign_in")]
    pub sign_in_address: String,
    /// Entra tenant id or domain.
    pub tenant: String,
    pub environment: String,
    /// Name or id of the company; may be empty where the environment has only one.
    #[serde(default)]
    pub company: String,
    pub client_id: String,
    pub client_secret: Secret,
    #[serde(default)]
    pub level: Level,
    /// The ledger's currency; needed on a standard tenant, on which nobody says it. The companion does.
    #[serde(default)]
    pub local_currency: Option<Currency>,
    /// Where stock without a location stands: all of it on a standard tenant, BC's blank location with the companion.
    #[serde(default)]
    pub default_location: Option<LocationCode>,
    /// The ledger account of freight that is paid back with a return; needed for that on a standard tenant.
    #[serde(default)]
    pub freight_account: Option<String>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub reading: Reading,
    #[serde(default)]
    pub webhooks: Webhooks,
}

/// What the tenant offers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Ask, and take the companion where it is.
    #[default]
    Auto,
    /// Microsoft's API v2.0 alone, even where the companion is.
    Standard,
    /// Refuse to work without the companion.
    Companion,
}

/// What one service principal may ask of Business Central, and how long we wait for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests at once.
    pub at_once: usize,
    /// Requests within `window`.
    pub requests: usize,
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// How long a read may take.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// How long a live lookup may take before the asker falls back to what he knows.
    #[serde(with = "humantime_serde")]
    pub live_timeout: Duration,
    /// How long a write may take before its outcome counts as unknown.
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
    /// After this long BC itself has given up on an operation: an unknown write cannot happen any more.
    #[serde(with = "humantime_serde")]
    pub operation_limit: Duration,
    /// How long a request goes on waiting for its turn when BC says 429.
    #[serde(with = "humantime_serde")]
    pub patience: Duration,
    /// Largest answer taken.
    pub answer: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            at_once: 5,
            requests: 6000,
            window: Duration::from_secs(300),
            timeout: Duration::from_secs(60),
            live_timeout: Duration::from_secs(3),
            write_timeout: Duration::from_secs(30),
            operation_limit: Duration::from_secs(480),
            patience: Duration::from_secs(60),
            answer: ByteSize::mib(64),
        }
    }
}

/// How changes are read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reading {
    /// Records per page of a full read.
    pub page_size: u32,
    /// Between two looks at the companion's change queue.
    #[serde(with = "humantime_serde")]
    pub queue_interval: Duration,
    /// Between two polls of a standard tenant.
    #[serde(with = "humantime_serde")]
    pub poll_interval: Duration,
    /// How far a poll of a standard tenant reaches back behind the last one: longer than the longest posting.
    #[serde(with = "humantime_serde")]
    pub overlap: Duration,
    /// A standard tenant is read whole again this often: what it showed without committing it, and what no stamp told of, is
    /// put right then.
    #[serde(with = "humantime_serde")]
    pub full_read_every: Duration,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            page_size: 500,
            queue_interval: Duration::from_secs(1),
            poll_interval: Duration::from_secs(30),
            overlap: Duration::from_secs(600),
            full_read_every: Duration::from_secs(24 * 3600),
        }
    }
}

/// Business Central's webhooks: hints to look at once. Without an address there are none, and the interval decides.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webhooks {
    /// Where BC reaches our listener: `https://hooks.example.com/hooks`.
    pub public_address: Option<String>,
    /// A subscription that ends sooner than this is renewed (BC gives three days).
    #[serde(with = "humantime_serde")]
    pub renew_before: Duration,
    /// Between two looks whether our subscriptions are still there.
    #[serde(with = "humantime_serde")]
    pub check_interval: Duration,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            public_address: None,
            renew_before: Duration::from_secs(24 * 3600),
            check_interval: Duration::from_secs(300),
        }
    }
}

fn microsoft() -> String {
    "https://api.businesscentral.dynamics.com/v2.0".into()
}

fn microsoft_sign_in() -> String {
    "https://login.microsoftonline.com".into()
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{key}: {reason}")]
pub struct SettingsError {
    pub key: &'static str,
    pub reason: String,
}

pub(super) fn address(key: &'static str, text: &str) -> Result<Url, SettingsError> {
    let refuse = |reason: &str| SettingsError {
        key,
        reason: reason.into(),
    };
    let url = Url::parse(text.trim_end_matches('/')).map_err(|_| refuse("is no address"))?;
    if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
        return Err(refuse("is no http address"));
    }
    Ok(url)
}

pub(super) fn not_empty(key: &'static str, text: &str) -> Result<(), SettingsError> {
    if text.trim().is_empty() {
        return Err(SettingsError {
            key,
            reason: "is empty".into(),
        });
    }
    Ok(())
}

pub(super) fn check(settings: &Settings) -> Result<(), SettingsError> {
    not_empty("tenant", &settings.tenant)?;
    not_empty("environment", &settings.environment)?;
    not_empty("client_id", &settings.client_id)?;
    let refuse = |key, reason: &str| {
        Err(SettingsError {
            key,
            reason: reason.into(),
        })
    };
    if settings.limits.at_once == 0 || settings.limits.requests == 0 {
        return refuse("limits", "at_once and requests must be above 0");
    }
    if settings.limits.write_timeout > settings.limits.operation_limit {
        return refuse(
            "limits.write_timeout",
            "must not exceed operation_limit, after which BC itself gives up",
        );
    }
    if !(1..=20_000).contains(&settings.reading.page_size) {
        return refuse("reading.page_size", "must be 1 to 20000");
    }
    if settings.level == Level::Standard {
        if settings.local_currency.is_none() {
            return refuse("local_currency", "is needed on the standard level");
        }
        if settings.default_location.is_none() {
            return refuse("default_location", "is needed on the standard level");
        }
    }
    Ok(())
}
