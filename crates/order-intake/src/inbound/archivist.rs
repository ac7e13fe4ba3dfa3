//! Asks the ERP for everything that became of an order, where its status feed may have forgotten some of it. One process at a time,
//! by lease; woken by the rows, and looking now and then all the same. What the ERP answers is taken like the feed's own entries, so
//! that what is known already changes nothing.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::SignedDuration;
use millrace_erp::{Erp, ErpError};
use millrace_erp_poster::{Errand, Errands};
use millrace_erp_reader::SinkError;
use millrace_event_store::{
    Database, EventLog, Held, LeaseEpoch, Post, StoreError, load_cursor, while_holding,
};
use millrace_service_kit::health::{Component, chain};
use millrace_service_kit::metrics::Gauge;
use millrace_service_kit::retry::Backoff;
use millrace_service_kit::trace::{TraceContext, Work};
use millrace_service_kit::{Clock, Ids, Shutdown};
use thiserror::Error;
use tokio::sync::Notify;
use tracing::{Instrument, error, warn};

use super::documents::Documents;
use crate::domain::Phase;
use crate::orders::Actor;

/// A look without having been woken: another process may follow the feed.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Orders in hand at once; the ERP takes five requests of one caller.
const AT_ONCE: usize = 2;
const TOGETHER: usize = 64;
/// What cannot be done for a reason of its own is tried again after so long.
const OWN_PAUSE: SignedDuration = SignedDuration::from_mins(5);
/// An ERP that cannot tell may learn to.
const UNABLE_PAUSE: SignedDuration = SignedDuration::from_hours(1);
/// While the ERP does not answer, each waits twice as long as before, up to two to this power of seconds.
const LONGEST_DOUBLED: u32 = 5;

pub struct Archivist {
    pub erp: Arc<dyn Erp>,
    pub documents: Arc<Documents>,
    pub work: Errands,
    /// The flow whose reader asks: its lease and cursor.
    pub flow: String,
    pub database: Database,
    pub log: Arc<dyn EventLog>,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
    pub wake: Arc<Notify>,
    pub component: Component,
    /// Orders still to be asked for.
    pub waiting: Gauge,
    /// This process, unique among all that may ask for the lease.
    pub holder: String,
    pub takeover_after: Duration,
}

#[derive(Debug, Error)]
enum AskError {
    #[error(transparent)]
    Erp(#[from] ErpError),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Archivist {
    /// Until shutdown; a broken world is tried again.
    ///
    /// # Errors
    /// The log was closed.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), StoreError> {
        let post = Post {
            lease: format!("{}/asked", self.flow),
            holder: self.holder.clone(),
            ttl: self.takeover_after,
        };
        let archivist = &self;
        let standing_by = || archivist.component.ready();
        let work =
            |held: Held, stop: Shutdown| async move { archivist.ask(&held.lease, &stop).await };
        while_holding(&self.log, &post, &shutdown, standing_by, work).await
    }

