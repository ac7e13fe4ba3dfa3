//! Tells the shops when a store has less than is reserved there: a till sold it, or somebody counted. A figure may be low for a
//! moment, while what the ERP deducts already is deducted here as well; so only what lasts is told. The newest reservations are
//! short first. What was put aside already lies safe. Shelves are looked at, not reservations: of those there may be very many, and
//! only a store where something is missing, or was, has to go through its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use millrace_event_store::{EventLog, Held, Post, StoreError, while_holding};
use millrace_service_kit::Shutdown;
use millrace_service_kit::health::{Component, chain};
use millrace_service_kit::metrics::Counter;
use millrace_values::Quantity;
use tracing::{error, info, warn};

use crate::domain::Command;
use crate::domain::shelf::{ShelfKey, shortfalls};
use crate::read_model::{Figures, Listing, OpenLine, ShelfRows};
use crate::reservations::{Actor, ReservationError, Reservations, is_its_own};

#[derive(Clone)]
pub struct Shortfalls {
    pub reservations: Reservations,
    pub listing: Listing,
    pub shelves: ShelfRows,
    pub figures: Figures,
    pub log: Arc<dyn EventLog>,
    pub component: Component,
    pub told: Counter,
    /// This process, unique among all that may ask for the lease.
    pub holder: String,
    /// How long less must be there before it is told.
    pub after: Duration,
    pub takeover_after: Duration,
}

/// Shelves whose figures are asked for in one go.
const TOGETHER: usize = 200;

/// What is missing of each shelf where something is reserved.
type Missing = HashMap<ShelfKey, Quantity>;

impl Shortfalls {
    /// Until shutdown; a broken world is tried again.
    ///
    /// # Errors
    /// The log was closed.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), StoreError> {
        let post = Post {
            lease: "shortfalls".to_owned(),
            holder: self.holder.clone(),
            ttl: self.takeover_after,
        };
        let this = &self;
        let standing_by = || this.component.ready();
        let work = |_: Held, stop: Shutdown| async move { this.watch(&stop).await };
        while_holding(&self.log, &post, &shutdown, standing_by, work).await
    }

    async fn watch(&self, stop: &Shutdown) {
        let mut before = None;
        while !stop.is_cancelled() {
            match self.look(before.take()).await {
                Ok(missing) => {
                    self.component.ready();
                    before = Some(missing);
                }
                Err(error) => {
                    let cause = &error as &dyn std::error::Error;
                    if self.component.trouble(chain(cause)) {
                        error!(
                            error = cause,
                            "what stores have cannot be compared with what is reserved, trying again"
                        );
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(self.after) => {}
            }
        }
    }

    /// What is missing now; told is what was missing before as well.
    async fn look(&self, before: Option<Missing>) -> Result<Missing, ReservationError> {
        let missing = self.missing().await?;
        if let Some(before) = before {
            // What was told may have to be taken back, where nothing is missing any more.
            let mut stores: BTreeSet<String> =
                self.listing.short_stores().await?.into_iter().collect();
            let short = missing.iter().filter(|(_, missing)| !missing.is_zero());
            stores.extend(short.map(|(shelf, _)| shelf.location.to_string()));
            for store in stores {
                self.look_into(&store, &missing, &before).await?;
            }
        }
        Ok(missing)
    }

    /// What of the reservations of one store is missing `now`, and was `before`.
    async fn look_into(
        &self,
        store: &str,
        now: &Missing,
        before: &Missing,
    ) -> Result<(), ReservationError> {
        let lines = self.listing.open_lines(store).await?;
        let mut by_shelf: BTreeMap<&ShelfKey, Vec<&OpenLine>> = BTreeMap::new();
        for line in &lines {
            by_shelf.entry(&line.shelf).or_default().push(line);
        }
        let mut changed: BTreeMap<&str, Vec<(u32, Quantity)>> = BTreeMap::new();
        for (shelf, lines) in by_shelf {
            // Unknown now, or a moment ago: nothing is known to have changed.
            let (Some(now), Some(then)) = (now.get(shelf), before.get(shelf)) else {
                continue;
            };
            let held: Vec<Quantity> = lines.iter().map(|line| line.held).collect();
            let short = shortfalls(&held, (*now).min(*then));
            for (line, short) in lines.into_iter().zip(short) {
                if line.short != short {
                    let lines = changed.entry(&line.stream).or_default();
                    lines.push((line.line, short));
                }
            }
        }
        for (stream, short) in changed {
            self.tell(stream, short, &lines).await?;
        }
        Ok(())
    }

    async fn missing(&self) -> Result<Missing, StoreError> {
        let shelves = self.shelves.all().await?;
        let mut missing = Missing::with_capacity(shelves.len());
        for shelves in shelves.chunks(TOGETHER) {
            let things: BTreeSet<String> = shelves.iter().map(|(shelf, _)| shelf.thing()).collect();
            let things: Vec<String> = things.into_iter().collect();
            let shown = self.figures.of_things(&things).await?;
            for (shelf, holds) in shelves {
                let shown = shown.get(&shelf.thing());
                if let Some(figure) = shown.and_then(|shown| shown.figure(&shelf.location)) {
                    missing.insert(shelf.clone(), holds.missing(&figure));
                }
            }
        }
        Ok(missing)
    }

    /// Its other lines stay as they are.
    async fn tell(
        &self,
        stream: &str,
        short: Vec<(u32, Quantity)>,
        lines: &[OpenLine],
    ) -> Result<(), ReservationError> {
        let others = lines
            .iter()
            .filter(|line| line.stream == stream && !short.iter().any(|(it, _)| *it == line.line))
            .map(|line| (line.line, line.short));
        let missing: Vec<(u32, Quantity)> = others.chain(short.iter().copied()).collect();
        let command = Command::Miss { missing };
        match self
            .reservations
            .carry_out(stream, command, &Actor::service())
            .await
        {
            Ok(taken) => {
                self.told.inc();
                let number = &taken.reservation.number;
                info!(reservation.number = %number, "what is missing of reservation {number} in its store has changed");
                Ok(())
            }
            // It changes at this moment, or cannot be read: the others do not wait for it.
            Err(ReservationError::Store(error)) if !is_its_own(&error) => Err(error.into()),
            Err(error) => {
                let cause = &error as &dyn std::error::Error;
                warn!(
                    stream,
                    error = cause,
                    "what is missing of a reservation is not told"
                );
                Ok(())
            }
        }
    }
}
