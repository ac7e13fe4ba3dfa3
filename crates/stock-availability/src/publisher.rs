//! Publishes what is marked: joins rows into inventories, appends what differs from what was published last, takes the
//! marks off. One at a time, by lease.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::try_join_all;
use millrace_event_store::{
    Append, AppendError, Database, Decider, EventLog, Expected, LeaseEpoch, NewEvent, StoreError,
    StreamAppend,
};
use millrace_service_kit::health::{Component, chain};
use millrace_service_kit::metrics::Counter;
use millrace_service_kit::retry::Backoff;
use millrace_service_kit::{Clock, Ids, Shutdown};
use millrace_values::{ErpCode, SystemId, Timestamp};
use thiserror::Error;
use tokio::time::sleep;
use tracing::{error, info};

use crate::domain::{Contains, Event, InFlight, Inventory, Join, Shelf};
use crate::freshness::Freshness;
use crate::read_model::figures::{self, Known};
use crate::read_model::in_flight;
use crate::read_model::items::{self, Named};
use crate::read_model::marks::{self, Mark};
use crate::wake::Wake;
use crate::wire::{event, stored, stream, variant_text};

/// Marks taken at once.
const PAGE: i64 = 500;
/// Streams in one append.
const STREAMS: usize = 100;
/// First look again after a wake-up that found nothing: the one who woke us is about to commit.
const SOON: Duration = Duration::from_millis(2);
/// Safety net.
const IDLE: Duration = Duration::from_secs(1);

#[derive(Debug, Error)]
enum PublishError {
    #[error("another process joins figures and orders now")]
    Superseded,
    #[error(transparent)]
    Append(AppendError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AppendError> for PublishError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::StaleLease { .. } => Self::Superseded,
            AppendError::Store(error) => Self::Store(error),
            other => Self::Append(other),
        }
    }
}

#[derive(Clone)]
pub(crate) struct Publisher {
    pub database: Database,
    pub log: Arc<dyn EventLog>,
    pub margin: Duration,
    pub freshness: Arc<Freshness>,
    pub wake: Arc<Wake>,
    /// The ERP's full set was read; from then on, nothing marked means everything published.
    pub complete: Arc<AtomicBool>,
    pub component: Component,
    pub published: Counter,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
}

/// What is known about the marked items of one ERP.
#[derive(Default)]
struct Rows {
    figures: HashMap<SystemId, Known>,
    names: HashMap<SystemId, Named>,
    lines: HashMap<SystemId, Vec<InFlight>>,
}

/// What was published last.
struct Published {
    version: u64,
    inventory: Option<Inventory>,
}

impl Publisher {
    /// Publishes until told to stop, or until another process does it.
    pub async fn run(&self, lease: &LeaseEpoch, stop: &Shutdown) {
        let mut backoff = Backoff::neighbour(self.ids.clone());
        let mut pause = IDLE;
        while !stop.is_cancelled() {
            match self.publish_some(lease).await {
                Ok(0) => {}
                Ok(_) => {
                    if backoff.tries() > 0 {
                        info!("inventories are published again");
                        backoff.succeeded();
                    }
                    continue;
                }
                Err(PublishError::Superseded) => {
                    info!("another process joins figures and orders now");
                    // The lease says so too, a moment later.
                    return stop.cancelled().await;
                }
                Err(error) => {
                    self.trouble(&error);
                    backoff.wait(stop).await;
                    continue;
                }
            }
            if self.complete.load(Ordering::Relaxed) {
                self.component.ready();
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.woken() => pause = SOON,
                () = sleep(pause) => pause = (pause * 2).min(IDLE),
            }
        }
    }

    fn trouble(&self, error: &PublishError) {
        let cause = error as &dyn std::error::Error;
        if self.component.trouble(chain(cause)) {
            error!(
                error = cause,
                "inventories cannot be published, trying again"
            );
        }
    }

    /// Answers how many marks were taken off.
    async fn publish_some(&self, lease: &LeaseEpoch) -> Result<usize, PublishError> {
        let mut connection = self
            .database
            .pool()
            .acquire()
            .await
            .map_err(StoreError::from)?;
        let marks = marks::some(&mut connection, PAGE).await?;
        if marks.is_empty() {
            return Ok(0);
        }
        let mut by_erp: BTreeMap<&ErpCode, Vec<SystemId>> = BTreeMap::new();
        for mark in &marks {
            by_erp.entry(&mark.erp).or_default().push(mark.item);
        }
        // After the marks: what is read here is at least as new as what they stand for.
        let mut rows = BTreeMap::new();
        for (erp, mut ids) in by_erp {
            ids.sort_unstable();
            ids.dedup();
            let mut known = Rows {
                figures: figures::of(&mut connection, erp, &ids).await?,
                names: items::of(&mut connection, erp, &ids).await?,
                lines: HashMap::new(),
            };
            for line in in_flight::of_items(&mut connection, erp, &ids).await? {
                if let Some(id) = line.item.id {
                    known.lines.entry(id).or_default().push(line);
                }
            }
            rows.insert(erp.clone(), known);
        }
        drop(connection);
        // The last of several speaks for all: what it stands for contains the others.
        let mut latest: HashMap<_, &Mark> = HashMap::with_capacity(marks.len());
        for mark in &marks {
            latest.insert((&mark.erp, mark.item, &mark.variant), mark);
        }
        let latest: Vec<&Mark> = latest.into_values().collect();
        self.append(&latest, &rows, lease).await?;
        let mut tx = self.database.begin_derived().await?;
        in_flight::forget(
            &mut tx,
            &self.settled(&latest, &rows),
            self.database.dialect(),
        )
        .await?;
        marks::take_off(&mut tx, &marks).await?;
        tx.commit().await?;
        Ok(marks.len())
    }

