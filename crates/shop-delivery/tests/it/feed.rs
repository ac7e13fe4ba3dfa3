//! What is in a channel's feed.

use std::collections::BTreeSet;

use bytes::Bytes;
use millrace_contract::changes::v1::start::At;
use millrace_contract::items::v1::ItemChanged;
use millrace_event_bus::{ParkedState, list_parked};
use millrace_test_rig::until;
use prost::Message;

use crate::harness::{PATIENCE, World, furniture, shown};
use crate::source::*;

/// Rows 96 and 98.
#[tokio::test]
async fn items_prices_stock_and_orders_arrive_with_their_bytes_and_ids() {
    let world = World::embedded().await;
    let said = [
        item(1, "Chair"),
        price(1, "", 100),
        price(1, "DEALER", 80),
        order("furniture", "A-1"),
    ];
    world.sources.say(said.clone()).await;
    world.sources.say([stock(1, &[("EAST", 5)])]).await;
    let mut wanted = shown(said.clone());
    wanted.insert(
        stock_key(1),
        stock_payload(1, &[("EAST", 5)], &["furniture"]),
    );
    world.until_shown(&wanted).await;
    let told = world.pulled(At::Beginning(true), &[]).await;
    let ids: BTreeSet<String> = told
        .iter()
        .map(|change| change.envelope.clone().unwrap().id)
        .collect();
    assert!(said.iter().all(|event| ids.contains(&event.id.to_string())));
    for change in told {
        let envelope = change.envelope.unwrap();
        assert_eq!(envelope.channel, "furniture");
        assert_eq!(envelope.log, "feed-furniture");
    }
    world.end().await;
}

#[tokio::test]
async fn a_shop_does_not_hear_who_works_in_the_erp() {
    let world = World::embedded().await;
    let mut renamed = item(1, "Chair");
    renamed.cause.actor = "ANNA".into();
    let said = [renamed, order("furniture", "A-1")];
    world.sources.say(said.clone()).await;
    world.until_shown(&shown(said)).await;
    for change in world.pulled(At::Beginning(true), &[]).await {
        let envelope = change.envelope.unwrap();
        let told = if envelope.key == item_key(1) {
            "bc-main"
        } else {
            // The shop's own token, or the service that acted on its order.
            "test"
        };
        assert_eq!(envelope.actor, told, "{}", envelope.key);
    }
    // What the outward topics are made of is the same.
    let log = world.feed("furniture").log().await.unwrap();
    let stored = log.read_feed(0, 100).await.unwrap();
    assert!(
        stored.iter().all(|told| told.event.cause.actor != "ANNA"),
        "{stored:?}"
    );
    world.end().await;
}

#[tokio::test]
async fn what_is_not_the_channels_is_not_in_its_feed() {
    let world = World::embedded().await;
    let own = item(1, "Chair");
    world
        .sources
        .say([
            own.clone(),
            price(1, "STAFF", 50),
            stock(1, &[("WEST", 5)]),
            order("toys", "T-1"),
            of_erp("bc-toys", item(2, "Doll")),
            blocked(3, "Stool"),
            price(3, "", 10),
        ])
        .await;
    let last = item(4, "Bench");
    world.sources.say([last.clone()]).await;
    world.until_shown(&shown([own, last])).await;
    let orders = world
        .pulled(
            At::Beginning(true),
            &["webshop-orders", "prices", "inventories"],
        )
        .await;
    assert!(orders.is_empty(), "{orders:?}");
    world.end().await;
}

