//! Tells the shops when a store has less than is reserved there: a till sold it, or somebody counted. A figure may be low for a
//! moment, while what the ERP deducts already is deducted here as well; so only what lasts is told. The newest reservations are
//! short first. What was put aside already lies safe.

use std::collections::{BTreeMap, HashMap};
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
use crate::read_model::{Figures, Listing, OpenLine};
use crate::reservations::{Actor, ReservationError, Reservations, is_its_own};
use crate::shelves::read_shelves;

#[derive(Clone)]
pub struct Shortfalls {
    pub reservations: Reservations,
    pub listing: Listing,
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
        let lines = self.listing.open_lines().await?;
        let missing = self.missing(&lines).await?;
        let Some(before) = before else {
            return Ok(missing);
        };
        let mut by_shelf: BTreeMap<&ShelfKey, Vec<&OpenLine>> = BTreeMap::new();
        for line in &lines {
            by_shelf.entry(&line.shelf).or_default().push(line);
        }
        let mut changed: BTreeMap<&str, Vec<(u32, Quantity)>> = BTreeMap::new();
        for (shelf, lines) in by_shelf {
            // Unknown now, or a moment ago: nothing is known to have changed.
            let (Some(now), Some(then)) = (missing.get(shelf), before.get(shelf)) else {
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
        Ok(missing)
    }

    async fn missing(&self, lines: &[OpenLine]) -> Result<Missing, StoreError> {
        let asked: BTreeMap<&ShelfKey, &String> = lines
            .iter()
            .map(|line| (&line.shelf, &line.asked))
            .collect();
        let keys: Vec<String> = asked.values().map(|key| (*key).clone()).collect();
        let shown = self.figures.of(&keys).await?;
        let shelves: Vec<&ShelfKey> = asked.keys().copied().collect();
        let shelves = read_shelves(&self.log, &shelves).await?;
        let missing = shelves.into_iter().filter_map(|(shelf, holds)| {
            let shown = shown.get(*asked.get(&shelf)?)?;
            let figure = Some(shown)
                .filter(|shown| shown.item == shelf.item)?
                .figure(&shelf.location)?;
            Some((shelf, holds.missing(&figure)))
        });
        Ok(missing.collect())
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
