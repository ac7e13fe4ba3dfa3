//! Reads the ERP's stock figures while this process joins: the full set first, then changes, woken by hints. A page's rows,
//! its marks and the cursor commit together, under the joiner's lease: who was replaced writes none of them.
//!
//! No sink of `erp-reader`, which would write the cursor after the page: where the reader stands says more than the cursor (which full
//! read it is, and what that has shown so far) and belongs to the rows. It joins under one lease with what publishes the figures, and
//! says after every look, an empty one too, up to when all is known.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use millrace_erp::{Cursor, Erp, ErpError, Flow, Observed, Page};
use millrace_event_store::{
    Cause, Database, LeaseEpoch, StoreError, Tx, load_cursor, save_cursor, still_held,
};
use millrace_operations::unreadable;
use millrace_service_kit::health::{Component, chain};
use millrace_service_kit::metrics::Counter;
use millrace_service_kit::retry::Backoff;
use millrace_service_kit::trace::{TraceContext, Work};
use millrace_service_kit::{Clock, Ids, Shutdown};
use millrace_values::{SystemId, VariantCode};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tracing::{error, info, warn};

use crate::freshness::Freshness;
use crate::read_model::figures::{self, Known};
use crate::read_model::in_flight::{self, Older};
use crate::read_model::{freshness, marks};
use crate::wake::Wake;

/// Figures forgotten in one go after a full read.
const FORGET: i64 = 2_000;
/// How long the cursor may stand still in the database while there is nothing new: reading an empty window again costs one
/// request, writing down each would cost a disk's flush.
const WRITE_EMPTY_EVERY: SignedDuration = SignedDuration::from_secs(5);

#[derive(Debug, Error)]
enum StepError {
    #[error(transparent)]
    Erp(#[from] ErpError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("another process joins figures and orders now")]
    Superseded,
}

/// Reader of one ERP's figures.
#[derive(Clone)]
pub(crate) struct FigureReader {
    pub erp: Arc<dyn Erp>,
    pub database: Database,
    pub freshness: Arc<Freshness>,
    /// How often the time of the last read is written down for other pods.
    pub note_every: Duration,
    /// For an ERP without row versions: what is older than this is in the figure.
    pub margin: Duration,
    pub wake: Arc<Wake>,
    /// The full set was read, now or by an earlier process.
    pub complete: Arc<AtomicBool>,
    pub component: Component,
    pub unreadable: Counter,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
}

/// Where the reader stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    /// `None`: a full read comes next.
    cursor: Option<Cursor>,
    /// Full reads begun.
    generation: i64,
    /// The full set was read once: what is known may be served, however old.
    #[serde(default)]
    complete: bool,
    /// The full read under way has shown figures of which nobody knows whose they are: it does not tell what is gone.
    #[serde(default)]
    nameless: bool,
}

/// Where the reader stands while this process joins: nobody else moves it.
struct Place {
    standing: Standing,
    /// The database holds an older cursor.
    unwritten: bool,
    written_at: Timestamp,
}

impl FigureReader {
    fn name(&self) -> String {
        format!("stock/{}", self.erp.code())
    }

    /// Reads until told to stop, or until another process does it.
    pub async fn run(&self, lease: &LeaseEpoch, stop: &Shutdown) {
        let mut hints = self.erp.hints(Flow::Stock);
        let mut hinting = true;
        let mut backoff = Backoff::neighbour(self.ids.clone());
        let mut noted = None;
        let mut place = None;
        while !stop.is_cancelled() {
            // Before reading: a hint that comes meanwhile is a reason to read once more.
            hints.borrow_and_update();
            let pause = match self.look(&mut place, &mut noted, lease).await {
                Ok(more) => {
                    if backoff.tries() > 0 {
                        info!(
                            flow = self.name(),
                            "reading {} from the erp goes on",
                            self.name()
                        );
                        backoff.succeeded();
                    }
                    if more {
                        continue;
                    }
                    self.component.ready();
                    self.erp.poll_interval()
                }
                // The lease says so too, a moment later.
                Err(StepError::Superseded) => return stop.cancelled().await,
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
                flow = self.name(),
                error = cause,
                "{} cannot be read from the erp, trying again",
                self.name()
            );
        }
        match error {
            StepError::Erp(ErpError::Away { retry_after, .. }) => retry_after.unwrap_or_default(),
            StepError::Erp(_) | StepError::Store(_) | StepError::Superseded => Duration::ZERO,
        }
    }

    /// One page; `true`: more is waiting.
    async fn look(
        &self,
        place: &mut Option<Place>,
        noted: &mut Option<Timestamp>,
        lease: &LeaseEpoch,
    ) -> Result<bool, StepError> {
        let place = match place {
            Some(place) => place,
            None => place.insert(self.load().await?),
        };
        self.step(place, noted, lease).await
    }

