//! Reads what became of our orders in the ERP: one process at a time, woken by hints. What a page means is appended before
//! the cursor moves; read again, it changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use millrace_erp::document::DocumentObserved;
use millrace_erp::{Cursor, Erp, ErpError, Flow, Observed, Page};
use millrace_event_store::{Database, Held, LeaseEpoch, StoreError, load_cursor, save_cursor};
use millrace_service_kit::health::Component;
use millrace_service_kit::metrics::Counter;
use millrace_service_kit::retry::Backoff;
use millrace_service_kit::trace::TraceContext;
use millrace_service_kit::{Clock, Ids, Shutdown};
use thiserror::Error;
use tracing::{debug, error, info, warn};

use crate::domain;
use crate::orders::{Actor, OrderError, Orders};
use crate::wire;

/// Orders brought up to date at once.
const AT_ONCE: usize = 16;
const TRIES: usize = 8;

#[derive(Debug, Error)]
enum StepError {
    #[error(transparent)]
    Erp(#[from] ErpError),
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub struct Documents {
    pub erp: Arc<dyn Erp>,
    pub orders: Orders,
    pub database: Database,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
    pub component: Component,
    /// Documents of orders nobody here took.
    pub foreign: Counter,
}

impl Documents {
    /// Of the lease and of the cursor.
    #[must_use]
    pub fn name(&self) -> String {
        format!("documents/{}", self.erp.code())
    }

    /// Another process reads.
    pub fn stand_by(&self) {
        self.component.ready();
    }

    /// Reads until the lease is lost or shutdown is asked.
    pub async fn follow(&self, held: &Held, stop: &Shutdown) {
        let mut hints = self.erp.hints(Flow::Documents);
        let mut backoff = Backoff::neighbour(self.ids.clone());
        let mut hinting = true;
        while !stop.is_cancelled() {
            // Before reading: a hint that comes meanwhile is a reason to read once more.
            hints.borrow_and_update();
            let pause = match self.step(&held.lease).await {
                Ok(more) => {
                    if backoff.tries() > 0 {
                        info!("reading documents of {} goes on", self.erp.code());
                    }
                    backoff.succeeded();
                    self.component.ready();
                    if more {
                        continue;
                    }
                    self.erp.poll_interval()
                }
                Err(StepError::Order(OrderError::Superseded)) => return,
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

    /// Shows what is wrong, logs it when it is news, and answers how long the ERP asks us to wait.
    fn trouble(&self, error: &StepError) -> Duration {
        let cause = error as &dyn std::error::Error;
        if self.component.trouble(error.to_string()) {
            error!(erp = %self.erp.code(), error = cause, "documents of {} cannot be read, trying again", self.erp.code());
        }
        match error {
            StepError::Erp(ErpError::Away { retry_after, .. }) => retry_after.unwrap_or_default(),
            StepError::Erp(_) | StepError::Order(_) | StepError::Store(_) => Duration::ZERO,
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
        let page = match self.erp.read(Flow::Documents, cursor.as_ref()).await {
            Err(ErpError::ResyncNeeded { reason }) => {
                warn!(erp = %self.erp.code(), reason, "the erp asks for a full read of its documents");
                self.keep(&name, "", &[]).await?;
                return Ok(true);
            }
            read => read?,
        };
        let Page {
            observations,
            next,
            more,
            ..
        } = page;
        let unreadable = self.take(observations, lease).await?;
        if cursor.as_ref() != Some(&next) || !unreadable.is_empty() {
            self.keep(&name, &next.0, &unreadable).await?;
        }
        Ok(more)
    }

    /// Appends what the observations change; answers those that cannot be read.
    async fn take(
        &self,
        observations: Vec<Observed>,
        lease: &LeaseEpoch,
    ) -> Result<Vec<(String, String)>, StepError> {
        let mut by_order: BTreeMap<String, Vec<DocumentObserved>> = BTreeMap::new();
        let mut unreadable = Vec::new();
        for observed in observations {
            match observed {
                Observed::Document(document) => {
                    let stream = domain::stream(&document.channel, &document.order_number);
                    by_order.entry(stream).or_default().push(document);
                }
                Observed::Unreadable {
                    entity,
                    system_id,
                    reason,
                } => {
                    let id = system_id.map(|id| id.to_string()).unwrap_or_default();
                    unreadable.push((format!("{entity}/{id}"), reason));
                }
                // Other flows' records; this flow does not bring them.
                Observed::Item(_)
                | Observed::ItemGone(_)
                | Observed::Prices(_)
                | Observed::Stock(_)
                | Observed::Customer(_)
                | Observed::CustomerGone(_) => {}
            }
        }
        if by_order.is_empty() {
            return Ok(unreadable);
        }
        let actor = Actor {
            traceparent: Some(TraceContext::begin(&self.ids).to_string()),
            lease: Some(lease.clone()),
            ..Actor::service()
        };
        stream::iter(by_order)
            .map(|(stream, documents)| self.record(stream, documents, &actor))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(unreadable)
    }

    /// Documents of one order, in the ERP's order.
    async fn record(
        &self,
        stream: String,
        documents: Vec<DocumentObserved>,
        actor: &Actor,
    ) -> Result<(), StepError> {
        for document in documents {
            self.record_one(&stream, document, actor).await?;
        }
        Ok(())
    }

    async fn record_one(
        &self,
        stream: &str,
        document: DocumentObserved,
        actor: &Actor,
    ) -> Result<(), StepError> {
        for _ in 0..TRIES {
            let loaded = self.orders.load(stream).await?;
            let Some(loaded) = loaded.filter(|loaded| loaded.taken.order.erp == *self.erp.code())
            else {
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
                Err(error) => return Err(error.into()),
            }
        }
        Err(OrderError::Conflict.into())
    }

    async fn keep(
        &self,
        name: &str,
        cursor: &str,
        unreadable: &[(String, String)],
    ) -> Result<(), StoreError> {
        let mut tx = self.database.begin().await?;
        for (id, reason) in unreadable {
            warn!(record = id, reason, "a document of the erp cannot be read");
            sqlx::query(include_str!("../read_model/sql/note_unreadable.sql"))
                .bind(id)
                .bind(self.erp.code().as_str())
                .bind(reason)
                .bind(self.clock.now().as_microsecond())
                .execute(&mut *tx)
                .await?;
        }
        save_cursor(&mut tx, name, cursor).await?;
        tx.commit().await
    }
}
