//! What was kept aside is looked at again here, and so are partitions that wait for a person.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use crate::bus::BusError;
use crate::consumer::attempt::{Appended, Stop};
use crate::consumer::held::{self, Due};
use crate::consumer::meter::Counts;
use crate::consumer::worker::Worker;
use crate::subscription::{Mark, Partition, Positions, Subscription};

/// How often kept records and stalled partitions are looked at while there are any.
const RECHECK: Duration = Duration::from_secs(1);
const DUE_AT_ONCE: i64 = 200;

impl Worker {
    /// Tries kept records that are due, and looks whether somebody let a stalled partition go on.
    pub(super) async fn recheck(
        &mut self,
        subscription: &mut dyn Subscription,
    ) -> Result<(), BusError> {
        if Instant::now() < self.recheck_at {
            return Ok(());
        }
        self.recheck_at = Instant::now() + RECHECK;
        let stalled: Vec<Partition> = self
            .own
            .iter()
            .filter(|(_, own)| own.mark.stalled.is_some())
            .map(|(partition, _)| partition.clone())
            .collect();
        for partition in stalled {
            if let Ok(Some(Mark { stalled: None, .. })) = self.positions.load(&partition).await {
                self.reload(&partition, subscription).await?;
            }
        }
        if !self.may_hold {
            return Ok(());
        }
        match self.retry_due().await {
            // What is coming in is read between two pages: it may be what they wait for.
            Ok(true) => self.recheck_at = Instant::now(),
            Ok(false) => {}
            Err(Stop::Fenced(partition)) => self.fenced(&partition, subscription).await?,
            Err(stop) => {
                self.meter.failed();
                warn!(
                    error = &stop as &dyn std::error::Error,
                    "could not try kept records again"
                );
            }
        }
        Ok(())
    }

    /// One page of what is due. `true`: there is more.
    async fn retry_due(&mut self) -> Result<bool, Stop> {
        let (consumer, now) = (
            self.bench.consumer.clone(),
            self.bench.database.clock().now(),
        );
        let after = std::mem::take(&mut self.rechecked_to);
        let page = held::due(&self.bench.database, &consumer, now, after, DUE_AT_ONCE).await?;
        let mine: Vec<Due> = page
            .due
            .into_iter()
            .filter(|due| self.own.contains_key(&due.partition))
            .collect();
        let tried = if mine.is_empty() {
            Ok(Counts::default())
        } else {
            self.retry(&mine).await
        };
        let counts = match tried {
            Err(Stop::Handler { .. } | Stop::NeedsAppends(_)) => self.retry_singly(&mine).await?,
            other => other?,
        };
        self.meter.add(&counts);
        if counts.healed > 0 {
            // Something behind a record just done may be tried as well, perhaps with a smaller id: from the beginning.
            return Ok(true);
        }
        if let Some(last) = page.next {
            self.rechecked_to = last;
            return Ok(true);
        }
        self.may_hold = held::any(&self.bench.database, &consumer).await?;
        Ok(false)
    }

    async fn retry_singly(&self, due: &[Due]) -> Result<Counts, Stop> {
        let mut total = Counts::default();
        for due in due {
            match self.retry(std::slice::from_ref(due)).await {
                Ok(counts) => {
                    total.handled += counts.handled;
                    total.healed += counts.healed;
                    total.parked += counts.parked;
                }
                Err(Stop::Handler { source, .. }) => {
                    self.meter.failed();
                    warn!(
                        error = &source as &dyn std::error::Error,
                        parked.id = due.id,
                        "a kept record failed again"
                    );
                    self.bench.postpone(due).await?;
                }
                Err(stop) => return Err(stop),
            }
        }
        Ok(total)
    }

    async fn retry(&self, due: &[Due]) -> Result<Counts, Stop> {
        let old: HashMap<Partition, Mark> = self
            .own
            .iter()
            .filter(|(_, own)| own.stored)
            .map(|(partition, own)| (partition.clone(), own.mark.clone()))
            .collect();
        let mut appended = Appended::new();
        for _ in 0..3 {
            match self.bench.retry(due, &old, &appended).await {
                Err(Stop::NeedsAppends(wanted)) => self.append(wanted, &mut appended).await?,
                other => return other,
            }
        }
        self.bench.retry(due, &old, &appended).await
    }
}
