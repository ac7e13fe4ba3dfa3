//! What became of reservations in the ERP, whoever did it there. Read by one process at a time (`erp-reader`); read again, it
//! changes nothing.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use millrace_erp::transfer::TransferObserved;
use millrace_erp::{Flow, Observed, Page};
use millrace_erp_poster::Errands;
use millrace_erp_reader::{Sink, SinkError, caught_up};
use millrace_event_store::{Database, EventLog, LeaseEpoch};
use millrace_operations::unreadable;
use millrace_service_kit::Clock;
use millrace_service_kit::metrics::Counter;
use millrace_values::SystemId;
use tokio::sync::Notify;
use tracing::{error, warn};

use crate::domain;
use crate::outbound::{CarryError, ErpSide};
use crate::read_model::{NAME, WorkOf, ask_all};
use crate::reservations::{ReservationError, is_its_own};

/// Reservations brought up to date at once.
const AT_ONCE: usize = 16;
/// How long the rows may lag behind the log before the feed is asked again.
const PATIENCE: Duration = Duration::from_secs(1);

pub struct Transfers {
    pub side: ErpSide,
    pub work: Errands,
    pub log: Arc<dyn EventLog>,
    pub clock: Arc<dyn Clock>,
    pub wake: Arc<Notify>,
    pub database: Database,
    /// Transfers of reservations nobody here made.
    pub foreign: Counter,
}

#[async_trait]
impl Sink for Transfers {
    /// Where the feed begins anew something may be missing from it, or the ERP may have been restored.
    async fn begin_full_read(&self, _: &LeaseEpoch) -> Result<(), SinkError> {
        caught_up(&self.database, &self.log, NAME, PATIENCE).await?;
        ask_all(&self.work, WorkOf::All, self.clock.now()).await?;
        Ok(())
    }

    /// No lease is named: what the ERP says is judged against what is known of each reservation, and late it changes nothing.
    async fn take(&self, page: &Page, _: &LeaseEpoch) -> Result<(), SinkError> {
        let mut by_reservation: BTreeMap<String, Vec<TransferObserved>> = BTreeMap::new();
        for observed in &page.observations {
            match observed {
                Observed::Transfer(transfer) => {
                    let key = &transfer.key;
                    let stream = domain::stream(&key.channel, &key.number);
                    by_reservation
                        .entry(stream)
                        .or_default()
                        .push(transfer.clone());
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
                | Observed::Return(_) => {}
            }
        }
        let records = by_reservation
            .into_iter()
            .map(|(stream, transfers)| self.record(stream, transfers));
        stream::iter(records)
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        let (erp, seen) = (self.side.erp.code(), &page.observations);
        Ok(unreadable::note(&self.database, erp, Flow::Transfers, seen).await?)
    }

    /// Transfers do not go away.
    async fn compare(&self, _: HashSet<SystemId>, _: &LeaseEpoch) -> Result<(), SinkError> {
        Ok(())
    }
}

impl Transfers {
    /// What became of one reservation, in the ERP's order.
    async fn record(
        &self,
        stream: String,
        transfers: Vec<TransferObserved>,
    ) -> Result<(), SinkError> {
        let loaded = match self.side.reservations.load(&stream).await {
            // The others do not wait for it.
            Err(error) if is_its_own(&error) => {
                error!(
                    stream,
                    error = &error as &dyn std::error::Error,
                    "a reservation cannot be read"
                );
                return Ok(());
            }
            loaded => loaded?,
        };
        let ours = loaded.filter(|loaded| loaded.taken.reservation.erp == *self.side.erp.code());
        let Some(loaded) = ours else {
            self.foreign.inc();
            warn!(
                stream,
                "the erp has a transfer request of a reservation that was not made here: it is left alone"
            );
            return Ok(());
        };
        let mut taken = loaded.taken;
        for transfer in transfers {
            taken = match self.side.observe(&taken.reservation, transfer).await {
                Ok(taken) => taken,
                Err(CarryError::Reservation(ReservationError::Store(error)))
                    if !is_its_own(&error) =>
                {
                    return Err(error.into());
                }
                Err(CarryError::Reservation(ReservationError::Conflict)) => {
                    return Err(SinkError::Failed(ReservationError::Conflict.into()));
                }
                // It says what cannot be, such as more found than asked for: no repeat mends it, and the others go on.
                Err(error) => {
                    error!(
                        stream,
                        error = &error as &dyn std::error::Error,
                        "what the erp says of a reservation cannot be written down"
                    );
                    return Ok(());
                }
            };
        }
        // Placed or posted there after it had ended here: to be taken back.
        if taken.is_to_be_taken_back() {
            self.work.ask_one(&stream, self.clock.now()).await?;
            self.wake.notify_one();
        }
        Ok(())
    }
}
