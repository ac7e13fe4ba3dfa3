//! Carries to the ERP what reservations ask of it. One process at a time, by lease; woken by the rows, and looking now and then
//! all the same. While the ERP is away everything waits, and is tried again.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use millrace_erp::ErpError;
use millrace_event_store::{EventLog, Held, Post, StoreError, while_holding};
use millrace_service_kit::health::{Component, chain};
use millrace_service_kit::retry::Backoff;
use millrace_service_kit::{Clock, Ids, Shutdown};
use tokio::sync::Notify;
use tracing::error;

use super::{CarryError, ErpSide};
use crate::read_model::{Due, ErpWork};
use crate::reservations::ReservationError;

/// A look without having been woken: another process may have made the reservation.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Reservations in hand at once; the ERP takes five requests of one caller.
const AT_ONCE: usize = 4;
const TOGETHER: usize = 64;
/// What cannot be done for a reason of its own is tried again after so long.
const OWN_PAUSE: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);

#[derive(Clone)]
pub struct Carrier {
    pub side: ErpSide,
    pub work: ErpWork,
    pub log: Arc<dyn EventLog>,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
    pub wake: Arc<Notify>,
    pub component: Component,
    /// This process, unique among all that may ask for the lease.
    pub holder: String,
    pub takeover_after: Duration,
}

impl Carrier {
    /// Until shutdown; a broken world is tried again.
    ///
    /// # Errors
    /// The log was closed.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), StoreError> {
        let post = Post {
            lease: "carrier".to_owned(),
            holder: self.holder.clone(),
            ttl: self.takeover_after,
        };
        let carrier = &self;
        let standing_by = || carrier.component.ready();
        let work = |_: Held, stop: Shutdown| async move { carrier.carry(&stop).await };
        while_holding(&self.log, &post, &shutdown, standing_by, work).await
    }

    async fn carry(&self, stop: &Shutdown) {
        let mut backoff = Backoff::neighbour(self.ids.clone());
        while !stop.is_cancelled() {
            let pause = match self.look(stop).await {
                Ok(more) => {
                    self.component.ready();
                    backoff.succeeded();
                    if more { Duration::ZERO } else { LOOK_EVERY }
                }
                Err(error) => {
                    let cause = &error as &dyn std::error::Error;
                    if self.component.trouble(chain(cause)) {
                        error!(
                            error = cause,
                            "reservations cannot be brought to the erp, trying again"
                        );
                    }
                    let at_least = match &error {
                        CarryError::Erp(ErpError::Away { retry_after, .. }) => {
                            retry_after.unwrap_or_default()
                        }
                        CarryError::Erp(_) | CarryError::Reservation(_) => Duration::ZERO,
                    };
                    backoff.next_delay().max(at_least)
                }
            };
            let failing = backoff.tries() > 0;
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.notified(), if !failing => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Does what is due; whether there is more.
    async fn look(&self, stop: &Shutdown) -> Result<bool, CarryError> {
        let due = self.work.due(self.clock.now(), TOGETHER).await?;
        let more = due.len() == TOGETHER;
        let looks = stream::iter(due).take_until(stop.cancelled());
        let looks = looks.map(|due| self.settle(due)).buffer_unordered(AT_ONCE);
        let mut looks = pin!(looks);
        let mut outcome = Ok(more);
        while let Some(settled) = looks.next().await {
            if let Err(error) = settled {
                outcome = Err(error);
            }
        }
        outcome
    }

    /// `Err`: the world is broken, for all of them alike.
    async fn settle(&self, due: Due) -> Result<(), CarryError> {
        let own = match self.side.settle(&due.stream).await {
            Ok(()) => return Ok(self.work.done(&due).await?),
            Err(CarryError::Erp(error)) if error.is_transient() => return Err(error.into()),
            Err(CarryError::Reservation(ReservationError::Store(error))) if !is_its_own(&error) => {
                return Err(error.into());
            }
            // The others do not wait for it.
            Err(own) => own,
        };
        // A refusal may quote what people wrote; its code does not.
        error!(
            stream = due.stream,
            error = &own as &dyn std::error::Error,
            "a reservation cannot be brought to the erp, trying again later"
        );
        let until = self.clock.now().saturating_add(OWN_PAUSE);
        let until = until.unwrap_or_else(|_| self.clock.now());
        Ok(self.work.put_off(&due, until).await?)
    }
}

/// One reservation that cannot be read says nothing of the others.
fn is_its_own(error: &StoreError) -> bool {
    matches!(error, StoreError::Corrupt { .. })
}
