//! What became of our returns in the ERP. Read by one process at a time (`erp-reader`); read again, it changes nothing.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use millrace_erp::return_order::ReturnObserved;
use millrace_erp::{Flow, Observed, Page};
use millrace_erp_reader::{Sink, SinkError};
use millrace_event_store::{Database, LeaseEpoch};
use millrace_operations::unreadable;
use millrace_service_kit::Ids;
use millrace_service_kit::metrics::Counter;
use millrace_service_kit::trace::TraceContext;
use millrace_values::{ErpCode, SystemId};
use tracing::{Instrument, debug};

use crate::domain::{self, Command};
use crate::returns::{Actor, ReturnError, Returns};
use crate::wire;

/// Returns brought up to date at once.
const AT_ONCE: usize = 16;
const TRIES: usize = 8;

pub struct Status {
    pub erp: ErpCode,
    pub returns: Returns,
    pub database: Database,
    pub ids: Ids,
    /// Return orders nobody here asked for.
    pub foreign: Counter,
}

#[async_trait]
impl Sink for Status {
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
            let loaded = self.returns.load(stream).await?;
            let Some(loaded) = loaded.filter(|loaded| loaded.taken.goods.erp == self.erp) else {
                self.foreign.inc();
                debug!(
                    stream,
                    "a return order that was not asked for here is left alone"
                );
                return Ok(());
            };
            let command = Command::Observed(wire::seen(observed.clone()));
            match self.returns.carry_out(loaded, None, command, actor).await {
                Ok(_) => return Ok(()),
                Err(ReturnError::Conflict) => {}
                Err(ReturnError::Superseded) => return Err(SinkError::Superseded),
                Err(ReturnError::Store(error)) => return Err(error.into()),
                Err(error) => return Err(SinkError::Failed(error.into())),
            }
        }
        Err(SinkError::Failed(ReturnError::Conflict.into()))
    }
}
