//! Follows one flow of the ERP for as long as this process holds the lease: the full set first, then changes, woken by hints,
//! and now and then a comparison that finds deletions nobody told of. What a page means is the service's business
//! ([`Sink`]); that it is written before the cursor moves, so that a crash repeats and never skips, is settled here.
//! Owns no table: the cursor stands in event-store's. While the lease is held it is in memory, so that nothing stands between a
//! hint and the look it asks for, and it is written only when that spares a later reader work.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use millrace_erp::{Cursor, Erp, ErpError, Flow, Page};
use millrace_event_store::{
    Database, EventLog, Held, LeaseEpoch, Post, StoreError, load_cursor, projected_up_to,
    save_cursor, still_held, while_holding,
};
use millrace_service_kit::health::{Component, chain};
use millrace_service_kit::retry::Backoff;
use millrace_service_kit::{Clock, Ids, Shutdown};
use millrace_values::SystemId;
use thiserror::Error;
use tracing::{error, info, warn};

/// How long the cursor may stand still in the database between two full reads. Whoever reads a window again compares it with what he
/// knows and finds nothing new; writing the cursor with each would cost more than that ever does.
const WRITE_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// Between two looks whether the flow that goes first has been read.
const LOOK_FOR_OTHER: Duration = Duration::from_millis(100);

/// What a service makes of what it sees. Every write names the lease, so that a reader that was replaced is refused.
#[async_trait]
pub trait Sink: Send + Sync {
    /// A flow of this database ([`Reader::name`]) that must have been read in full once before this one begins.
    fn goes_after(&self) -> Option<String> {
        None
    }

    /// A full read begins, or begins again: what was noted of one before is void.
    async fn begin_full_read(&self, _lease: &LeaseEpoch) -> Result<(), SinkError> {
        Ok(())
    }

    /// Writes what the observations change. Repeats come; nothing changed is nothing written.
    async fn take(&self, page: &Page, lease: &LeaseEpoch) -> Result<(), SinkError>;

