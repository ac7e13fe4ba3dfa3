//! Row 114 end to end: shop orders and the ERP's figures, joined.

use millrace_contract::stock::v1 as wire;
use serde_json::json;

use crate::harness::{World, get};
use crate::orders::{Items, Orders, place};

async fn stocked(item: &str, pieces: u32) -> (World, Orders) {
    let world = World::begin().await;
    let orders = Orders::on(&world.bus).await;
    world
        .office(
            "create-item",
            json!({ "number": item, "name": "Stocked", "unitPrice": 100 }),
        )
        .await;
    world
        .office(
            "move-stock",
            json!({ "item": item, "quantity": pieces, "location": "MAIN" }),
        )
        .await;
    world.eventually(item, "", Some(i64::from(pieces))).await;
    (world, orders)
}

#[tokio::test]
async fn an_accepted_order_lowers_the_figure_at_once_and_counts_once_when_it_is_posted() {
    let (world, orders) = stocked("HOT-1", 10).await;
    orders.accepted("A-1", "HOT-1", 3).await;
    world.eventually("HOT-1", "", Some(7)).await;
    let document = place(&world.simulator, &*world.erp, "A-1", "HOT-1", 3).await;
    orders.posted("A-1", 3, &document).await;
    // A movement shows that the order's figure has been read: 10 + 5 − 3, the order once.
    world
        .office(
            "move-stock",
            json!({ "item": "HOT-1", "quantity": 5, "location": "MAIN" }),
        )
        .await;
    world.eventually("HOT-1", "", Some(12)).await;
    world
        .office(
            "ship",
            json!({ "channel": "FURNITURE-DE", "orderNumber": "A-1" }),
        )
        .await;
    world
        .office(
            "move-stock",
            json!({ "item": "HOT-1", "quantity": 1, "location": "MAIN" }),
        )
        .await;
    world.eventually("HOT-1", "", Some(13)).await;
}

#[tokio::test]
async fn a_posted_order_that_is_told_late_is_counted_once_in_the_end() {
    let (world, orders) = stocked("LATE-1", 10).await;
    let document = place(&world.simulator, &*world.erp, "L-1", "LATE-1", 4).await;
    world.eventually("LATE-1", "", Some(6)).await;
    orders.accepted("L-1", "LATE-1", 4).await;
    orders.posted("L-1", 4, &document).await;
    orders.accepted("L-2", "LATE-1", 1).await;
    world.eventually("LATE-1", "", Some(5)).await;
}

#[tokio::test]
async fn a_held_order_counts_and_a_dropped_one_does_not() {
    let (world, orders) = stocked("HELD-1", 10).await;
    orders.accepted("H-1", "HELD-1", 4).await;
    orders.held("H-1", 4).await;
    world.eventually("HELD-1", "", Some(6)).await;
    orders.cancelled("H-1", 4, 4).await;
    world.eventually("HELD-1", "", Some(10)).await;
}

/// Row 76.
#[tokio::test]
async fn a_shop_that_deducts_its_own_orders_is_told_so() {
    let (mut world, orders) = stocked("OWN-1", 10).await;
    orders.accepted("O-1", "OWN-1", 4).await;
    world.eventually("OWN-1", "", Some(6)).await;
    let answer = get(&mut world.client, "OWN-1", "", wire::Source::Index).await;
    assert_eq!(
        answer.allocation.unwrap().units,
        10,
        "placed after as_of, the shop subtracts it itself: {answer:?}"
    );
    let live = get(&mut world.client, "OWN-1", "", wire::Source::Live).await;
    assert_eq!(live.available.unwrap().units, 6);
    assert_eq!(
        live.allocation.unwrap().units,
        6,
        "placed before this as_of: {live:?}"
    );
}

#[tokio::test]
async fn an_order_for_an_item_nobody_knows_counts_when_it_becomes_known() {
    let world = World::begin().await;
    let orders = Orders::on(&world.bus).await;
    orders.accepted("U-1", "SOON-1", 2).await;
    world
        .office(
            "create-item",
            json!({ "number": "SOON-1", "name": "Soon", "unitPrice": 100 }),
        )
        .await;
    world
        .office(
            "move-stock",
            json!({ "item": "SOON-1", "quantity": 9, "location": "MAIN" }),
        )
        .await;
    world.eventually("SOON-1", "", Some(7)).await;
}

#[tokio::test]
async fn an_order_event_that_cannot_be_read_is_parked_and_stops_nobody() {
    let (world, orders) = stocked("POISON-1", 10).await;
    orders.garbled("P-1").await;
    orders.accepted("P-2", "POISON-1", 1).await;
    world.eventually("POISON-1", "", Some(9)).await;
    let parked = millrace_event_bus::list_parked(&world.service.database, 0, 10).await;
    let parked = parked.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].reason, "OrderAccepted cannot be decoded");
}

#[tokio::test]
async fn an_item_is_answered_under_the_number_the_catalog_says_and_not_at_all_when_it_is_gone() {
    let (world, orders) = stocked("NAMED-1", 10).await;
    let items = Items::on(&world.bus).await;
    let id = world.simulator.read(|tables| {
        let item = tables.items.iter().find(|item| item.number == "NAMED-1");
        item.unwrap().id
    });
    items.changed(id, "NAMED-2").await;
    world.eventually("NAMED-2", "", Some(10)).await;
    assert_eq!(world.available("NAMED-1", "").await, None);
    orders.accepted("N-1", "NAMED-2", 4).await;
    world.eventually("NAMED-2", "", Some(6)).await;
    items.deleted(id).await;
    world.eventually("NAMED-2", "", None).await;
}
