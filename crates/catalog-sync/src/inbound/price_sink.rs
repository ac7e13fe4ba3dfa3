//! What the flow of prices means here. The ERP cannot list which items have prices: what is gone is found by noting whom a full
//! read showed.

use std::collections::HashSet;

use async_trait::async_trait;
use millrace_erp::{Flow, Observed, Page};
use millrace_erp_reader::{Sink, SinkError};
use millrace_event_store::LeaseEpoch;
use millrace_operations::unreadable;
use millrace_service_kit::trace::{TraceContext, Work};
use millrace_values::{ErpCode, SystemId};
use tracing::info;

use crate::domain::prices::Command;
use crate::inbound::recorder::{Act, Recorder};
use crate::inbound::{item_sink, prices};
use crate::read_model::Catalog;

pub(crate) struct PriceSink {
    pub recorder: Recorder,
    pub catalog: Catalog,
}

/// Name of the lease and of the cursor.
pub(crate) fn name(erp: &ErpCode) -> String {
    format!("prices/{erp}")
}

#[async_trait]
impl Sink for PriceSink {
    /// Whoever takes prices before would have to keep each until its item arrives.
    fn goes_after(&self) -> Option<String> {
        Some(item_sink::name(&self.recorder.erp))
    }

    async fn begin_full_read(&self, lease: &LeaseEpoch) -> Result<(), SinkError> {
        self.catalog
            .forget_snapshot(&self.recorder.erp, lease)
            .await
    }

    async fn take(&self, page: &Page, lease: &LeaseEpoch) -> Result<(), SinkError> {
        let mut seen = Vec::new();
        let mut shown = Vec::new();
        for observed in &page.observations {
            match observed {
                Observed::Prices(observed) => {
                    shown.push(observed.item);
                    seen.push(prices::Seen {
                        item: observed.item,
                        command: Command::from(observed.clone()),
                        act: Act {
                            at: observed.modified_at.0,
                            by: None,
                        },
                    });
                }
                // Kept below, where people see it. It has prices, whatever they are: those it had stay until they can be read.
                Observed::Unreadable { system_id, .. } => shown.extend(*system_id),
                // Other flows' records; the flow asked for does not bring them.
                Observed::Item(_)
                | Observed::ItemGone(_)
                | Observed::Stock(_)
                | Observed::Customer(_)
                | Observed::CustomerGone(_)
                | Observed::Document(_)
                | Observed::Transfer(_)
                | Observed::Return(_) => {}
            }
        }
        self.record(seen, lease).await?;
        if page.snapshot {
            let (erp, nameless) = (&self.recorder.erp, unreadable::nameless(&page.observations));
            self.catalog
                .seen_in_snapshot(erp, &shown, nameless, lease)
                .await?;
        }
        let (database, erp) = (&self.catalog.0, &self.recorder.erp);
        Ok(unreadable::note(database, erp, Flow::Prices, &page.observations).await?)
    }

    async fn end_full_read(&self, lease: &LeaseEpoch) -> Result<(), SinkError> {
        // The lease makes us the only writer: when our rows have reached the head, they are what is known.
        if !self
            .catalog
            .reached(self.recorder.log.head().await?)
            .await?
        {
            return Err(SinkError::Behind);
        }
        let (database, erp) = (&self.catalog.0, &self.recorder.erp);
        let nameless = self.catalog.nameless_in_snapshot(erp).await?;
        unreadable::full_read_ended(database, erp, Flow::Prices, nameless).await?;
        if nameless {
            return Ok(());
        }
        let gone = self.catalog.priced_but_not_in_snapshot(erp).await?;
        if gone.is_empty() {
            return Ok(());
        }
        info!(
            count = gone.len(),
            "{} items have no prices in the erp any more",
            gone.len()
        );
        let unpriced = gone.into_iter().map(|item| prices::Seen {
            item,
            command: Command::observe_none(),
            act: self.recorder.noticed(),
        });
        self.record(unpriced.collect(), lease).await
    }

    /// Never asked for: the ERP has no list of prices.
    async fn compare(&self, _: HashSet<SystemId>, _: &LeaseEpoch) -> Result<(), SinkError> {
        Ok(())
    }
}

impl PriceSink {
    async fn record(&self, seen: Vec<prices::Seen>, lease: &LeaseEpoch) -> Result<(), SinkError> {
        let trace = TraceContext::begin(&self.recorder.ids);
        let _work = match seen.is_empty() {
            true => Work::untold(),
            false => Work::begin("read prices of the erp", trace),
        };
        let trace = trace.to_string();
        Ok(prices::record(&self.recorder, seen, lease, &trace).await?)
    }
}
