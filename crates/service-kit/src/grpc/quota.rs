//! How often a channel may call. One that calls too often is refused at the door, before anything was done for it, so that
//! it does not slow others; each process counts for itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::time::Instant;
use tonic::Status;

use super::{Limits, Quota};
use crate::metrics::Metrics;
use crate::rejection;

/// Channels counted by name. An issuer may be trusted with every channel there is, and invent some: they share what is
/// left.
const CHANNELS: usize = 1024;
const OTHERS: &str = "";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Channel {
    channel: String,
}

#[derive(Debug)]
pub struct Quotas {
    usual: Quota,
    own: BTreeMap<String, Quota>,
    buckets: RwLock<HashMap<Box<str>, Arc<Bucket>>>,
    began: Instant,
    refused: Family<Channel, Counter>,
}

impl Quotas {
    pub fn new(limits: &Limits, metrics: &Metrics) -> Self {
        let quotas = Self {
            usual: Quota {
                calls_per_second: limits.calls_per_second,
                burst: limits.burst,
            },
            own: limits.channels.clone(),
            buckets: RwLock::default(),
            began: Instant::now(),
            refused: metrics.register(
                "grpc_calls_over_quota",
                "Calls refused because their channel had called too often",
                Family::default(),
            ),
        };
        // Whoever is expected is shown before the first refusal.
        for channel in quotas.own.keys() {
            quotas.bucket(channel);
        }
        quotas
    }

    /// One call of this channel; whoever belongs to none has no quota.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` with the time after which there is room again.
    pub fn take(&self, channel: Option<&str>) -> Result<(), Status> {
        let Some(channel) = channel else {
            return Ok(());
        };
        let bucket = self.bucket(channel);
        bucket.take(self.began.elapsed()).map_err(|wait| {
            bucket.refused.inc();
            let rate = bucket.quota.calls_per_second;
            rejection::exhausted(
                "OVER_QUOTA",
                format!("channel {channel} calls more than {rate} times a second"),
                wait,
            )
        })
    }

    fn bucket(&self, channel: &str) -> Arc<Bucket> {
        let known = self.buckets.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = known.get(channel) {
            return bucket.clone();
        }
        let channel = match known.len() {
            ..CHANNELS => channel,
            _ => OTHERS,
        };
        drop(known);
        let mut known = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        let bucket = known.entry(channel.into()).or_insert_with(|| {
            let label = Channel {
                channel: channel.to_owned(),
            };
            Arc::new(Bucket {
                quota: self.own.get(channel).copied().unwrap_or(self.usual),
                empty_at: AtomicU64::new(0),
                refused: self.refused.get_or_create(&label).clone(),
            })
        });
        bucket.clone()
    }
}

/// Each call pours one in, and they drain at a steady rate; `burst` fit.
#[derive(Debug)]
struct Bucket {
    quota: Quota,
    /// When all of it will have drained, in nanoseconds.
    empty_at: AtomicU64,
    refused: Counter,
}

impl Bucket {
    /// `Err`: how long until there is room.
    fn take(&self, now: Duration) -> Result<(), Duration> {
        let now = nanos(now);
        // Never nothing: whoever looked at the clock before another and pours after him would find no room.
        let one = (1_000_000_000 / u64::from(self.quota.calls_per_second.max(1))).max(1);
        let room = one.saturating_mul(u64::from(self.quota.burst.max(1)));
        let mut wait = 0;
        let poured = self
            .empty_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |empty_at| {
                let filled = empty_at.max(now) + one;
                wait = (filled - now).saturating_sub(room);
                (wait == 0).then_some(filled)
            });
        poured.map(drop).map_err(|_| Duration::from_nanos(wait))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic_types::StatusExt;

    use super::*;

    fn quotas(more: &[(&str, Quota)]) -> Quotas {
        let limits = Limits {
            calls_per_second: 10,
            burst: 5,
            channels: more
                .iter()
                .map(|(channel, quota)| ((*channel).to_owned(), *quota))
                .collect(),
            ..Limits::default()
        };
        Quotas::new(&limits, &Metrics::default())
    }

    fn taken(quotas: &Quotas, channel: Option<&str>) -> usize {
        (0..100).filter(|_| quotas.take(channel).is_ok()).count()
    }

    /// Row 123.
    #[tokio::test(start_paused = true)]
    async fn a_channel_that_calls_too_often_is_refused_until_it_paused() {
        let quotas = quotas(&[]);
        assert_eq!(taken(&quotas, Some("furniture")), 5);
        let refused = quotas.take(Some("furniture")).unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        let details = refused.get_error_details();
        let wait = details.retry_info().unwrap().retry_delay.unwrap();
        assert_eq!(wait, Duration::from_millis(100));
        tokio::time::advance(wait).await;
        assert_eq!(taken(&quotas, Some("furniture")), 1);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(taken(&quotas, Some("furniture")), 5, "a rest saves no more");
    }

    /// Row 123.
    #[tokio::test(start_paused = true)]
    async fn a_channel_at_its_quota_takes_nothing_from_another() {
        let vip = Quota {
            calls_per_second: 1,
            burst: 20,
        };
        let quotas = quotas(&[("vip", vip)]);
        assert_eq!(taken(&quotas, Some("furniture")), 5);
        assert_eq!(taken(&quotas, Some("garden")), 5);
        assert_eq!(taken(&quotas, Some("vip")), 20);
        assert_eq!(taken(&quotas, None), 100, "services have none");
    }

    #[tokio::test(start_paused = true)]
    async fn who_may_call_as_often_as_he_likes_is_refused_by_no_race() {
        let limits = Limits::default();
        let bucket = Quotas::new(&limits, &Metrics::default()).bucket("furniture");
        let moment = Duration::from_secs(1);
        assert_eq!(bucket.take(moment), Ok(()));
        assert_eq!(bucket.take(moment - Duration::from_micros(1)), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn invented_channels_share_what_is_left() {
        let quotas = quotas(&[]);
        for number in 0..CHANNELS {
            quotas.take(Some(&number.to_string())).unwrap();
        }
        let through = (0..100)
            .filter(|number| quotas.take(Some(&format!("more-{number}"))).is_ok())
            .count();
        assert_eq!(through, 5);
        assert!(quotas.buckets.read().unwrap().len() <= CHANNELS + 1);
    }
}
