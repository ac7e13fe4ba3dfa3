//! The tour: what Millrace is for, step by step, each checked.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use millrace_contract::changes::v1::start::At;
use millrace_contract::changes::v1::subscribe_response::Message as FeedMessage;
use millrace_contract::changes::v1::{Change, Start, SubscribeRequest, SubscribeResponse};
use millrace_contract::items::v1::ItemChanged;
use millrace_contract::prices::v1::PriceChanged;
use prost::Message;
use rust_decimal::Decimal;
use tonic::Streaming;

use super::doorbell::Door;
use super::office::Office;
use super::screen::{Screen, took};
use super::shop::{CHANNEL, Shop, number};

/// What a step answers: something for the steps after it, and what to print.
pub type Told<T> = Result<(T, Vec<String>)>;

/// Longest any step may take; the last adds the ERP's silence.
const SOON: Duration = Duration::from_secs(30);

/// How long the ERP says nothing in the last step.
pub const SILENCE: Duration = Duration::from_secs(20);

pub struct Tour {
    pub shop: Shop,
    pub office: Office,
    /// Where the shop is rung, if it is.
    pub door: Option<Door>,
    /// Makes numbers of this run different from those of earlier ones.
    pub run: String,
}

impl Tour {
    /// # Errors
    /// The first step that did not hold, by name.
    pub async fn take(&mut self, screen: &mut Screen) -> Result<()> {
        screen
            .step(
                "The first full sync: every item, price and stock figure of the ERP",
                SOON,
                self.full_sync(),
            )
            .await?;
        screen
            .step(
                "An item renamed and a price changed in the ERP arrive in the shop's feed",
                SOON,
                self.rename_and_reprice(),
            )
            .await?;
        if let Some(door) = self.door.take() {
            screen
                .step(
                    "The channel is opened; a signed doorbell rings at the shop, which fetches what changed",
                    SOON,
                    self.doorbell(&door),
                )
                .await?;
            self.door = Some(door);
        }
        screen
            .step(
                "Stock over gRPC: one item, a batch, a stream",
                SOON,
                self.lookups(),
            )
            .await?;
        screen
            .step(
                "Goods arrive in the ERP; the shop sees the new figure",
                SOON,
                self.stock_movement(),
            )
            .await?;
        screen
            .step(
                "A customer reserves in a store: held, found, fetched",
                SOON,
                self.reserve(),
            )
            .await?;
        let order = screen
            .step(
                "A new customer orders: customer and sales order in the ERP",
                SOON,
                self.first_order(),
            )
            .await?;
        screen
            .step(
                "The same order again: the same answer, no second document",
                SOON,
                self.same_order_again(&order),
            )
            .await?;
        let number = self.order_number(1);
        screen
            .step(
                "The ERP ships with a tracking number and invoices; the lines follow",
                SOON,
                self.ship_and_invoice(&number),
            )
            .await?;
        screen
            .step(
                "All of it comes back: a return order in the ERP, received, credited as sold",
                SOON,
                self.give_back(&number),
            )
            .await?;
        screen
            .step(
                "An order that cannot be right: held with its reasons, mended, posted",
                SOON,
                self.bad_order(),
            )
            .await?;
        let title = format!(
            "The ERP answers nothing for {} seconds while an order is posted",
            SILENCE.as_secs()
        );
        screen.step(&title, SILENCE + SOON, self.silence()).await
    }

