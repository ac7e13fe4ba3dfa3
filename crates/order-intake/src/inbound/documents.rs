//! What became of our orders in the ERP. Read by one process at a time (`erp-reader`); read again, it changes nothing.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use millrace_erp::document::DocumentObserved;
use millrace_erp::{Flow, Observed, Page};
use millrace_erp_poster::Errands;
use millrace_erp_reader::{Sink, SinkError, caught_up};
use millrace_event_store::{Database, EventLog, LeaseEpoch};
use millrace_operations::unreadable;
use millrace_service_kit::metrics::Counter;
use millrace_service_kit::trace::{self, TraceContext};
use millrace_service_kit::{Clock, Ids};
use millrace_values::{ErpCode, SystemId};
use tokio::sync::Notify;
use tracing::{Instrument, debug};

use crate::domain;
use crate::orders::{Actor, OrderError, Orders};
use crate::read_model::{NAME, ask_for_documents};
use crate::wire;

/// Orders brought up to date at once.
const AT_ONCE: usize = 16;
const TRIES: usize = 8;
/// How long the rows may lag behind the log before the feed is asked again.
const PATIENCE: Duration = Duration::from_secs(1);

pub struct Documents {
    pub erp: ErpCode,
    pub orders: Orders,
    pub work: Errands,
    pub database: Database,
    pub log: Arc<dyn EventLog>,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
    /// Documents are to be asked for.
    pub wake: Arc<Notify>,
    /// Documents of orders nobody here took.
    pub foreign: Counter,
}

#[async_trait]
impl Sink for Documents {
    /// Where the feed begins anew something may be missing from it: what became of orders is asked of the documents themselves. No
    /// lease is named: to be asked once more changes nothing.
    async fn begin_full_read(&self, _: &LeaseEpoch) -> Result<(), SinkError> {
        caught_up(&self.database, &self.log, NAME, PATIENCE).await?;
        ask_for_documents(&self.work, self.clock.now()).await?;
        self.wake.notify_one();
        Ok(())
    }

    async fn take(&self, page: &Page, lease: &LeaseEpoch) -> Result<(), SinkError> {
        let mut by_order: BTreeMap<String, Vec<DocumentObserved>> = BTreeMap::new();
        for observed in &page.observations {
            match observed {
                Observed::Document(document) => {
                    let stream = domain::stream(&document.channel, &document.order_number);
                    by_order.entry(stream).or_default().push(document.clone());
                }
                // Kept below, where people see it.
                Observed::Unreadable { .. } => {}
                // Other flows' records; this flow does not bring them.
                Observed::Item(_)
                | Observed::ItemGone(_)
                | Observed::Prices(_)
                | Observed::Stock(_)
                | Observed::Customer(_)
                | Observed::CustomerGone(_)
                | Observed::Transfer(_)
                | Observed::Return(_) => {}
            }
        }
        let trace = TraceContext::begin(&self.ids);
        let _work = match page.observations.is_empty() {
            true => trace::Work::untold(),
            false => trace::Work::begin("read documents of the erp", trace),
        };
        let actor = Actor {
            traceparent: Some(trace.to_string()),
            lease: Some(lease.clone()),
            ..Actor::service()
        };
        let records = by_order
            .into_iter()
            .map(|(stream, documents)| self.record(stream, documents, &actor));
        stream::iter(records)
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .instrument(trace.span())
            .await?;
        let (database, seen) = (&self.database, &page.observations);
        Ok(unreadable::note(database, &self.erp, Flow::Documents, seen).await?)
    }

    /// Documents do not go away.
    async fn compare(&self, _: HashSet<SystemId>, _: &LeaseEpoch) -> Result<(), SinkError> {
        Ok(())
    }
}

impl Documents {
    /// Documents of one order, in the ERP's order.
    pub(super) async fn record(
        &self,
        stream: String,
        documents: Vec<DocumentObserved>,
        actor: &Actor,
    ) -> Result<(), SinkError> {
        for document in documents {
            self.record_one(&stream, &document, actor).await?;
        }
        Ok(())
    }

    async fn record_one(
        &self,
        stream: &str,
        document: &DocumentObserved,
        actor: &Actor,
    ) -> Result<(), SinkError> {
        for _ in 0..TRIES {
            let loaded = self.orders.load(stream).await?;
            let Some(loaded) = loaded.filter(|loaded| loaded.taken.order.erp == self.erp) else {
                self.foreign.inc();
                debug!(
                    stream,
                    "a document of an order that was not taken here is left alone"
                );
                return Ok(());
            };
            let command = wire::observed(document.clone());
            match self.orders.carry_out(loaded, command, actor).await {
                Ok(_) => return Ok(()),
                Err(OrderError::Conflict) => {}
                Err(OrderError::Superseded) => return Err(SinkError::Superseded),
                Err(OrderError::Store(error)) => return Err(error.into()),
                Err(error) => return Err(SinkError::Failed(error.into())),
            }
        }
        Err(SinkError::Failed(OrderError::Conflict.into()))
    }
}

#[cfg(test)]
mod tests {
    use millrace_erp::Cursor;
    use millrace_event_store::DatabaseSettings;
    use millrace_service_kit::SystemClock;

    use super::*;

    #[tokio::test]
    async fn a_document_that_cannot_be_read_is_kept() {
        let settings = DatabaseSettings::new("sqlite::memory:", "order-intake");
        let database = Database::open(&settings, Arc::new(SystemClock), Ids::random())
            .await
            .unwrap();
        let owners = [millrace_operations::migrations(), &crate::MIGRATIONS];
        database.migrate(&owners).await.unwrap();
        let log = database.log().await.unwrap();
        let documents = Documents {
            erp: ErpCode::parse("bc-main").unwrap(),
            orders: Orders::new(log.clone(), Arc::new(SystemClock), Ids::random()),
            work: Errands::new(
                database.clone(),
                Ids::random(),
                crate::read_model::DOCUMENT_WORK,
            ),
            database: database.clone(),
            log,
            clock: Arc::new(SystemClock),
            ids: Ids::random(),
            wake: Arc::default(),
            foreign: Counter::default(),
        };
        let id = "5d115c9c-44e3-ea11-bb43-000d3a2feca1";
        let page = Page {
            observations: vec![Observed::Unreadable {
                entity: "document",
                system_id: Some(SystemId::parse(id).unwrap()),
                reason: "its quantity is no number".into(),
            }],
            next: Cursor("1".into()),
            more: false,
            snapshot: false,
            snapshot_complete: false,
        };
        let lease = LeaseEpoch {
            name: "documents/bc-main".into(),
            epoch: 1,
        };
        documents.take(&page, &lease).await.unwrap();
        let kept: Vec<(String, String)> =
            sqlx::query_as("SELECT system_id, reason FROM erp_unreadable WHERE flow = 'documents'")
                .fetch_all(database.pool())
                .await
                .unwrap();
        assert_eq!(
            kept,
            [(id.to_owned(), "its quantity is no number".to_owned())]
        );
    }
}
