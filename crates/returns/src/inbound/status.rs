//! What became of our returns in the ERP. Read by one process at a time (`erp-reader`); read again, it changes nothing.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use millrace_contract::returns::v1 as proto;
use millrace_erp::return_order::{ReturnObserved, ReturnState};
use millrace_erp::{Flow, Observed, Page};
use millrace_erp_poster::Work;
use millrace_erp_reader::{Sink, SinkError, caught_up};
use millrace_event_store::{Database, EventLog, LeaseEpoch, StoreError};
use millrace_operations::unreadable;
use millrace_service_kit::Ids;
use millrace_service_kit::metrics::Counter;
use millrace_service_kit::trace::{self, TraceContext};
use millrace_values::{ErpCode, SystemId};
use tokio::sync::Notify;
use tracing::{Instrument, debug, error, warn};

use crate::domain::{self, CancelReason, Command, LineStatus, Phase, Taken};
use crate::read_model::NAME;
use crate::returns::{Actor, ReturnError, Returns};
use crate::wire;

/// Returns brought up to date at once.
const AT_ONCE: usize = 16;
const TRIES: usize = 8;
/// How long the rows may lag behind the log.
const PATIENCE: Duration = Duration::from_secs(5);
/// States of returns that the ERP has, or will get.
const UNFINISHED: [i64; 3] = [
    proto::ReturnState::Accepted as i64,
    proto::ReturnState::Posted as i64,
    proto::ReturnState::Received as i64,
];

pub struct Status {
    pub erp: ErpCode,
    pub returns: Returns,
    pub database: Database,
    pub ids: Ids,
    pub log: Arc<dyn EventLog>,
    pub work: Work,
    /// Returns may have work now.
    pub wake: Arc<Notify>,
    /// Return orders nobody here asked for.
    pub foreign: Counter,
}

#[async_trait]
impl Sink for Status {
    /// Where the feed begins anew something may be missing from it, or the ERP may have been restored: it is asked for everything that
    /// has not ended.
    async fn begin_full_read(&self, _: &LeaseEpoch) -> Result<(), SinkError> {
        self.rows_are_here().await?;
        self.work.ask_all(&UNFINISHED).await?;
        self.wake.notify_one();
        Ok(())
    }

    async fn take(&self, page: &Page, lease: &LeaseEpoch) -> Result<(), SinkError> {
        let mut by_return: BTreeMap<String, Vec<ReturnObserved>> = BTreeMap::new();
        for observed in &page.observations {
            match observed {
                Observed::Return(observed) => {
                    let stream = domain::stream(&observed.key.channel, &observed.key.number);
                    by_return.entry(stream).or_default().push(observed.clone());
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
                | Observed::Document(_)
                | Observed::Transfer(_) => {}
            }
        }
        let trace = TraceContext::begin(&self.ids);
        let _work = match page.observations.is_empty() {
            true => trace::Work::untold(),
            false => trace::Work::begin("read returns of the erp", trace),
        };
        let actor = Actor {
            traceparent: Some(trace.to_string()),
            lease: Some(lease.clone()),
            ..Actor::service()
        };
        let records = by_return
            .into_iter()
            .map(|(stream, observed)| self.record(stream, observed, &actor));
        stream::iter(records)
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .instrument(trace.span())
            .await?;
        let (database, seen) = (&self.database, &page.observations);
        Ok(unreadable::note(database, &self.erp, Flow::Returns, seen).await?)
    }

    /// Returns do not go away.
    async fn compare(&self, _: HashSet<SystemId>, _: &LeaseEpoch) -> Result<(), SinkError> {
        Ok(())
    }
}

impl Status {
    /// States of one return, in the ERP's order.
    async fn record(
        &self,
        stream: String,
        observed: Vec<ReturnObserved>,
        actor: &Actor,
    ) -> Result<(), SinkError> {
        for observed in observed {
            self.record_one(&stream, &observed, actor).await?;
        }
        Ok(())
    }

    async fn record_one(
        &self,
        stream: &str,
        observed: &ReturnObserved,
        actor: &Actor,
    ) -> Result<(), SinkError> {
        for _ in 0..TRIES {
            let loaded = match self.returns.load(stream).await {
                // The others do not wait for it.
                Err(error @ StoreError::Corrupt { .. }) => {
                    let cause = &error as &dyn std::error::Error;
                    error!(stream, error = cause, "a return cannot be read");
                    return Ok(());
                }
                loaded => loaded?,
            };
            let Some(loaded) = loaded.filter(|loaded| loaded.taken.goods.erp == self.erp) else {
                self.foreign.inc();
                debug!(
                    stream,
                    "a return order that was not asked for here is left alone"
                );
                return Ok(());
            };
            if is_something_else(observed, &loaded.taken) {
                debug!(
                    stream,
                    "the erp has something else under the number of a return it was not given yet"
                );
                return Ok(());
            }
            let seen = wire::seen(observed.clone());
            if loaded.taken.is_doubled_by(&seen.document) {
                let number = &loaded.taken.goods.number;
                let document = &seen.document.number;
                warn!(return.number = %number, document, "the erp has return {number} twice, also as {document}: one is to be taken back there");
            }
            let command = Command::Observed(seen);
            match self.returns.carry_out(loaded, None, command, actor).await {
                Ok(taken) => return self.take_back(stream, &taken, observed).await,
                Err(ReturnError::Conflict) => {}
                Err(ReturnError::Superseded) => return Err(SinkError::Superseded),
                Err(ReturnError::Store(error)) => return Err(error.into()),
                Err(error) => return Err(SinkError::Failed(error.into())),
            }
        }
        Err(SinkError::Failed(ReturnError::Conflict.into()))
    }

    /// Made there by an attempt that nobody waited for, after it had ended here.
    async fn take_back(
        &self,
        stream: &str,
        taken: &Taken,
        observed: &ReturnObserved,
    ) -> Result<(), SinkError> {
        let has_ended = taken.phase == Phase::Cancelled(CancelReason::ByShop);
        if !has_ended || observed.state != ReturnState::Open {
            return Ok(());
        }
        // Rows that lag would take the wish back.
        self.rows_are_here().await?;
        let channel = taken.goods.channel.as_str();
        self.work.ask_now(channel, &[stream.to_owned()]).await?;
        self.wake.notify_one();
        Ok(())
    }

    async fn rows_are_here(&self) -> Result<(), SinkError> {
        caught_up(&self.database, &self.log, NAME, PATIENCE).await
    }
}

/// Whether what is there has other quantities than a return that the ERP was not known to have: then it is not this one's answer, and
/// whoever hands the return over finds out.
fn is_something_else(observed: &ReturnObserved, taken: &Taken) -> bool {
    let differs = |line: &LineStatus| {
        let mut seen = observed.lines.iter();
        seen.any(|seen| seen.line_number == line.number && seen.requested != line.wanted())
    };
    taken.phase == Phase::Cleared && taken.lines.iter().any(differs)
}