    async fn ask(&self, lease: &LeaseEpoch, stop: &Shutdown) {
        let mut backoff = Backoff::neighbour(self.ids.clone());
        while !stop.is_cancelled() {
            let pause = match self.look(lease, stop, &backoff).await {
                Ok(more) => {
                    self.component.ready();
                    backoff.succeeded();
                    if more { Duration::ZERO } else { LOOK_EVERY }
                }
                Err(AskError::Sink(SinkError::Superseded)) => return,
                Err(error) => self.trouble(&error).max(backoff.next_delay()),
            };
            let failing = backoff.tries() > 0;
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.notified(), if !failing => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Shows what is wrong, logs it when it is news, and answers how long the ERP asks us to wait.
    fn trouble(&self, error: &AskError) -> Duration {
        let cause = error as &dyn std::error::Error;
        if self.component.trouble(chain(cause)) {
            error!(
                error = cause,
                "what became of orders cannot be asked of the erp, trying again"
            );
        }
        match error {
            AskError::Erp(ErpError::Away { retry_after, .. }) => retry_after.unwrap_or_default(),
            AskError::Erp(_) | AskError::Sink(_) | AskError::Store(_) => Duration::ZERO,
        }
    }

    /// Asks for what is due; whether there is more. `Err`: nothing of it could be done, and the world is to blame.
    async fn look(
        &self,
        lease: &LeaseEpoch,
        stop: &Shutdown,
        backoff: &Backoff,
    ) -> Result<bool, AskError> {
        let due = self.work.due(self.clock.now(), TOGETHER).await?;
        self.waiting.set(self.work.left().await?);
        if due.is_empty() || !self.feed_has_begun().await? {
            return Ok(false);
        }
        let more = due.len() == TOGETHER;
        let looks = stream::iter(due).take_until(stop.cancelled());
        let looks = looks.map(|due| self.settle(due, lease));
        let mut looks = pin!(looks.buffer_unordered(AT_ONCE));
        let (mut settled, mut broken) = (0, None);
        while let Some(look) = looks.next().await {
            match look {
                Ok(()) => settled += 1,
                Err(AskError::Erp(ErpError::Unsupported(what))) => {
                    self.cannot(what).await?;
                    return Ok(false);
                }
                Err(error @ AskError::Sink(SinkError::Superseded)) => return Err(error),
                Err(error) => broken = Some(error),
            }
        }
        self.waiting.set(self.work.left().await?);
        match broken {
            Some(error) if settled == 0 || backoff.tries() > 0 => Err(error),
            Some(_) | None => Ok(more),
        }
    }

    /// What is asked for before the feed's new place is settled may miss what the feed will not tell either.
    async fn feed_has_begun(&self) -> Result<bool, StoreError> {
        let place = load_cursor(&self.database, &self.flow).await?;
        Ok(place.is_some_and(|place| !place.is_empty()))
    }

    async fn cannot(&self, what: &str) -> Result<(), StoreError> {
        warn!(
            "the erp cannot {what}: what its feed has forgotten of orders stays unknown until it can"
        );
        let now = self.clock.now();
        self.work.put_all_off(now, later(now, UNABLE_PAUSE)).await
    }

    /// What cannot be done is put off, so that the others come. `Err`: the world is broken, perhaps for all of them.
    async fn settle(&self, due: Errand, lease: &LeaseEpoch) -> Result<(), AskError> {
        let (error, is_the_worlds) = match self.ask_for(&due, lease).await {
            Ok(()) => return Ok(self.work.done(&due).await?),
            Err(AskError::Erp(
                error @ (ErpError::Away { .. } | ErpError::Unknown | ErpError::Denied(_)),
            )) => (AskError::Erp(error), true),
            Err(error @ AskError::Erp(ErpError::Unsupported(_))) => return Err(error),
            Err(error @ AskError::Sink(SinkError::Superseded)) => return Err(error),
            Err(
                error @ (AskError::Erp(_)
                | AskError::Sink(SinkError::Behind | SinkError::Failed(_))
                | AskError::Sink(SinkError::Store(StoreError::Corrupt { .. }))
                | AskError::Store(StoreError::Corrupt { .. })),
            ) => (error, false),
            Err(error @ (AskError::Sink(SinkError::Store(_)) | AskError::Store(_))) => {
                return Err(error);
            }
        };
        let pause = if is_the_worlds {
            SignedDuration::from_secs(1 << due.attempts.min(LONGEST_DOUBLED))
        } else {
            error!(
                stream = due.stream,
                error = &error as &dyn std::error::Error,
                "what became of an order cannot be taken from the erp, trying again later"
            );
            OWN_PAUSE
        };
        let until = later(self.clock.now(), pause);
        self.work.put_off(&due, until).await?;
        if is_the_worlds { Err(error) } else { Ok(()) }
    }

    async fn ask_for(&self, due: &Errand, lease: &LeaseEpoch) -> Result<(), AskError> {
        let loaded = self.documents.orders.load(&due.stream).await?;
        let Some(loaded) = loaded.filter(|loaded| loaded.taken.order.erp == *self.erp.code())
        else {
            return Ok(());
        };
        let order = &loaded.taken.order;
        let documents = self.erp.documents_of(&order.channel, &order.number);
        let documents = documents.await?;
        if documents.is_empty() && loaded.taken.phase == Phase::Posted {
            warn!(
                stream = due.stream,
                "the erp no longer has an order that was posted: was it restored?"
            );
        }
        let trace = TraceContext::begin(&self.ids);
        let _work = Work::begin("ask the erp for documents", trace);
        let actor = Actor {
            traceparent: Some(trace.to_string()),
            lease: Some(lease.clone()),
            ..Actor::service()
        };
        let stream = due.stream.clone();
        let recorded = self.documents.record(stream, documents, &actor);
        Ok(recorded.instrument(trace.span()).await?)
    }
}

fn later(now: jiff::Timestamp, pause: SignedDuration) -> jiff::Timestamp {
    now.saturating_add(pause).unwrap_or(now)
}
