//! What the flow of items means here. Who has lost the item has lost its prices; the ERP does not always say so.

use std::collections::HashSet;

use async_trait::async_trait;
use millrace_erp::master::ItemObserved;
use millrace_erp::{Flow, Observed, Page};
use millrace_erp_reader::{Sink, SinkError};
use millrace_event_store::LeaseEpoch;
use millrace_operations::unreadable;
use millrace_service_kit::trace::{TraceContext, Work};
use millrace_values::{ErpCode, SystemId};
use tracing::info;

use crate::domain::item::{Command, Item};
use crate::domain::prices::Command as PriceCommand;
use crate::inbound::recorder::{Act, Recorder};
use crate::inbound::{items, prices};
use crate::read_model::Catalog;

pub(crate) struct ItemSink {
    pub recorder: Recorder,
    pub catalog: Catalog,
}

/// Name of the lease and of the cursor.
pub(crate) fn name(erp: &ErpCode) -> String {
    format!("items/{erp}")
}

#[async_trait]
impl Sink for ItemSink {
    async fn take(&self, page: &Page, lease: &LeaseEpoch) -> Result<(), SinkError> {
        let mut seen = Vec::new();
        for observed in &page.observations {
            match observed {
                Observed::Item(item) => seen.push(item_seen(item.clone())),
                Observed::ItemGone(item) => seen.push(self.gone(*item)),
                // Kept below, where people see it.
                Observed::Unreadable { .. } => {}
                // Other flows' records; the flow asked for does not bring them.
                Observed::Prices(_)
                | Observed::Stock(_)
                | Observed::Customer(_)
                | Observed::CustomerGone(_)
                | Observed::Document(_)
                | Observed::Transfer(_)
                | Observed::Return(_) => {}
            }
        }
        self.record(seen, lease).await?;
        let (database, erp) = (&self.catalog.0, &self.recorder.erp);
        Ok(unreadable::note(database, erp, Flow::Items, &page.observations).await?)
    }

    async fn compare(&self, there: HashSet<SystemId>, lease: &LeaseEpoch) -> Result<(), SinkError> {
        // The lease makes us the only writer: when our rows have reached the head, they are what is known.
        if !self
            .catalog
            .reached(self.recorder.log.head().await?)
            .await?
        {
            return Err(SinkError::Behind);
        }
        let mut gone = self.catalog.item_ids(&self.recorder.erp).await?;
        gone.retain(|item| !there.contains(item));
        if gone.is_empty() {
            return Ok(());
        }
        info!(
            count = gone.len(),
            "{} items are gone from the erp",
            gone.len()
        );
        let seen = gone.into_iter().map(|item| self.gone(item)).collect();
        self.record(seen, lease).await
    }
}

impl ItemSink {
    async fn record(&self, seen: Vec<items::Seen>, lease: &LeaseEpoch) -> Result<(), SinkError> {
        let gone = seen
            .iter()
            .filter(|seen| seen.command == Command::ObserveGone);
        let unpriced = gone.map(|seen| prices::Seen {
            item: seen.item,
            command: PriceCommand::observe_none(),
            act: seen.act.clone(),
        });
        let unpriced = unpriced.collect();
        let trace = TraceContext::begin(&self.recorder.ids);
        let _work = match seen.is_empty() {
            true => Work::untold(),
            false => Work::begin("read items of the erp", trace),
        };
        let trace = trace.to_string();
        items::record(&self.recorder, seen, lease, &trace).await?;
        Ok(prices::record(&self.recorder, unpriced, lease, &trace).await?)
    }

    fn gone(&self, item: SystemId) -> items::Seen {
        items::Seen {
            item,
            command: Command::ObserveGone,
            act: self.recorder.noticed(),
        }
    }
}

fn item_seen(item: ItemObserved) -> items::Seen {
    let act = Act {
        at: item.modified_at.0,
        by: item.modified_by.clone(),
    };
    items::Seen {
        item: item.system_id,
        command: Command::Observe(Box::new(Item::from(item))),
        act,
    }
}
