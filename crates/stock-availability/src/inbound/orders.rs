//! Takes the events of items, shop orders and reservations into the rows, and marks what they change.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use millrace_contract::items::v1 as items_wire;
use millrace_event_bus::{HandleError, Handler, Outcome};
use millrace_event_store::{Cause, Recorded, Tx};
use millrace_values::{Channels, ErpCode, Sku, SystemId, UnitCode, VariantCode};
use prost::Message;

use crate::domain::{InFlight, OrderFact, follow};
use crate::read_model::items::{self, Named};
use crate::read_model::{figures, in_flight, marks};
use crate::wake::Wake;
use crate::wire::{OrderNews, order_news, reservation_news};

pub(crate) const TOPICS: [&str; 3] = ["items", "webshop-orders", "reservations"];

pub(crate) struct ItemsAndOrders {
    pub channels: Arc<Channels>,
    pub wake: Arc<Wake>,
}

#[async_trait]
impl Handler for ItemsAndOrders {
    async fn handle(&self, tx: &mut Tx, recorded: &Recorded) -> Result<Outcome, HandleError> {
        if recorded.event.kind.starts_with("millrace.items.")
            || recorded.event.key.starts_with("item/")
        {
            return self.item(tx, recorded).await;
        }
        self.order(tx, recorded).await
    }
}

impl ItemsAndOrders {
    async fn item(&self, tx: &mut Tx, recorded: &Recorded) -> Result<Outcome, HandleError> {
        let Some((erp, id)) = of_key(&recorded.event.key) else {
            return Ok(Outcome::parked("the key is not an item's"));
        };
        if recorded.event.deleted {
            return self.item_gone(tx, &erp, id, &cause(recorded)).await;
        }
        if recorded.event.kind != "millrace.items.v1.ItemChanged" {
            return Ok(Outcome::Done);
        }
        let Ok(message) = items_wire::ItemChanged::decode(recorded.event.payload.as_ref()) else {
            return Ok(Outcome::parked("ItemChanged cannot be decoded"));
        };
        let item = message.item.unwrap_or_default();
        let named = match (
            Sku::parse(&item.number),
            UnitCode::parse_optional(&item.base_unit),
        ) {
            (Ok(number), Ok(unit)) => Named { number, unit },
            (Err(error), _) => return Ok(Outcome::parked(format!("number: {error}"))),
            (_, Err(error)) => return Ok(Outcome::parked(format!("base_unit: {error}"))),
        };
        if items::of(tx, &erp, &[id]).await?.get(&id) == Some(&named) {
            return Ok(Outcome::Done);
        }
        items::put(tx, &erp, id, &named).await?;
        in_flight::resolve(tx, &erp, &named.number, id).await?;
        self.mark_item(tx, &erp, id, &cause(recorded)).await?;
        Ok(Outcome::Done)
    }

    async fn item_gone(
        &self,
        tx: &mut Tx,
        erp: &ErpCode,
        id: SystemId,
        cause: &Cause,
    ) -> Result<Outcome, HandleError> {
        self.mark_item(tx, erp, id, cause).await?;
        items::delete(tx, erp, id).await?;
        figures::delete(tx, erp, &[id]).await?;
        Ok(Outcome::Done)
    }

    /// All variants that have figures or orders.
    async fn mark_item(
        &self,
        tx: &mut Tx,
        erp: &ErpCode,
        id: SystemId,
        cause: &Cause,
    ) -> Result<(), HandleError> {
        let known = figures::of(tx, erp, &[id]).await?;
        let mut variants: BTreeSet<Option<VariantCode>> = known
            .get(&id)
            .map(figures::Known::variants)
            .unwrap_or_default();
        variants.extend(
            in_flight::of_items(tx, erp, &[id])
                .await?
                .into_iter()
                .map(|line| line.variant),
        );
        marks::put(
            tx,
            erp,
            variants.into_iter().map(|variant| (id, variant)),
            cause,
        )
        .await?;
        self.wake.up();
        Ok(())
    }

    async fn order(&self, tx: &mut Tx, recorded: &Recorded) -> Result<Outcome, HandleError> {
        let event = &recorded.event;
        let news = if event.kind.starts_with("millrace.reservations.") {
            reservation_news(&event.kind, &event.key, &event.payload, event.occurred_at)
        } else {
            order_news(&event.kind, &event.key, &event.payload)
        };
        let news = match news {
            Ok(Some(news)) => news,
            Ok(None) => return Ok(Outcome::Done),
            Err(error) => return Ok(Outcome::parked(error.to_string())),
        };
        let OrderNews {
            channel,
            claim,
            fact,
        } = news;
        let settings = self.channels.find(&channel);
        let erp = match (event.erp.as_deref().map(ErpCode::parse), settings) {
            (Some(Ok(erp)), _) => erp,
            (Some(Err(_)) | None, Some(channel)) => channel.erp.clone(),
            (Some(Err(_)) | None, None) => {
                return Ok(Outcome::parked(format!(
                    "channel {channel} is not in the settings, and the event names no erp"
                )));
            }
        };
        let known = in_flight::of_claim(tx, &channel, &claim).await?;
        // An order whose lines are all contained or cancelled is not followed any more.
        if known.is_empty() && matches!(fact, OrderFact::WentOn { .. }) {
            return Ok(Outcome::Done);
        }
        let mut lines = follow(&channel, &claim, known.clone(), fact);
        for line in &mut lines {
            if line.item.id.is_none() {
                let number = &line.item.number;
                line.item.id = match items::with_number(tx, &erp, number).await? {
                    Some(id) => Some(id),
                    // catalog-sync may be slower than the figures.
                    None => figures::with_number(tx, &erp, number).await?,
                };
            }
            if line.location.is_none() {
                line.location = settings.and_then(|channel| channel.location()).cloned();
            }
        }
        if lines == known {
            return Ok(Outcome::Done);
        }
        in_flight::replace(tx, &erp, &channel, &claim, &lines).await?;
        marks::put(tx, &erp, touched(&known, &lines), &cause(recorded)).await?;
        self.wake.up();
        Ok(Outcome::Done)
    }
}

fn touched<'a>(
    before: &'a [InFlight],
    after: &'a [InFlight],
) -> impl Iterator<Item = (SystemId, Option<VariantCode>)> + 'a {
    before
        .iter()
        .chain(after)
        .filter_map(|line| Some((line.item.id?, line.variant.clone())))
}

/// `item/<erp>/<system id>`
fn of_key(key: &str) -> Option<(ErpCode, SystemId)> {
    let (erp, id) = key.strip_prefix("item/")?.split_once('/')?;
    Some((ErpCode::parse(erp).ok()?, SystemId::parse(id).ok()?))
}

fn cause(recorded: &Recorded) -> Cause {
    Cause {
        correlation_id: recorded.event.cause.correlation_id,
        causation_id: Some(recorded.event.id),
        traceparent: recorded.event.cause.traceparent.clone(),
        actor: marks::ACTOR.to_owned(),
    }
}