    async fn step(
        &self,
        place: &mut Place,
        noted: &mut Option<Timestamp>,
        lease: &LeaseEpoch,
    ) -> Result<bool, StepError> {
        let asked_at = self.clock.now();
        let page = match self
            .erp
            .read(Flow::Stock, place.standing.cursor.as_ref())
            .await
        {
            Err(ErpError::ResyncNeeded { reason }) => {
                warn!(
                    flow = self.name(),
                    reason,
                    "the erp asks for a full read of {}",
                    self.name()
                );
                let again = Standing {
                    cursor: None,
                    ..place.standing.clone()
                };
                let mut tx = self.database.begin_derived().await?;
                fence(&mut tx, lease).await?;
                self.save(&mut tx, &again).await?;
                tx.commit().await?;
                self.moved(place, again, true);
                return Ok(true);
            }
            read => read?,
        };
        let more = page.more;
        self.take(page, place, lease).await?;
        if place.standing.complete || !more {
            self.completed();
        }
        if !more {
            self.note(asked_at, noted).await?;
            // With row versions it is only what was fetched in stores that leaves by time.
            let which = if self.erp.capabilities().await?.change_queue {
                Older::Reservations
            } else {
                Older::All
            };
            self.mark_settled(asked_at, which, lease).await?;
        }
        Ok(more)
    }

    fn completed(&self) {
        if !self.complete.swap(true, Ordering::Relaxed) {
            self.component.ready();
            self.wake.up();
        }
    }

    async fn load(&self) -> Result<Place, StoreError> {
        let text = load_cursor(&self.database, &self.name()).await?;
        // A text this version cannot read is as good as none: the full set is read again.
        let standing: Standing = text
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        if standing.complete {
            self.completed();
        }
        Ok(Place {
            standing,
            unwritten: false,
            written_at: self.clock.now(),
        })
    }

    fn moved(&self, place: &mut Place, standing: Standing, written: bool) {
        if written {
            place.written_at = self.clock.now();
        }
        place.unwritten = !written;
        place.standing = standing;
    }

    async fn save(&self, tx: &mut Tx, standing: &Standing) -> Result<(), StoreError> {
        let text = serde_json::to_string(standing).map_err(|_| StoreError::Closed)?;
        save_cursor(tx, &self.name(), &text).await
    }

    async fn take(
        &self,
        page: Page,
        place: &mut Place,
        lease: &LeaseEpoch,
    ) -> Result<(), StepError> {
        let before = &place.standing;
        let (generation, nameless) = match before.cursor {
            None => (before.generation + 1, false),
            Some(_) => (before.generation, before.nameless),
        };
        let nameless = nameless || page.snapshot && unreadable::nameless(&page.observations);
        let standing = Standing {
            cursor: Some(page.next),
            generation,
            complete: before.complete || page.snapshot_complete || !(page.more || page.snapshot),
            nameless,
        };
        if page.observations.is_empty() && !page.snapshot_complete {
            let unwritten = place.unwritten || standing != *before;
            let same_read =
                (standing.generation, standing.complete) == (before.generation, before.complete);
            let lately = self.clock.now().duration_since(place.written_at) < WRITE_EMPTY_EVERY;
            if !unwritten || (same_read && lately) {
                self.moved(place, standing, !unwritten);
                return Ok(());
            }
        }
        let (database, erp) = (&self.database, self.erp.code());
        unreadable::note(database, erp, Flow::Stock, &page.observations).await?;
        if page.snapshot_complete {
            unreadable::full_read_ended(database, erp, Flow::Stock, nameless).await?;
        }
        let sales_orders = self.erp.capabilities().await?.stock_allocated;
        let mut seen: HashMap<SystemId, Known> = HashMap::with_capacity(page.observations.len());
        let mut unreadable_items = Vec::new();
        for observed in page.observations {
            match observed {
                Observed::Stock(stock) => {
                    let known = Known::new(stock, generation, sales_orders);
                    seen.insert(known.item, known);
                }
                // Kept above, where people see it; the figure that is known stays.
                Observed::Unreadable { system_id, .. } => {
                    self.unreadable.inc();
                    unreadable_items.extend(system_id);
                }
                // Records of other flows; this one does not bring them.
                Observed::Item(_)
                | Observed::ItemGone(_)
                | Observed::Prices(_)
                | Observed::Customer(_)
                | Observed::CustomerGone(_)
                | Observed::Document(_)
                | Observed::Transfer(_)
                | Observed::Return(_) => {}
            }
        }
        // Waits for the disk: we remember the cursor, and would go on from it when the server had forgotten these figures.
        let mut tx = self.database.begin().await?;
        fence(&mut tx, lease).await?;
        figures::still_there(&mut tx, erp, &unreadable_items, generation).await?;
        let trace = TraceContext::begin(&self.ids);
        let _work = match seen.is_empty() {
            true => Work::untold(),
            false => Work::begin("read stock of the erp", trace),
        };
        let cause = self.cause(trace);
        self.keep(&mut tx, seen, &cause).await?;
        if page.snapshot_complete && !nameless {
            self.forget_unseen(&mut tx, generation, &cause).await?;
        }
        self.save(&mut tx, &standing).await?;
        tx.commit().await?;
        self.moved(place, standing, true);
        self.wake.up();
        Ok(())
    }

