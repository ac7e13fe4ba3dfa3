//! Keeps the index in step with the topic `inventories`: all partitions, on every pod.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use millrace_contract::inventories::v1 as wire;
use millrace_event_bus::{Bus, BusError, Mirrored};
use millrace_event_store::Recorded;
use millrace_service_kit::health::{Component, chain};
use millrace_service_kit::metrics::Counter;
use millrace_service_kit::retry::Backoff;
use millrace_service_kit::{Ids, Shutdown};
use millrace_values::{ChannelCode, Channels, SystemId};
use prost::Message;
use tracing::{error, info, warn};

use crate::freshness::Freshness;
use crate::index::{Entry, Index, IndexError, PARTS_PER_UNIT, Place, Shown};
use crate::wire::{CHANGED, of_stream};

pub(crate) const TOPIC: &str = "inventories";
/// Between two questions whether the bus is there.
const ASK_EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Mirror {
    pub bus: Arc<dyn Bus>,
    pub shown: Arc<Shown>,
    pub freshness: Arc<Freshness>,
    /// Channels whose own orders are kept apart.
    pub deducting: BTreeSet<ChannelCode>,
    pub component: Component,
    /// The figures were read to the end once.
    pub known: AtomicBool,
    pub unreadable: Counter,
    pub ids: Ids,
}

/// Where records go: the index that is shown, or one that will be.
enum Target {
    Shown,
    Next(Arc<Index>),
}

impl Mirror {
    pub fn deducting(channels: &Channels) -> BTreeSet<ChannelCode> {
        channels
            .iter()
            .filter(|channel| channel.deducts_own_orders)
            .map(|channel| channel.code.clone())
            .collect()
    }

    /// Runs until shutdown. When the source breaks, what is known is served on, marked stale, while it is read anew.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), std::convert::Infallible> {
        let mut backoff = Backoff::neighbour(self.ids.clone());
        let mut target = Target::Shown;
        while !shutdown.is_cancelled() {
            let ended = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                ended = self.follow(&target, &mut backoff) => ended,
                never = self.say_what_it_waits_for() => match never {},
            };
            self.freshness.mirror_away(true);
            let reason = match &ended {
                Ok(()) => "the topic's stream ended".to_owned(),
                Err(error) => chain(error),
            };
            if self
                .component
                .trouble(format!("inventories cannot be read: {reason}"))
            {
                error!(
                    reason,
                    "inventories cannot be read, the figures as they are known are served"
                );
            }
            // What was deleted meanwhile is not told again: the next reading begins with an empty index.
            target = Target::Next(self.shown.blank());
            backoff.wait(&shutdown).await;
        }
        Ok(())
    }

    /// A bus that is away says nothing by itself: until the figures were known once, it is asked.
    async fn say_what_it_waits_for(&self) -> std::convert::Infallible {
        loop {
            let asked = self.bus.check().await;
            if self.known.load(Ordering::Relaxed) {
                return std::future::pending().await;
            }
            self.component.trouble(match asked {
                Ok(()) => "waits for the first reading of the inventories".to_owned(),
                Err(error) => format!("waits for the inventories: {}", chain(&error)),
            });
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    async fn follow(&self, target: &Target, backoff: &mut Backoff) -> Result<(), BusError> {
        let mut records = self.bus.mirror(&[TOPIC]).await?;
        let mut caught_up = false;
        while let Some(mirrored) = records.next().await {
            match mirrored? {
                Mirrored::CaughtUp => {
                    if let Target::Next(index) = target {
                        self.shown.replace(index.clone());
                    }
                    caught_up = true;
                    backoff.succeeded();
                    self.freshness.mirror_away(false);
                    self.known.store(true, Ordering::Relaxed);
                    self.component.ready();
                    info!(
                        count = self.shown.index().len(),
                        "the figures of {} items and variants are known",
                        self.shown.index().len()
                    );
                }
                Mirrored::Record(delivery) => match &delivery.event {
                    Ok(recorded) => match target {
                        Target::Next(index) if !caught_up => self.take(recorded, Some(index)),
                        Target::Next(_) | Target::Shown => self.take(recorded, None),
                    },
                    Err(unreadable) => {
                        self.unreadable.inc();
                        warn!(
                            key = unreadable.key,
                            reason = unreadable.reason,
                            "an inventory cannot be read, the last one stays"
                        );
                    }
                },
            }
        }
        Ok(())
    }

    fn take(&self, recorded: &Recorded, next: Option<&Index>) {
        if let Err(reason) = self.apply(recorded, next) {
            self.unreadable.inc();
            warn!(
                key = recorded.event.key,
                reason, "an inventory cannot be used, the last one stays"
            );
        }
    }

    fn apply(&self, recorded: &Recorded, next: Option<&Index>) -> Result<(), String> {
        let (erp, item, variant) =
            of_stream(&recorded.event.key).ok_or("the key is not an inventory's")?;
        if recorded.event.deleted {
            match next {
                Some(index) => drop(index.remove(erp, item.0, variant, recorded.version)),
                None => self.shown.remove(erp, item.0, variant, recorded.version),
            }
            return Ok(());
        }
        if recorded.event.kind != CHANGED {
            return Ok(());
        }
        let message = wire::InventoryChanged::decode(recorded.event.payload.as_ref())
            .map_err(|error| error.to_string())?;
        let inventory = message.inventory.ok_or("inventory is missing")?;
        self.put(erp, item, &inventory, recorded.version, next)
            .map_err(|error| error.to_string())
    }

    fn put(
        &self,
        erp: &str,
        item: SystemId,
        inventory: &wire::Inventory,
        version: u64,
        next: Option<&Index>,
    ) -> Result<(), IndexError> {
        let places: Vec<Place<'_>> = inventory
            .locations
            .iter()
            .map(|figure| Place {
                location: &figure.location_code,
                available: parts(figure.available.as_ref()),
            })
            .collect();
        let mut own_orders = Vec::new();
        for figure in &inventory.locations {
            for channel in &figure.in_flight_by_channel {
                let quantity = parts(channel.after_as_of.as_ref());
                if quantity != 0
                    && self
                        .deducting
                        .iter()
                        .any(|code| code.as_str() == channel.channel)
                {
                    own_orders.push((
                        channel.channel.as_str(),
                        figure.location_code.as_str(),
                        quantity,
                    ));
                }
            }
        }
        let moments = inventory
            .locations
            .iter()
            .filter_map(|figure| figure.as_of.as_ref());
        let oldest = moments
            .map(|moment| moment.seconds.saturating_mul(1000) + i64::from(moment.nanos) / 1_000_000)
            .min();
        let entry = Entry {
            erp,
            item: item.0,
            number: &inventory.item_number,
            variant: &inventory.variant_code,
            unit: &inventory.unit,
            as_of: oldest.unwrap_or(0),
            version,
            places: &places,
            own_orders: &own_orders,
        };
        match next {
            Some(index) => index.put(&entry).map(drop),
            None => self.shown.put(&entry),
        }
    }
}

fn parts(decimal: Option<&millrace_contract::values::v1::Decimal>) -> i64 {
    let nanos_per_part = 1_000_000_000 / PARTS_PER_UNIT;
    decimal.map_or(0, |decimal| {
        decimal
            .units
            .saturating_mul(PARTS_PER_UNIT)
            .saturating_add(i64::from(decimal.nanos) / nanos_per_part)
    })
}
