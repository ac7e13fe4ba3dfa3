//! Reads one flow of the ERP for as long as this process holds the lease: the full set first, then changes, woken by hints.
//! What a page means is written before the cursor moves, so a crash repeats and never skips.

use std::sync::Arc;
use std::time::Duration;

use millrace_erp::master::ItemObserved;
use millrace_erp::{Cursor, Erp, ErpError, Flow, Observed, Page};
use millrace_event_store::{Database, Held, LeaseEpoch, StoreError, load_cursor};
use millrace_service_kit::health::Component;
use millrace_service_kit::retry::Backoff;
use millrace_service_kit::trace::TraceContext;
use millrace_service_kit::{Clock, Ids, Shutdown};
use millrace_values::{ErpCode, SystemId};
use thiserror::Error;
use tracing::{error, info, warn};

use crate::domain::item::{Command as ItemCommand, Item};
use crate::domain::prices::Command as PriceCommand;
use crate::inbound::recorder::{Act, RecordError, Recorder};
use crate::inbound::{items, prices};
use crate::read_model::{self, Catalog, Progress, UnreadableRecord};

/// Between two looks whether the items have been read for the first time.
const LOOK_FOR_ITEMS: Duration = Duration::from_millis(100);

#[derive(Debug, Error)]
enum StepError {
    #[error(transparent)]
    Erp(#[from] ErpError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the read model is behind the log")]
    Behind,
}

/// The two flows this service reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    Items,
    Prices,
}

#[derive(Clone)]
pub(crate) struct Poller {
    pub reads: Reads,
    pub erp: Arc<dyn Erp>,
    pub recorder: Recorder,
    pub database: Database,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
    pub component: Component,
    pub compare_every: Duration,
}

impl Poller {
    /// Name of the lease and of the cursor.
    pub(crate) fn name(&self) -> String {
        name(self.reads, self.erp.code())
    }

    fn flow(&self) -> Flow {
        match self.reads {
            Reads::Items => Flow::Items,
            Reads::Prices => Flow::Prices,
        }
    }

    /// Another process reads; this one only serves.
    pub(crate) fn stand_by(&self) {
        self.component.ready();
    }