#[tokio::test]
async fn a_price_that_comes_before_its_item_waits_and_heals_by_itself() {
    let world = World::embedded().await;
    world
        .sources
        .say([price(1, "", 100), stock(1, &[("EAST", 5)])])
        .await;
    let feed = world.feed("furniture");
    let waiting = async || list_parked(feed, 0, 10).await.unwrap();
    let parked = until(PATIENCE, "both wait", async || {
        Some(waiting().await).filter(|parked| parked.len() == 2)
    })
    .await;
    assert!(
        parked
            .iter()
            .all(|record| record.state == ParkedState::Unresolved)
    );
    assert!(
        parked
            .iter()
            .all(|record| record.waits_for == format!("items/{}", item_key(1))),
        "{parked:?}"
    );
    let chair = item(1, "Chair");
    world.sources.say([chair.clone()]).await;
    let mut wanted = shown([chair, price(1, "", 100)]);
    wanted.insert(
        stock_key(1),
        stock_payload(1, &[("EAST", 5)], &["furniture"]),
    );
    world.until_shown(&wanted).await;
    until(PATIENCE, "nothing waits any more", async || {
        waiting().await.is_empty().then_some(())
    })
    .await;
    // The item is the first that readers hear of.
    let told = world.pulled(At::Beginning(true), &[]).await;
    assert_eq!(told[0].envelope.as_ref().unwrap().key, item_key(1));
    world.end().await;
}

/// Row 26.
#[tokio::test]
async fn a_blocked_item_leaves_with_everything_and_comes_back_as_it_is_by_then() {
    let world = World::embedded().await;
    let chair = item(1, "Chair");
    world
        .sources
        .say([
            chair.clone(),
            price(1, "", 100),
            price(1, "DEALER", 80),
            stock(1, &[("EAST", 5)]),
        ])
        .await;
    let mut wanted = shown([chair, price(1, "", 100), price(1, "DEALER", 80)]);
    wanted.insert(
        stock_key(1),
        stock_payload(1, &[("EAST", 5)], &["furniture"]),
    );
    world.until_shown(&wanted).await;

    world.sources.say([blocked(1, "Chair")]).await;
    world.until_shown(&shown([])).await;
    let told = world.pulled(At::Beginning(true), &[]).await;
    let gone: Vec<String> = told
        .iter()
        .filter(|change| change.deleted)
        .map(|change| change.envelope.clone().unwrap().key)
        .collect();
    assert_eq!(gone.len(), 4);
    assert_eq!(gone.last(), Some(&item_key(1)), "the item goes last");

    // Meanwhile the world turns.
    world
        .sources
        .say([
            price(1, "", 90),
            no_price(1, "DEALER"),
            stock(1, &[("EAST", 7)]),
        ])
        .await;
    let free = item(1, "Chair");
    world.sources.say([free.clone()]).await;
    let mut wanted = shown([free, price(1, "", 90)]);
    wanted.insert(
        stock_key(1),
        stock_payload(1, &[("EAST", 7)], &["furniture"]),
    );
    world.until_shown(&wanted).await;
    world.end().await;
}