    async fn full_sync(&mut self) -> Told<()> {
        let began = Instant::now();
        let erp = self.office.assortment().await?;
        let things = self.office.things().await?;
        // A little before the step's own limit, which could not say what is missing.
        let deadline = began + SOON - Duration::from_secs(5);
        while let Some(difference) = erp.difference(&self.shop.assortment(&things).await?) {
            ensure!(Instant::now() < deadline, difference);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let line = format!(
            "{} items, {} prices, stock of {} items and variants, equal to the ERP ({})",
            erp.names.len(),
            erp.prices.len(),
            erp.stock.len(),
            took(began.elapsed())
        );
        Ok(((), vec![line]))
    }

    async fn rename_and_reprice(&mut self) -> Told<()> {
        let mut feed = self.live_feed(&["items", "prices"]).await?;
        let name = format!("Holzöl 0,5 l, Ausgabe {}", self.run);
        let renamed = Instant::now();
        self.office.rename_item("1700", &name).await?;
        next(&mut feed, |change| {
            let item = ItemChanged::decode(change.payload.clone()).ok()?.item?;
            (item.display_name == name).then_some(())
        })
        .await?;
        let rename_took = took(renamed.elapsed());
        let price = self.shop.price("1701").await? + Decimal::new(10, 2);
        let repriced = Instant::now();
        self.office.set_price("1701", "RETAIL", price).await?;
        next(&mut feed, |change| {
            let changed = PriceChanged::decode(change.payload.clone()).ok()?.price?;
            let fits = |tier: &millrace_contract::prices::v1::PriceTier| {
                tier.unit_price
                    .as_ref()
                    .is_some_and(|money| number(money) == price)
            };
            (changed.key?.price_group == "RETAIL" && changed.tiers.iter().any(fits)).then_some(())
        })
        .await?;
        Ok((
            (),
            vec![
                format!(
                    "item 1700 is now {name:?} in the feed, {rename_took} after the ERP saved it"
                ),
                format!(
                    "item 1701 costs {price} EUR in the feed, {} after the ERP saved it",
                    took(repriced.elapsed())
                ),
            ],
        ))
    }

    async fn lookups(&mut self) -> Told<()> {
        let one = self.shop.available("1700", "").await?;
        let known = self.office.assortment().await?.stock;
        let things: Vec<_> = known.into_keys().take(100).collect();
        let began = Instant::now();
        let batch = self.shop.figures(&things).await?;
        let batch_took = took(began.elapsed());
        let unknown = batch.iter().filter(|figure| figure.is_none()).count();
        ensure!(
            batch.len() == things.len() && unknown == 0,
            "of {} items {} were answered, {unknown} of them unknown",
            things.len(),
            batch.len()
        );
        let began = Instant::now();
        let streamed = self.shop.streamed(&things).await?;
        let stream_took = took(began.elapsed());
        ensure!(
            streamed == batch,
            "the stream answered otherwise than the batch"
        );
        Ok((
            (),
            vec![
                format!("one: item 1700, {one} available"),
                format!("batch: {} items in {batch_took}", batch.len()),
                format!(
                    "stream: {} questions, the same answers, in {stream_took}",
                    streamed.len()
                ),
            ],
        ))
    }

    async fn stock_movement(&mut self) -> Told<()> {
        let before = self.shop.available("1702", "").await?;
        let expected = before + Decimal::from(25);
        let began = Instant::now();
        let mut watch = self.shop.watch_stock("1702").await?;
        self.office
            .move_stock("1702", "", "MAIN", Decimal::from(25))
            .await?;
        let mut seen = None;
        while seen != Some(expected) {
            let answer = watch.message().await?;
            let answer = answer
                .with_context(|| format!("the watch ended at {seen:?} instead of {expected}"))?;
            seen = Shop::figure(answer.availability.as_ref());
        }
        Ok((
            (),
            vec![format!(
                "item 1702: {before} → {expected} available, {} after the ERP booked it",
                took(began.elapsed())
            )],
        ))
    }

    /// The change feed from its live end on.
    pub(super) async fn live_feed(
        &mut self,
        kinds: &[&str],
    ) -> Result<Streaming<SubscribeResponse>> {
        let request = SubscribeRequest {
            channel: CHANNEL.into(),
            consumer: "tour".into(),
            start: Some(Start {
                at: Some(At::Snapshot(true)),
            }),
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        };
        let mut feed = self.shop.feed.subscribe(request).await?.into_inner();
        while let Some(answer) = feed.message().await? {
            if matches!(answer.message, Some(FeedMessage::CaughtUpToken(_))) {
                break;
            }
        }
        Ok(feed)
    }

    pub fn order_number(&self, which: u32) -> String {
        format!("WEB-{}-{which}", self.run)
    }
}

/// The next change of the feed that `wanted` recognises.
pub(super) async fn next<T>(
    feed: &mut Streaming<SubscribeResponse>,
    wanted: impl Fn(&Change) -> Option<T>,
) -> Result<T> {
    while let Some(answer) = feed.message().await? {
        if let Some(FeedMessage::Change(change)) = answer.message
            && let Some(found) = wanted(&change)
        {
            return Ok(found);
        }
    }
    anyhow::bail!("the feed ended")
}
