//! Records whose handling failed because the world was broken: their partition is held back and they are tried again, with
//! growing pauses, while the others go on.

use std::collections::BTreeMap;

use tokio::time::Instant;
use tracing::{error, info};

use crate::bus::BusError;
use crate::consumer::attempt::Stop;
use crate::consumer::worker::{Own, Worker, pause};
use crate::handler::HandleError;
use crate::subscription::{Partition, Subscription, Taken};

/// Records that could not be handled because the world was broken; the partition is held back until they are.
pub(super) struct Failing {
    pub(super) records: Vec<Taken>,
    pub(super) attempts: u32,
    pub(super) retry_at: Instant,
}

impl Worker {
    /// Puts records back until the world is mended, and holds their partitions back.
    pub(super) async fn fail_all(
        &mut self,
        records: Vec<Taken>,
        stop: &Stop,
        subscription: &mut dyn Subscription,
    ) -> Result<(), BusError> {
        self.meter.failed();
        let mut told = false;
        let mut failed: BTreeMap<Partition, Vec<Taken>> = BTreeMap::new();
        for taken in records {
            failed
                .entry(taken.partition.clone())
                .or_default()
                .push(taken);
        }
        for (partition, records) in failed {
            let Some(own) = self.own.get_mut(&partition) else {
                continue;
            };
            let attempts = own.failing.as_ref().map_or(0, |failing| failing.attempts) + 1;
            if attempts == 1 {
                if !told {
                    error!(
                        error = cause(stop),
                        topic = partition.topic,
                        partition = partition.number,
                        "{stop}, trying again"
                    );
                    told = true;
                }
                subscription.pause(&partition, true).await?;
            }
            own.failing = Some(Failing {
                records,
                attempts,
                retry_at: Instant::now() + pause(attempts),
            });
        }
        Ok(())
    }

    /// Tries again what failed and is due.
    pub(super) async fn retry_failing(
        &mut self,
        subscription: &mut dyn Subscription,
    ) -> Result<(), BusError> {
        let now = Instant::now();
        let is_due = |own: &Own| {
            own.failing
                .as_ref()
                .is_some_and(|failing| failing.retry_at <= now)
        };
        let due: Vec<Partition> = self
            .own
            .iter()
            .filter(|(_, own)| is_due(own))
            .map(|(partition, _)| partition.clone())
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        let mut records = Vec::new();
        for partition in &due {
            if let Some(failing) = self
                .own
                .get_mut(partition)
                .and_then(|own| own.failing.as_mut())
            {
                records.append(&mut failing.records);
            }
        }
        self.take(records, Vec::new(), subscription).await?;
        for partition in due {
            let Some(own) = self.own.get_mut(&partition) else {
                continue;
            };
            if own
                .failing
                .as_ref()
                .is_some_and(|failing| failing.records.is_empty())
            {
                own.failing = None;
                info!(
                    topic = partition.topic,
                    partition = partition.number,
                    "{} {} goes on",
                    partition.topic,
                    partition.number
                );
                if own.mark.stalled.is_none() {
                    subscription.pause(&partition, false).await?;
                }
            }
        }
        Ok(())
    }
}

fn cause(stop: &Stop) -> &(dyn std::error::Error + 'static) {
    match stop {
        Stop::Handler {
            source: HandleError::Failed(cause),
            ..
        } => &**cause,
        other => other,
    }
}
