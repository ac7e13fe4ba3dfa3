//! Follows one flow of the ERP for as long as this process holds the lease: the full set first, then changes, woken by hints,
//! and now and then a comparison that finds deletions nobody told of. What a page means is the service's business
//! ([`Sink`]); that it is written before the cursor moves, so that a crash repeats and never skips, is settled here.
//! Owns no table: the cursor stands in event-store's.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use millrace_erp::{Cursor, Erp, ErpError, Flow, Page};
use millrace_event_store::{
    Database, EventLog, Held, LeaseEpoch, Post, StoreError, load_cursor, save_cursor, while_holding,
};
use millrace_service_kit::health::{Component, chain};
use millrace_service_kit::retry::Backoff;
use millrace_service_kit::{Clock, Ids, Shutdown};
use millrace_values::SystemId;
use thiserror::Error;
use tracing::{error, info, warn};

/// What a service makes of what it sees. Every write names the lease, so that a reader that was replaced is refused.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Writes what the observations change. Repeats come; nothing changed is nothing written.
    async fn take(&self, page: &Page, lease: &LeaseEpoch) -> Result<(), SinkError>;

    /// `there` is everything the ERP has now: what is known here and not there is gone. Called after a full read and then as often as
    /// [`Reader::compare_every`] says.
    async fn compare(&self, there: HashSet<SystemId>, lease: &LeaseEpoch) -> Result<(), SinkError>;
}

#[derive(Debug, Error)]
pub enum SinkError {
    /// Another process does this work now.
    #[error("another process reads from the erp now")]
    Superseded,
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The page cannot be written as it is; tried again.
    #[error("a page of the erp cannot be written")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[derive(Debug, Error)]
enum StepError {
    #[error(transparent)]
    Erp(#[from] ErpError),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One flow and everything needed to follow it.
#[derive(Clone)]
pub struct Reader {
    pub flow: Flow,
    /// Lease and cursor: `customers/bc-main`.
    pub name: String,
    /// This process, unique among all that may ask for the lease.
    pub holder: String,
    pub erp: Arc<dyn Erp>,
    pub database: Database,
    pub log: Arc<dyn EventLog>,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
    pub component: Component,
    /// How long another process waits before it takes over.
    pub takeover_after: Duration,
    /// `None`: the flow has no [`Erp::system_ids`].
    pub compare_every: Option<Duration>,
}

impl Reader {
    /// Runs until shutdown; retries a broken world by itself.
    ///
    /// # Errors
    /// The log was closed.
    pub async fn follow(self, sink: Arc<dyn Sink>, shutdown: Shutdown) -> Result<(), StoreError> {
        let post = Post {
            lease: self.name.clone(),
            holder: self.holder.clone(),
            ttl: self.takeover_after,
        };
        let reader = &self;
        let sink = &sink;
        // Who stands by is ready to serve: somebody else reads.
        let standing_by = || reader.component.ready();
        let work =
            |held: Held, stop: Shutdown| async move { reader.read(&**sink, &held, &stop).await };
        while_holding(&self.log, &post, &shutdown, standing_by, work).await
    }

    async fn read(&self, sink: &dyn Sink, held: &Held, stop: &Shutdown) {
        let mut hints = self.erp.hints(self.flow);
        let mut backoff = Backoff::neighbour(self.ids.clone());
        let mut hinting = true;
        while !stop.is_cancelled() {
            // Before reading: a hint that comes meanwhile is a reason to read once more.
            hints.borrow_and_update();
            let pause = match self.step(sink, &held.lease).await {
                Ok(more) => {
                    if backoff.tries() > 0 {
                        info!(
                            flow = self.name,
                            "reading {} from the erp goes on", self.name
                        );
                        backoff.succeeded();
                    }
                    if more {
                        continue;
                    }
                    self.component.ready();
                    self.erp.poll_interval()
                }
                Err(StepError::Sink(SinkError::Superseded)) => return,
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
        if self.component.trouble(chain(cause)) {
            error!(
                flow = self.name,
                error = cause,
                "{} cannot be read from the erp, trying again",
                self.name
            );
        }
        match error {
            StepError::Erp(ErpError::Away { retry_after, .. }) => retry_after.unwrap_or_default(),
            StepError::Erp(_) | StepError::Sink(_) | StepError::Store(_) => Duration::ZERO,
        }
    }

    /// One page; `true`: more is waiting.
    async fn step(&self, sink: &dyn Sink, lease: &LeaseEpoch) -> Result<bool, StepError> {
        // An empty text stands for none: the flow starts again.
        let cursor = load_cursor(&self.database, &self.name)
            .await?
            .filter(|text| !text.is_empty())
            .map(Cursor);
        let page = match self.erp.read(self.flow, cursor.as_ref()).await {
            Err(ErpError::ResyncNeeded { reason }) => {
                warn!(
                    flow = self.name,
                    reason, "the erp asks for a full read of {}", self.name
                );
                self.save(&self.name, "").await?;
                return Ok(true);
            }
            read => read?,
        };
        if !page.observations.is_empty() {
            sink.take(&page, lease).await?;
        }
        if page.snapshot_complete {
            self.compare(sink, lease).await?;
        }
        if cursor.as_ref() != Some(&page.next) {
            self.save(&self.name, &page.next.0).await?;
        }
        if !page.more && !page.snapshot && self.comparison_is_due().await? {
            self.compare(sink, lease).await?;
        }
        Ok(page.more)
    }

    async fn compare(&self, sink: &dyn Sink, lease: &LeaseEpoch) -> Result<(), StepError> {
        if self.compare_every.is_none() {
            return Ok(());
        }
        let there = self.erp.system_ids(self.flow).await?.into_iter().collect();
        sink.compare(there, lease).await?;
        Ok(self
            .save(&self.compared(), &self.clock.now().to_string())
            .await?)
    }

    async fn comparison_is_due(&self) -> Result<bool, StoreError> {
        let Some(every) = self.compare_every else {
            return Ok(false);
        };
        let last = load_cursor(&self.database, &self.compared()).await?;
        let Some(last) = last.and_then(|text| text.parse::<Timestamp>().ok()) else {
            return Ok(true);
        };
        let age = self.clock.now().duration_since(last);
        Ok(age >= SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX))
    }

    fn compared(&self) -> String {
        format!("{}/compared", self.name)
    }

    async fn save(&self, name: &str, cursor: &str) -> Result<(), StoreError> {
        let mut tx = self.database.begin().await?;
        save_cursor(&mut tx, name, cursor).await?;
        tx.commit().await
    }
}