    async fn append(
        &self,
        marks: &[&Mark],
        rows: &BTreeMap<ErpCode, Rows>,
        lease: &LeaseEpoch,
    ) -> Result<(), PublishError> {
        let names: Vec<String> = marks
            .iter()
            .map(|mark| {
                stream(
                    mark.erp.as_str(),
                    mark.item,
                    variant_text(mark.variant.as_ref()),
                )
            })
            .collect();
        let mut published: HashMap<String, Published> = HashMap::with_capacity(names.len());
        for last in self.log.read_last(&names).await? {
            let inventory = stored(&last.event.kind, &last.event.payload);
            published.insert(
                last.stream.to_string(),
                Published {
                    version: last.version,
                    inventory,
                },
            );
        }
        let mut streams = Vec::new();
        for (mark, name) in marks.iter().zip(names) {
            let Some(rows) = rows.get(&mark.erp) else {
                continue;
            };
            let last = published.remove(&name);
            let (version, inventory) =
                last.map_or((0, None), |last| (last.version, last.inventory));
            let number = inventory
                .as_ref()
                .and_then(|inventory| inventory.number.clone());
            let Ok(events) = Shelf::decide(&inventory, self.joined(mark, rows));
            let events: Vec<NewEvent> = events
                .iter()
                .map(|decided| {
                    let (kind, payload) =
                        event(mark.item, mark.variant.as_ref(), number.as_ref(), decided);
                    self.new_event(mark, &name, kind, payload, decided)
                })
                .collect();
            if !events.is_empty() {
                streams.push(StreamAppend {
                    stream: name,
                    expected: Expected::Version(version),
                    events,
                });
            }
        }
        // All of them wait for the same commit.
        let appends = streams.chunks(STREAMS).map(|streams| {
            self.log.append(Append {
                streams: streams.to_vec(),
                idempotency_key: None,
                lease: Some(lease.clone()),
            })
        });
        try_join_all(appends).await?;
        self.published.inc_by(streams.len() as u64);
        Ok(())
    }

    fn joined(&self, mark: &Mark, rows: &Rows) -> Join {
        let known = rows.figures.get(&mark.item);
        let named = rows.names.get(&mark.item);
        let lines = rows.lines.get(&mark.item).into_iter().flatten();
        Join {
            number: named
                .map(|named| named.number.clone())
                .or(known.map(|known| known.number.clone())),
            unit: known
                .and_then(|known| known.unit.clone())
                .or(named.and_then(|named| named.unit.clone())),
            figures: known.and_then(|known| {
                known.of_variant(mark.variant.as_ref(), self.contains(mark, known))
            }),
            in_flight: lines
                .filter(|line| line.variant == mark.variant)
                .cloned()
                .collect(),
        }
    }

    fn contains(&self, mark: &Mark, known: &Known) -> Contains {
        known.contains(self.margin, self.freshness.read_at(&mark.erp))
    }

    fn new_event(
        &self,
        mark: &Mark,
        stream: &str,
        kind: &str,
        payload: Vec<u8>,
        decided: &Event,
    ) -> NewEvent {
        let now = self.clock.now();
        let (occurred_at, deleted) = match decided {
            Event::Changed(Inventory {
                as_of: Timestamp(as_of),
                ..
            }) => (*as_of, false),
            Event::Deleted => (now, true),
        };
        NewEvent {
            id: self.ids.uuid_at(now),
            kind: kind.to_owned(),
            key: stream.to_owned(),
            erp: Some(mark.erp.to_string()),
            channel: None,
            occurred_at,
            cause: mark.cause.clone(),
            payload: payload.into(),
            deleted,
        }
    }

    /// Lines that what was just published contains.
    fn settled(&self, marks: &[&Mark], rows: &BTreeMap<ErpCode, Rows>) -> Vec<InFlight> {
        let mut settled = Vec::new();
        for mark in marks {
            let Some(rows) = rows.get(&mark.erp) else {
                continue;
            };
            let Some(contains) = rows
                .figures
                .get(&mark.item)
                .map(|known| self.contains(mark, known))
            else {
                continue;
            };
            let lines = rows
                .lines
                .get(&mark.item)
                .into_iter()
                .flatten()
                .filter(|line| line.variant == mark.variant);
            settled.extend(lines.filter(|line| line.is_settled(&contains)).cloned());
        }
        settled
    }
}