    /// Everything the ERP has was shown since [`Sink::begin_full_read`]: for a sink that finds by itself what is gone. Repeats come.
    async fn end_full_read(&self, _lease: &LeaseEpoch) -> Result<(), SinkError> {
        Ok(())
    }

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
    /// What is known cannot be compared before the rows show it; tried again.
    #[error("the read model is behind the log")]
    Behind,
    /// The page cannot be written as it is; tried again.
    #[error("a page of the erp cannot be written")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Until the rows of `projection` show what the log held when this was asked: what is looked for among them is not passed by because
/// they lag.
///
/// # Errors
/// [`SinkError::Behind`] after `patience`, or the database is away.
pub async fn caught_up(
    database: &Database,
    log: &Arc<dyn EventLog>,
    projection: &str,
    patience: Duration,
) -> Result<(), SinkError> {
    let head = log.head().await?;
    if projected_up_to(database, projection, head, patience).await? {
        return Ok(());
    }
    Err(SinkError::Behind)
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

/// Where the reader stands while it holds the lease: nobody else moves it.
struct Place {
    /// `None`: a full read comes next.
    cursor: Option<Cursor>,
    /// The database holds an older cursor.
    unwritten: bool,
    written_at: Timestamp,
    /// The page before belonged to a full read.
    snapshot: bool,
    /// End of the last comparison; `None` until a full read has ended.
    compared: Option<Timestamp>,
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
        if let Some(other) = sink.goes_after()
            && !self.read_once(&other, stop).await
        {
            return;
        }
        let mut hints = self.erp.hints(self.flow);
        let mut backoff = Backoff::neighbour(self.ids.clone());
        let mut hinting = true;
        let mut place = None;
        while !stop.is_cancelled() {
            // Before reading: a hint that comes meanwhile is a reason to read once more.
            hints.borrow_and_update();
            let pause = match self.look(sink, &held.lease, &mut place).await {
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

    /// Waits until the flow `other` has been read in full once. `false`: asked to stop.
    async fn read_once(&self, other: &str, stop: &Shutdown) -> bool {
        loop {
            match load_cursor(&self.database, &compared(other)).await {
                Ok(Some(_)) => return true,
                Ok(None) => {
                    self.component
                        .trouble(format!("waits for the first full read of {other}"));
                }
                Err(error) => {
                    self.trouble(&error.into());
                }
            }
            tokio::select! {
                () = stop.cancelled() => return false,
                () = tokio::time::sleep(LOOK_FOR_OTHER) => {}
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
    async fn look(
        &self,
        sink: &dyn Sink,
        lease: &LeaseEpoch,
        place: &mut Option<Place>,
    ) -> Result<bool, StepError> {
        match place {
            Some(place) => self.step(sink, lease, place).await,
            None => {
                let place = place.insert(self.load().await?);
                if place.compared.is_some() {
                    // A full set that was read once can be served, also while the ERP is away.
                    self.component.ready();
                }
                self.step(sink, lease, place).await
            }
        }
    }

    async fn load(&self) -> Result<Place, StoreError> {
        let cursor = load_cursor(&self.database, &self.name).await?;
        let compared = load_cursor(&self.database, &compared(&self.name)).await?;
        Ok(Place {
            // An empty text stands for none: the flow starts again.
            cursor: cursor.filter(|text| !text.is_empty()).map(Cursor),
            unwritten: false,
            written_at: self.clock.now(),
            snapshot: false,
            // A time that cannot be read is long ago.
            compared: compared.map(|text| text.parse().unwrap_or(Timestamp::MIN)),
        })
    }

    async fn step(
        &self,
        sink: &dyn Sink,
        lease: &LeaseEpoch,
        place: &mut Place,
    ) -> Result<bool, StepError> {
        if place.cursor.is_none() {
            sink.begin_full_read(lease).await?;
        }
        let page = match self.erp.read(self.flow, place.cursor.as_ref()).await {
            // Asked for from the start already, it is a trouble like any other.
            Err(ErpError::ResyncNeeded { reason }) if place.cursor.is_some() => {
                warn!(
                    flow = self.name,
                    reason, "the erp asks for a full read of {}", self.name
                );
                self.write(&self.name, "", lease).await?;
                place.cursor = None;
                place.unwritten = false;
                return Ok(true);
            }
            read => read?,
        };
        if !page.observations.is_empty() {
            sink.take(&page, lease).await?;
        }
        if page.snapshot_complete {
            sink.end_full_read(lease).await?;
            self.compare(sink, lease, place).await?;
        }
        self.move_on(&page, lease, place).await?;
        if !page.more && !page.snapshot && self.comparison_is_due(place) {
            self.compare(sink, lease, place).await?;
        }
        Ok(page.more)
    }

    /// What the page meant is written: the cursor may pass it.
    async fn move_on(
        &self,
        page: &Page,
        lease: &LeaseEpoch,
        place: &mut Place,
    ) -> Result<(), SinkError> {
        let unwritten = place.unwritten || place.cursor.as_ref() != Some(&page.next);
        let now = self.clock.now();
        let worth_it = place.cursor.is_none()
            || page.snapshot
            || place.snapshot
            || now.duration_since(place.written_at) >= WRITE_EVERY;
        if unwritten && worth_it {
            self.write(&self.name, &page.next.0, lease).await?;
            place.written_at = now;
        }
        place.unwritten = unwritten && !worth_it;
        place.cursor = Some(page.next.clone());
        place.snapshot = page.snapshot;
        Ok(())
    }

    async fn compare(
        &self,
        sink: &dyn Sink,
        lease: &LeaseEpoch,
        place: &mut Place,
    ) -> Result<(), StepError> {
        if self.compare_every.is_some() {
            let there = self.erp.system_ids(self.flow).await?.into_iter().collect();
            sink.compare(there, lease).await?;
        }
        let now = self.clock.now();
        self.write(&compared(&self.name), &now.to_string(), lease)
            .await?;
        place.compared = Some(now);
        Ok(())
    }

    fn comparison_is_due(&self, place: &Place) -> bool {
        let Some(every) = self.compare_every else {
            return false;
        };
        let Some(last) = place.compared else {
            return true;
        };
        let age = self.clock.now().duration_since(last);
        age >= SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX)
    }

    async fn write(&self, name: &str, cursor: &str, lease: &LeaseEpoch) -> Result<(), SinkError> {
        let mut tx = self.database.begin_derived().await?;
        // Who was replaced and wakes up late would end his successor's full read with his own cursor.
        if !still_held(&mut tx, lease).await? {
            return Err(SinkError::Superseded);
        }
        save_cursor(&mut tx, name, cursor).await?;
        Ok(tx.commit().await?)
    }
}

/// The cursor that says when the flow `name` was compared last; it is not there before the first full read has ended.
fn compared(name: &str) -> String {
    format!("{name}/compared")
}
