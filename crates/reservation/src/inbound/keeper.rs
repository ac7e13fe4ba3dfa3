//! Gives back what nobody looked for or fetched in time, and reminds before. One process at a time, by lease; what it missed while
//! nobody ran it finds at its next look.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use millrace_event_store::{EventLog, Held, Post, StoreError, while_holding};
use millrace_service_kit::health::{Component, chain};
use millrace_service_kit::{Clock, Shutdown};
use tracing::{error, info};

use crate::config::Stores;
use crate::domain::{Command, Store};
use crate::outbound::{CarryError, ErpSide};
use crate::read_model::Listing;
use crate::reservations::{Actor, ReservationError, Reservations, is_its_own};

#[derive(Clone)]
pub struct Keeper {
    pub reservations: Reservations,
    pub listing: Listing,
    /// `None`: there is no ERP.
    pub erp: Option<ErpSide>,
    pub stores: Arc<Stores>,
    pub log: Arc<dyn EventLog>,
    pub clock: Arc<dyn Clock>,
    pub component: Component,
    /// This process, unique among all that may ask for the lease.
    pub holder: String,
    pub look_every: Duration,
    pub takeover_after: Duration,
}

impl Keeper {
    /// Until shutdown; a broken world is tried again.
    ///
    /// # Errors
    /// The log was closed.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), StoreError> {
        let post = Post {
            lease: "keeper".to_owned(),
            holder: self.holder.clone(),
            ttl: self.takeover_after,
        };
        let keeper = &self;
        let standing_by = || keeper.component.ready();
        let work = |_: Held, stop: Shutdown| async move { keeper.keep(&stop).await };
        while_holding(&self.log, &post, &shutdown, standing_by, work).await
    }

    async fn keep(&self, stop: &Shutdown) {
        while !stop.is_cancelled() {
            match self.look(stop).await {
                Ok(()) => self.component.ready(),
                Err(error) => {
                    let cause = &error as &dyn std::error::Error;
                    if self.component.trouble(chain(cause)) {
                        error!(
                            error = cause,
                            "reservations cannot be looked through, trying again"
                        );
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(self.look_every) => {}
            }
        }
    }

    /// Stores where something waits, those included that have left the settings.
    async fn busy(&self) -> Result<Vec<Cow<'_, Store>>, StoreError> {
        let busy = self.listing.busy_stores().await?.into_iter();
        let store = busy.map(|(location, erp)| self.stores.or_given_up(&location, &erp));
        Ok(store.collect())
    }

    async fn look(&self, stop: &Shutdown) -> Result<(), ReservationError> {
        for store in self.busy().await? {
            let store = &*store;
            let today = store.hours.day(self.clock.now());
            let remind_by = store.hours.open_days_after(today, store.remind_before);
            for stream in self.listing.due(&store.location, today, remind_by).await? {
                if stop.is_cancelled() {
                    return Ok(());
                }
                match self.settle(store, &stream, today).await {
                    Err(ReservationError::Store(error)) if !is_its_own(&error) => {
                        return Err(error.into());
                    }
                    // The others do not wait for it; the next look tries it again.
                    Err(error) => error!(
                        stream,
                        error = &error as &dyn std::error::Error,
                        "a reservation could not be ended or reminded of"
                    ),
                    Ok(()) => {}
                }
            }
        }
        Ok(())
    }

    /// Repeats are harmless: what has ended absorbs them.
    async fn settle(
        &self,
        store: &Store,
        stream: &str,
        today: jiff::civil::Date,
    ) -> Result<(), ReservationError> {
        let Some(loaded) = self.reservations.load(stream).await? else {
            return Ok(());
        };
        let taken = &loaded.taken;
        let due = taken.collect_by.unwrap_or(taken.answer_by);
        let command = if today > due {
            Command::Expire { today }
        } else if store.reminds(due, today) {
            Command::Remind
        } else {
            return Ok(());
        };
        let over = matches!(command, Command::Expire { .. });
        if over && let Some(side) = &self.erp {
            // People may have done there in time what nobody here has heard of.
            match side.catch_up(taken).await {
                Ok(()) => {}
                Err(CarryError::Reservation(error)) => return Err(error),
                Err(CarryError::Erp(_) | CarryError::NoPart) => return Ok(()),
            }
        }
        self.reservations
            .carry_out(stream, command, &Actor::service())
            .await?;
        let number = &loaded.taken.reservation.number;
        if over {
            info!(reservation.number = %number, "nobody looked for, or fetched, the goods of reservation {number}");
        }
        Ok(())
    }
}