/// Row 10.
#[tokio::test]
async fn a_deleted_item_is_a_deletion_in_the_feed() {
    let world = World::embedded().await;
    let (chair, bench) = (item(1, "Chair"), item(2, "Bench"));
    world
        .sources
        .say([chair.clone(), price(1, "", 100), bench.clone()])
        .await;
    world
        .until_shown(&shown([chair, price(1, "", 100), bench.clone()]))
        .await;
    world.sources.say([no_item(1), no_price(1, "")]).await;
    world.until_shown(&shown([bench])).await;
    let told = world.pulled(At::Beginning(true), &[]).await;
    let gone: Vec<&str> = told
        .iter()
        .filter(|change| change.deleted)
        .map(|change| change.envelope.as_ref().unwrap().r#type.as_str())
        .collect();
    assert_eq!(gone, [PRICE_DELETED, ITEM_DELETED], "each is told once");
    world.end().await;
}

/// Rows 9 and 11.
#[tokio::test]
async fn a_price_change_is_one_change_of_the_feed() {
    let world = World::embedded().await;
    world
        .sources
        .say([item(1, "Chair"), price(1, "", 100)])
        .await;
    let mut live = world.subscribe(At::Beginning(true)).await;
    assert_eq!(live.change().await.envelope.unwrap().key, item_key(1));
    assert_eq!(live.change().await.payload, price(1, "", 100).payload);
    let changed = price(1, "", 95);
    world
        .sources
        .say([price(1, "", 100), changed.clone()])
        .await;
    let told = live.change().await;
    assert_eq!(
        told.payload, changed.payload,
        "the same content again is no news"
    );
    assert_eq!(told.envelope.unwrap().id, changed.id.to_string());
    world.end().await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_parked_and_the_others_go_on() {
    let world = World::embedded().await;
    let broken = event(ITEM_CHANGED, &item_key(1), vec![0xff; 7]);
    let newer = event("millrace.items.v1.ItemMerged", &item_key(2), vec![]);
    let bench = item(3, "Bench");
    world.sources.say([broken, newer, bench.clone()]).await;
    world.until_shown(&shown([bench.clone()])).await;
    let feed = world.feed("furniture");
    let parked = until(PATIENCE, "both are parked", async || {
        Some(list_parked(feed, 0, 10).await.unwrap()).filter(|parked| parked.len() == 2)
    })
    .await;
    let mut reasons: Vec<&str> = parked.iter().map(|record| record.reason.as_str()).collect();
    reasons.sort_unstable();
    assert!(
        reasons[0].starts_with("events of kind millrace.items.v1.ItemMerged are not known"),
        "{reasons:?}"
    );
    assert_eq!(
        reasons[1],
        "its content is no millrace.items.v1.ItemChanged"
    );
    // A newer record of the key takes the place of the broken one.
    let chair = item(1, "Chair");
    world.sources.say([chair.clone()]).await;
    world.until_shown(&shown([chair, bench])).await;
    world.end().await;
}

#[tokio::test]
async fn a_restart_tells_nothing_again() {
    let mut world = World::embedded().await;
    let said = [item(1, "Chair"), price(1, "", 100), item(2, "Bench")];
    world.sources.say(said.clone()).await;
    world.until_shown(&shown(said)).await;
    world.stop().await;
    world.sources.say([price(2, "", 40)]).await;
    world.start(furniture("'DEALER'", "'EAST'")).await;
    let told = until(PATIENCE, "the new price is there", async || {
        Some(world.pulled(At::Beginning(true), &[]).await).filter(|told| told.len() >= 4)
    })
    .await;
    assert_eq!(told.len(), 4);
    world.end().await;
}

#[tokio::test]
async fn changed_settings_tell_what_comes_into_view_and_what_leaves_it() {
    let mut world = World::embedded().await;
    let items = [item(1, "Chair"), item(2, "Bench")];
    world.sources.say(items.clone()).await;
    world
        .sources
        .say([
            price(1, "", 100),
            price(1, "DEALER", 80),
            price(1, "STAFF", 50),
        ])
        .await;
    world
        .sources
        .say([
            stock(1, &[("EAST", 5), ("WEST", 6)]),
            stock(2, &[("WEST", 7)]),
        ])
        .await;
    let mut before = shown(
        items
            .iter()
            .cloned()
            .chain([price(1, "", 100), price(1, "DEALER", 80)]),
    );
    before.insert(
        stock_key(1),
        stock_payload(1, &[("EAST", 5)], &["furniture"]),
    );
    world.until_shown(&before).await;
    world.stop().await;
    world.start(furniture("'STAFF'", "'WEST'")).await;
    let mut after = shown(
        items
            .into_iter()
            .chain([price(1, "", 100), price(1, "STAFF", 50)]),
    );
    after.insert(
        stock_key(1),
        stock_payload(1, &[("WEST", 6)], &["furniture"]),
    );
    after.insert(
        stock_key(2),
        stock_payload(2, &[("WEST", 7)], &["furniture"]),
    );
    world.until_shown(&after).await;
    // And back: the same differences once more, under ids of their own.
    world.stop().await;
    world.start(furniture("'DEALER'", "'EAST'")).await;
    world.until_shown(&before).await;
    world.end().await;
}

#[tokio::test]
async fn a_blocked_variant_stays_marked_on_its_item() {
    let world = World::embedded().await;
    let mut chair = ItemChanged::decode(item(1, "Chair").payload).unwrap();
    let variant = millrace_contract::items::v1::Variant {
        code: "RED".into(),
        blocked: true,
        ..Default::default()
    };
    chair.item.as_mut().unwrap().variants.push(variant);
    let event = event(ITEM_CHANGED, &item_key(1), chair.encode_to_vec());
    world.sources.say([event.clone()]).await;
    world
        .until_shown(&[(item_key(1), Bytes::from(chair.encode_to_vec()))].into())
        .await;
    world.end().await;
}
