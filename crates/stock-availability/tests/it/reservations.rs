//! Goods that a store holds back, as reservation tells of them.

use std::time::Duration;

use millrace_contract::reservations::v1 as told;
use millrace_contract::stock::v1 as wire;
use millrace_contract::values::v1::Quantity;
use millrace_stock_availability::Config;
use prost::Message;
use serde_json::json;

use crate::harness::{World, get, quick};
use crate::orders::Orders;

const ITEM: &str = "KEEP-1";

fn pieces(count: i64) -> Option<Quantity> {
    Some(Quantity {
        units: count,
        nanos: 0,
        unit: "PCS".to_owned(),
    })
}

/// A pretend reservation service, with one reservation of one line.
struct Stores(Orders);

impl Stores {
    async fn tell(&self, event: &str, payload: Vec<u8>) {
        let stream = "reservation/furniture-de/R-1".to_owned();
        let kind = format!("millrace.reservations.v1.{event}");
        self.0.tell_of(stream, &kind, payload, false).await;
    }

    async fn requested(&self, count: i64) {
        let event = told::ReservationRequested {
            reservation: Some(told::Reservation {
                channel: "furniture-de".to_owned(),
                reservation_number: "R-1".to_owned(),
                store: "MAIN".to_owned(),
                placed_at: Some(prost_types::Timestamp::default()),
                lines: vec![told::ReservationLine {
                    line_number: 1,
                    item_number: ITEM.to_owned(),
                    variant_code: String::new(),
                    quantity: pieces(count),
                }],
                ..Default::default()
            }),
            ..Default::default()
        };
        self.tell("ReservationRequested", event.encode_to_vec())
            .await;
    }
}

fn line(count: i64) -> told::LineStatus {
    told::LineStatus {
        line_number: 1,
        requested: pieces(count),
        ..Default::default()
    }
}

async fn stocked() -> (World, Stores) {
    let margin = Duration::from_secs(2);
    let world = World::begin_with(Config { margin, ..quick() }).await;
    let stores = Stores(Orders::named(&world.bus, "reservation").await);
    let item = json!({ "number": ITEM, "name": "Kept", "unitPrice": 100 });
    world.office("create-item", item).await;
    let arrived = json!({ "item": ITEM, "quantity": 10, "location": "MAIN" });
    world.office("move-stock", arrived).await;
    world.eventually(ITEM, "", Some(10)).await;
    (world, stores)
}

/// Row 84: what a store holds back for one customer nobody else buys.
#[tokio::test]
async fn what_is_reserved_is_not_for_sale_until_it_is_given_up_and_no_shop_deducts_it() {
    let (mut world, stores) = stocked().await;
    stores.requested(3).await;
    world.eventually(ITEM, "", Some(7)).await;
    let answer = get(&mut world.client, ITEM, "", wire::Source::Index).await;
    assert_eq!(answer.allocation.unwrap().units, 7);
    let cancelled = told::ReservationCancelled {
        lines: vec![told::LineStatus {
            cancelled: pieces(3),
            ..line(3)
        }],
        ..Default::default()
    };
    stores
        .tell("ReservationCancelled", cancelled.encode_to_vec())
        .await;
    world.eventually(ITEM, "", Some(10)).await;
}

#[tokio::test]
async fn what_was_fetched_counts_until_a_figure_is_younger_than_the_visit() {
    let (world, stores) = stocked().await;
    stores.requested(3).await;
    world.eventually(ITEM, "", Some(7)).await;
    // One was not found.
    let fetched = told::ReservationPickedUp {
        lines: vec![told::LineStatus {
            found: pieces(2),
            cancelled: pieces(1),
            picked_up: pieces(2),
            ..line(3)
        }],
    };
    stores
        .tell("ReservationPickedUp", fetched.encode_to_vec())
        .await;
    world.eventually(ITEM, "", Some(8)).await;
    // Time passes, and nobody tells of another figure: what the till has not told by now it does not tell.
    world.eventually(ITEM, "", Some(10)).await;
}