    fn cause(&self, trace: TraceContext) -> Cause {
        Cause {
            correlation_id: self.ids.uuid_at(self.clock.now()),
            causation_id: None,
            traceparent: Some(trace.to_string()),
            actor: marks::ACTOR.to_owned(),
        }
    }

    /// Keeps what is newer, and marks what a reader would see differently.
    async fn keep(
        &self,
        tx: &mut Tx,
        seen: HashMap<SystemId, Known>,
        cause: &Cause,
    ) -> Result<(), StoreError> {
        if seen.is_empty() {
            return Ok(());
        }
        let erp = self.erp.code();
        let ids: Vec<SystemId> = seen.keys().copied().collect();
        let known = figures::of(tx, erp, &ids).await?;
        let newer: Vec<Known> = seen
            .into_values()
            .filter(|new| {
                known
                    .get(&new.item)
                    .is_none_or(|old| new.stamp.replaces(&old.stamp))
            })
            .collect();
        for new in newer.iter().filter(|new| {
            known
                .get(&new.item)
                .is_none_or(|old| old.number != new.number)
        }) {
            in_flight::resolve(tx, erp, &new.number, new.item).await?;
        }
        let mut marked: BTreeSet<(SystemId, Option<VariantCode>)> = BTreeSet::new();
        for new in &newer {
            match known.get(&new.item) {
                Some(old) if old.shows_the_same_as(new) => {}
                old => {
                    let variants = old
                        .into_iter()
                        .flat_map(Known::variants)
                        .chain(new.variants());
                    marked.extend(variants.map(|variant| (new.item, variant)));
                }
            }
        }
        // The same figure may contain more than before.
        let ids: HashSet<SystemId> = newer.iter().map(|new| new.item).collect();
        let ids: Vec<SystemId> = ids.into_iter().collect();
        for line in in_flight::of_items(tx, erp, &ids).await? {
            marked.extend(line.item.id.map(|id| (id, line.variant)));
        }
        figures::put(tx, erp, &newer).await?;
        marks::put(tx, erp, marked, cause).await
    }

    /// After a full read: what it did not show has no figures any more.
    async fn forget_unseen(
        &self,
        tx: &mut Tx,
        generation: i64,
        cause: &Cause,
    ) -> Result<(), StoreError> {
        let erp = self.erp.code();
        loop {
            let gone = figures::unseen(tx, erp, generation, FORGET).await?;
            if gone.is_empty() {
                return Ok(());
            }
            info!(
                flow = self.name(),
                count = gone.len(),
                "{} items have no figures in the erp any more",
                gone.len()
            );
            let known = figures::of(tx, erp, &gone).await?;
            let marked = known.values().flat_map(|known| {
                known
                    .variants()
                    .into_iter()
                    .map(|variant| (known.item, variant))
            });
            marks::put(tx, erp, marked, cause).await?;
            figures::delete(tx, erp, &gone).await?;
        }
    }

    /// Without row versions time decides, and it passes without a figure being told again.
    async fn mark_settled(
        &self,
        read_at: Timestamp,
        which: Older,
        lease: &LeaseEpoch,
    ) -> Result<(), StepError> {
        let margin = SignedDuration::try_from(self.margin).unwrap_or(SignedDuration::MAX);
        let settled = read_at.checked_sub(margin).unwrap_or(Timestamp::MIN);
        let settled = millrace_values::Timestamp(settled);
        let connection = self.database.pool().acquire().await;
        let mut connection = connection.map_err(StoreError::from)?;
        let due = in_flight::older_than(&mut connection, self.erp.code(), settled, which).await?;
        drop(connection);
        if due.is_empty() {
            return Ok(());
        }
        let mut tx = self.database.begin_derived().await?;
        fence(&mut tx, lease).await?;
        let cause = self.cause(TraceContext::begin(&self.ids));
        marks::put(&mut tx, self.erp.code(), due, &cause).await?;
        tx.commit().await?;
        self.wake.up();
        Ok(())
    }

    /// Everything the ERP had at `at` is known.
    async fn note(&self, at: Timestamp, noted: &mut Option<Timestamp>) -> Result<(), StoreError> {
        self.freshness.read(self.erp.code(), at);
        let every = SignedDuration::try_from(self.note_every).unwrap_or(SignedDuration::MAX);
        if noted.is_none_or(|noted| at.duration_since(noted) >= every) {
            freshness::put(&self.database, self.erp.code(), at).await?;
            *noted = Some(at);
        }
        Ok(())
    }
}

/// Who was replaced and wakes up late would put his own cursor, and what he read before, over what his successor has.
async fn fence(tx: &mut Tx, lease: &LeaseEpoch) -> Result<(), StepError> {
    if still_held(tx, lease).await? {
        return Ok(());
    }
    Err(StepError::Superseded)
}

#[cfg(test)]
mod tests;
