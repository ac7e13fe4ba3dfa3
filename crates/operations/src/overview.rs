//! What waits for a person, looked at now and then: the one place that brings it to `/metrics` and to `/ready`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millrace_event_bus::{Bus, Stalled, count_parked, list_stalled};
use millrace_event_store::{Database, StoreError};
use millrace_service_kit::Shutdown;
use millrace_service_kit::health::{Component, Health};
use millrace_service_kit::metrics::Metrics;
use tracing::warn;

use crate::figures::{Kept, Shown};
use crate::unreadable;

const EVERY: Duration = Duration::from_secs(10);
/// More stalled partitions than this are only counted in the line for people.
const NAMED: usize = 3;

/// Of every service in this process.
pub struct Overview {
    databases: Vec<Database>,
    component: Component,
    kept: Arc<Mutex<Kept>>,
}

impl Overview {
    /// Shows what the bus's consumers and relays count, and from the first look on what the databases keep aside. Readiness does not
    /// wait for it.
    #[must_use]
    pub fn new(
        bus: Arc<dyn Bus>,
        databases: impl IntoIterator<Item = Database>,
        metrics: &Metrics,
        health: &Health,
    ) -> Self {
        let component = health.component("parked");
        component.ready();
        let kept = Arc::<Mutex<Kept>>::default();
        metrics.show(Shown {
            bus,
            kept: kept.clone(),
        });
        Self {
            databases: databases.into_iter().collect(),
            component,
            kept,
        }
    }

    /// Looks until shutdown.
    ///
    /// # Errors
    /// None: a database that is away is a trouble that is shown, and looked at again.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), StoreError> {
        loop {
            self.look().await;
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    /// Looks once.
    pub async fn look(&self) {
        match self.seen().await {
            Ok((kept, lines)) => {
                if lines.is_empty() {
                    self.component.ready();
                } else {
                    // Each was logged when it happened.
                    self.component.trouble(lines.join("; "));
                }
                let mut shown = self.kept.lock().expect("no holder of this lock panics");
                *shown = with_noughts(kept, &shown);
            }
            Err(error) => {
                let news = self
                    .component
                    .trouble(format!("what is kept aside cannot be looked at: {error}"));
                if news {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "what is kept aside cannot be looked at, trying again"
                    );
                }
            }
        }
    }

    /// As figures, and as lines for people.
    async fn seen(&self) -> Result<(Kept, Vec<String>), StoreError> {
        let (mut kept, mut lines) = (Kept::default(), Vec::new());
        for database in &self.databases {
            let service = database.name();
            let stalled = list_stalled(database).await?;
            lines.extend(waits_for_a_person(service, &stalled));
            for Stalled {
                consumer, topic, ..
            } in stalled
            {
                *kept.stalled.entry((consumer, topic)).or_default() += 1;
            }
            let mut parked = 0;
            for count in count_parked(database).await? {
                parked += count.parked;
                kept.records.insert(count.consumer.clone(), count);
            }
            if parked > 0 {
                lines.push(format!("{parked} records of {service} are parked"));
            }
            for (erp, flow, count) in unreadable::count(database).await? {
                lines.push(format!(
                    "{count} records of {flow} of erp {erp} cannot be read by {service}"
                ));
                *kept.unreadable.entry((erp, flow)).or_default() += count;
            }
        }
        Ok((kept, lines))
    }
}

fn waits_for_a_person(service: &str, stalled: &[Stalled]) -> Vec<String> {
    let mut lines: Vec<String> = stalled
        .iter()
        .take(NAMED)
        .map(|stalled| {
            let Stalled {
                topic,
                partition,
                reason,
                ..
            } = stalled;
            format!("{topic} {partition} of {service} waits for a person (millrace parked restart): {reason}")
        })
        .collect();
    if stalled.len() > NAMED {
        let more = stalled.len() - NAMED;
        lines.push(format!("{more} more partitions of {service} wait"));
    }
    lines
}

/// What was shown once goes to nought instead of away.
fn with_noughts(mut now: Kept, before: &Kept) -> Kept {
    keep_names(&mut now.stalled, &before.stalled);
    keep_names(&mut now.unreadable, &before.unreadable);
    for consumer in before.records.keys() {
        now.records.entry(consumer.clone()).or_default();
    }
    now
}

fn keep_names(now: &mut BTreeMap<(String, String), u64>, before: &BTreeMap<(String, String), u64>) {
    for name in before.keys() {
        now.entry(name.clone()).or_default();
    }
}