    /// Reads until the lease is lost or shutdown is asked.
    pub(crate) async fn read(&self, held: &Held, stop: &Shutdown) {
        self.ready_if_read_before().await;
        if self.reads == Reads::Prices && !self.items_read(stop).await {
            return;
        }
        let mut hints = self.erp.hints(self.flow());
        let mut backoff = Backoff::neighbour(self.ids.clone());
        let mut hinting = true;
        while !stop.is_cancelled() {
            // Before reading: a hint that comes meanwhile is a reason to read once more.
            hints.borrow_and_update();
            let pause = match self.step(&held.lease).await {
                Ok(true) => {
                    backoff.succeeded();
                    continue;
                }
                Ok(false) => {
                    if backoff.tries() > 0 {
                        info!("reading {} from the erp goes on", self.name());
                    }
                    backoff.succeeded();
                    self.component.ready();
                    self.erp.poll_interval()
                }
                Err(StepError::Record(RecordError::Superseded)) => return,
                Err(error) => self.trouble(&error).max(backoff.next_delay()),
            };
            let failing = backoff.tries() > 0;
            tokio::select! {
                () = stop.cancelled() => {}
                hinted = hints.changed(), if hinting && !failing => hinting = hinted.is_ok(),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Waits for the first full read of the items: whoever takes prices would have to keep each until its item arrives. `false`: asked
    /// to stop.
    async fn items_read(&self, stop: &Shutdown) -> bool {
        let items = compared_name(&name(Reads::Items, self.erp.code()));
        loop {
            match load_cursor(&self.database, &items).await {
                Ok(Some(_)) => return true,
                Ok(None) => {
                    _ = self
                        .component
                        .trouble("waits for the first full read of the items")
                }
                Err(error) => _ = self.trouble(&error.into()),
            }
            tokio::select! {
                () = stop.cancelled() => return false,
                () = tokio::time::sleep(LOOK_FOR_ITEMS) => {}
            }
        }
    }

    /// A full set that was read once can be served, also while the ERP is away.
    async fn ready_if_read_before(&self) {
        if let Ok(Some(_)) = load_cursor(&self.database, &compared_name(&self.name())).await {
            self.component.ready();
        }
    }

    /// Shows what is wrong, logs it when it is news, and answers how long the ERP asks us to wait.
    fn trouble(&self, error: &StepError) -> Duration {
        let cause = error as &dyn std::error::Error;
        let news = self.component.trouble(chain(cause));
        if news {
            let flow = self.name();
            error!(
                flow,
                error = cause,
                "{flow} cannot be read from the erp, trying again"
            );
        }
        match error {
            StepError::Erp(ErpError::Away { retry_after, .. }) => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }

    /// One page; `true`: more is waiting.
    async fn step(&self, lease: &LeaseEpoch) -> Result<bool, StepError> {
        let name = self.name();
        // An empty text stands for none: the flow starts again.
        let cursor = load_cursor(&self.database, &name)
            .await?
            .filter(|text| !text.is_empty())
            .map(Cursor);
        if cursor.is_none() && self.reads == Reads::Prices {
            read_model::forget_snapshot(&self.database, self.erp.code()).await?;
        }
        let page = match self.erp.read(self.flow(), cursor.as_ref()).await {
            Err(ErpError::ResyncNeeded { reason }) => {
                warn!(
                    flow = name,
                    reason, "the erp asks for a full read of {name}"
                );
                read_model::save_progress(&self.database, Progress::restart(&name)).await?;
                return Ok(true);
            }
            read => read?,
        };
        self.take(&page, lease).await?;
        let moved = cursor.as_ref() != Some(&page.next);
        if page.snapshot_complete {
            self.compare(lease).await?;
        }
        if moved {
            let mut progress = Progress::at(&name, &page.next);
            // The two flows end their full reads each in their own time.
            let prices_read = page.snapshot_complete && self.reads == Reads::Prices;
            progress.forget_snapshot_of = prices_read.then(|| self.erp.code().clone());
            read_model::save_progress(&self.database, progress).await?;
        }
        if page.more {
            return Ok(true);
        }
        if self.reads == Reads::Items && !page.snapshot && self.comparison_is_due().await? {
            self.compare(lease).await?;
        }
        Ok(false)
    }

    /// Writes what the page's observations change.
    async fn take(&self, page: &Page, lease: &LeaseEpoch) -> Result<(), StepError> {
        if page.observations.is_empty() {
            return Ok(());
        }
        let trace = TraceContext::begin(&self.ids).to_string();
        let (mut seen_items, mut seen_prices) = (Vec::new(), Vec::new());
        let (mut unreadable, mut readable) = (Vec::new(), Vec::new());
        for observed in &page.observations {
            match observed {
                Observed::Item(item) => {
                    readable.push(item.system_id);
                    seen_items.push(item_seen(item.clone()));
                }
                Observed::ItemGone(item) => seen_items.push(self.item_gone(*item)),
                Observed::Prices(seen) => {
                    readable.push(seen.item);
                    let act = Act {
                        at: seen.modified_at.0,
                        by: None,
                    };
                    let command = PriceCommand::from(seen.clone());
                    seen_prices.push(prices::Seen {
                        item: seen.item,
                        command,
                        act,
                    });
                }
                Observed::Unreadable {
                    entity,
                    system_id,
                    reason,
                } => {
                    unreadable.push(UnreadableRecord {
                        entity,
                        system_id: *system_id,
                        reason: reason.clone(),
                    });
                }
                // Other flows' records; the flow asked for does not bring them.
                Observed::Stock(_)
                | Observed::Customer(_)
                | Observed::CustomerGone(_)
                | Observed::Document(_) => {}
            }
        }
        self.record(seen_items, seen_prices, lease, &trace).await?;
        if page.snapshot && self.reads == Reads::Prices {
            read_model::seen_in_snapshot(&self.database, self.erp.code(), &readable).await?;
        }
        self.note(unreadable, &readable).await?;
        Ok(())
    }

    async fn record(
        &self,
        seen_items: Vec<items::Seen>,
        mut seen_prices: Vec<prices::Seen>,
        lease: &LeaseEpoch,
        trace: &str,
    ) -> Result<(), StepError> {
        // Who has lost the item has lost its prices; the ERP does not always say so.
        let gone = seen_items
            .iter()
            .filter(|seen| seen.command == ItemCommand::ObserveGone);
        seen_prices.extend(gone.map(|seen| prices::Seen {
            item: seen.item,
            command: PriceCommand::observe_none(),
            act: seen.act.clone(),
        }));
        items::record(&self.recorder, seen_items, lease, trace).await?;
        prices::record(&self.recorder, seen_prices, lease, trace).await?;
        Ok(())
    }

    fn item_gone(&self, item: SystemId) -> items::Seen {
        let act = Act {
            at: self.clock.now(),
            by: None,
        };
        items::Seen {
            item,
            command: ItemCommand::ObserveGone,
            act,
        }
    }

    /// Finds what is gone without anybody having told: known here, but not in the ERP.
    async fn compare(&self, lease: &LeaseEpoch) -> Result<(), StepError> {
        let erp = self.erp.code();
        let catalog = Catalog::new(self.database.clone());
        // The lease makes us the only writer: when our rows have reached the head, they are what is known.
        if !catalog.reached(self.recorder.log.head().await?).await? {
            return Err(StepError::Behind);
        }
        let gone = match self.reads {
            Reads::Items => {
                let known = catalog.item_ids(erp).await?;
                let there: std::collections::HashSet<SystemId> = self
                    .erp
                    .system_ids(Flow::Items)
                    .await?
                    .into_iter()
                    .collect();
                known.into_iter().filter(|id| !there.contains(id)).collect()
            }
            Reads::Prices => catalog.priced_but_not_in_snapshot(erp).await?,
        };
        if !gone.is_empty() {
            let flow = self.name();
            info!(
                flow,
                count = gone.len(),
                "{} records of {flow} are gone from the erp",
                gone.len()
            );
            let trace = TraceContext::begin(&self.ids).to_string();
            let seen = gone.into_iter().map(|item| self.item_gone(item));
            match self.reads {
                Reads::Items => self.record(seen.collect(), vec![], lease, &trace).await?,
                Reads::Prices => {
                    let none = seen.map(|seen| prices::Seen {
                        item: seen.item,
                        command: PriceCommand::observe_none(),
                        act: seen.act,
                    });
                    self.record(vec![], none.collect(), lease, &trace).await?;
                }
            }
        }
        let progress = Progress::compared(&compared_name(&self.name()), self.clock.now());
        Ok(read_model::save_progress(&self.database, progress).await?)
    }

    async fn comparison_is_due(&self) -> Result<bool, StepError> {
        let last = load_cursor(&self.database, &compared_name(&self.name())).await?;
        let last = last.and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let Some(last) = last else { return Ok(true) };
        let age = self.clock.now().duration_since(last);
        Ok(age
            >= jiff::SignedDuration::try_from(self.compare_every)
                .unwrap_or(jiff::SignedDuration::MAX))
    }

    /// Keeps what cannot be read where people see it.
    async fn note(
        &self,
        unreadable: Vec<UnreadableRecord>,
        readable: &[SystemId],
    ) -> Result<(), StepError> {
        let erp = self.erp.code();
        let now = self.clock.now();
        for record in
            read_model::note_unreadable(&self.database, erp, unreadable, readable, now).await?
        {
            let id = record
                .system_id
                .map(|id| id.to_string())
                .unwrap_or_default();
            warn!(
                entity = record.entity,
                system_id = id,
                reason = record.reason,
                "a record of the erp cannot be read"
            );
        }
        Ok(())
    }
}

fn name(reads: Reads, erp: &ErpCode) -> String {
    match reads {
        Reads::Items => format!("items/{erp}"),
        Reads::Prices => format!("prices/{erp}"),
    }
}

/// The cursor that says when the flow `name` was compared last; it is not there before the first full read has ended.
fn compared_name(name: &str) -> String {
    format!("{name}/compared")
}

fn item_seen(item: ItemObserved) -> items::Seen {
    let act = Act {
        at: item.modified_at.0,
        by: item.modified_by.clone(),
    };
    items::Seen {
        item: item.system_id,
        command: ItemCommand::Observe(Box::new(Item::from(item))),
        act,
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line = format!("{line}: {cause}");
        source = cause.source();
    }
    line
}
