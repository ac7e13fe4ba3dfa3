//! Carries to the ERP what reservations ask of it. One process at a time, by lease; woken by the rows, and looking now and then
//! all the same. While the ERP is away everything waits, and is tried again.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use millrace_erp::ErpError;
use millrace_erp_poster::{Errand, Errands};
use millrace_event_store::{EventLog, Held, Post, StoreError, while_holding};
use millrace_service_kit::health::{Component, chain};
use millrace_service_kit::metrics::Gauge;
use millrace_service_kit::retry::Backoff;
use millrace_service_kit::{Clock, Ids, Shutdown};
use tokio::sync::Notify;
use tracing::error;

use super::{CarryError, ErpSide};
use crate::read_model::{WorkOf, ask_all};
use crate::reservations::{ReservationError, is_its_own};

/// A look without having been woken: another process may have made the reservation.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Reservations in hand at once; the ERP takes five requests of one caller.
const AT_ONCE: usize = 4;
const TOGETHER: usize = 64;
/// What cannot be done for a reason of its own is tried again after so long.
const OWN_PAUSE: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);
/// While the ERP does not answer, each waits twice as long as before, up to two to this power of seconds.
const LONGEST_DOUBLED: u32 = 5;

#[derive(Clone)]
pub struct Carrier {
    pub side: ErpSide,
    pub work: Errands,
    pub log: Arc<dyn EventLog>,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
    pub wake: Arc<Notify>,
    pub component: Component,
    /// Reservations that could not be brought to the ERP so far.
    pub waiting: Gauge,
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
        let mut had_part = false;
        while !stop.is_cancelled() {
            let looked = match self.has_part(&mut had_part).await {
                Ok(()) => self.look(stop, &backoff).await,
                Err(error) => Err(error),
            };
            let pause = match looked {
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
                        CarryError::Erp(_) | CarryError::Reservation(_) | CarryError::NoPart => {
                            Duration::ZERO
                        }
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

    /// Once the ERP has a part in reservations, what was made before is told to it as well.
    async fn has_part(&self, had_part: &mut bool) -> Result<(), CarryError> {
        let has_part = self.side.has_part_in(self.side.erp.code()).await?;
        if has_part && !*had_part {
            ask_all(&self.work, WorkOf::NotTold, self.clock.now()).await?;
        }
        *had_part = has_part;
        Ok(())
    }

    /// Does what is due; whether there is more. `Err`: nothing of it could be done, and the world is to blame.
    async fn look(&self, stop: &Shutdown, backoff: &Backoff) -> Result<bool, CarryError> {
        let due = self.work.due(self.clock.now(), TOGETHER).await?;
        let more = due.len() == TOGETHER;
        let looks = stream::iter(due).take_until(stop.cancelled());
        let looks = looks.map(|due| self.settle(due)).buffer_unordered(AT_ONCE);
        let mut looks = pin!(looks);
        let (mut settled, mut broken) = (0, None);
        while let Some(look) = looks.next().await {
            match look {
                Ok(()) => settled += 1,
                Err(error) => broken = Some(error),
            }
        }
        self.waiting.set(self.work.put_off_so_far().await?);
        match broken {
            Some(error) if settled == 0 || backoff.tries() > 0 => Err(error),
            Some(_) | None => Ok(more),
        }
    }

    /// What cannot be done is put off, so that the others come. `Err`: the world is broken, perhaps for all of them.
    async fn settle(&self, due: Errand) -> Result<(), CarryError> {
        let error = match self.side.settle(&due.stream).await {
            Ok(()) => return Ok(self.work.done(&due).await?),
            Err(CarryError::Reservation(ReservationError::Store(error))) if !is_its_own(&error) => {
                return Err(error.into());
            }
            Err(error) => error,
        };
        let is_the_worlds = matches!(&error, CarryError::Erp(error) if error.is_transient());
        let pause = match &error {
            CarryError::Erp(error) if error.is_transient() => {
                jiff::SignedDuration::from_secs(1 << due.attempts.min(LONGEST_DOUBLED))
            }
            CarryError::Erp(_) | CarryError::Reservation(_) => {
                // A refusal may quote what people wrote; its code does not.
                error!(
                    stream = due.stream,
                    error = &error as &dyn std::error::Error,
                    "a reservation cannot be brought to the erp, trying again later"
                );
                OWN_PAUSE
            }
            CarryError::NoPart => OWN_PAUSE,
        };
        let now = self.clock.now();
        let until = now.saturating_add(pause).unwrap_or(now);
        self.work.put_off(&due, until).await?;
        if is_the_worlds { Err(error) } else { Ok(()) }
    }
}
