//! A standard tenant: overlapping polls, eventually complete.

use std::time::Duration;

use millrace_erp::{Erp, ErpError, Flow};
use millrace_erp_simulator::faults::{Kind, Rule};
use serde_json::json;

use crate::mirror::{Facts, Mirror, truth};
use crate::world::{World, adapter, eventually, settings, standard_world, standard_world_with};

const FLOWS: [Flow; 4] = [Flow::Items, Flow::Prices, Flow::Stock, Flow::Customers];

/// What a standard tenant can know: one price and one figure per item, nothing blocked for sale, no price groups.
pub fn standard_truth(world: &World) -> Facts {
    let mut facts = truth(&world.simulator);
    let cards = world.simulator.read(|tables| {
        let cards = tables.items.iter().map(|item| {
            let entries = tables
                .ledger
                .children(item.id)
                .map(|entry| entry.quantity)
                .sum::<millrace_values::Decimal>();
            (item.id, item.unit_price.normalize(), entries.normalize())
        });
        cards.collect::<Vec<_>>()
    });
    facts.prices.clear();
    facts.stock.clear();
    for (id, price, inventory) in cards {
        let zero = millrace_values::Decimal::ZERO;
        let none = String::new;
        if !price.is_zero() {
            facts
                .prices
                .insert(id, [(none(), none(), none(), zero, price, zero)].into());
        }
        facts.stock.insert(
            id,
            [(none(), "MAIN".to_owned(), inventory, zero, zero, zero)].into(),
        );
    }
    for item in facts.items.values_mut() {
        item.variants = item
            .variants
            .iter()
            .map(|(code, text, _)| (code.clone(), text.clone(), false))
            .collect();
    }
    for customer in facts.customers.values_mut() {
        customer.4.clear();
    }
    facts
}

async fn caught_up(mirror: &mut Mirror, world: &World) {
    for flow in FLOWS {
        mirror.catch_up(&*world.erp, flow).await;
    }
}

#[track_caller]
fn assert_equal(mirror: &Mirror, world: &World) {
    let truth = standard_truth(world);
    assert!(mirror.unreadable.is_empty(), "{:?}", mirror.unreadable);
    assert_eq!(mirror.facts.items, truth.items);
    assert_eq!(mirror.facts.prices, truth.prices);
    assert_eq!(mirror.facts.stock, truth.stock);
    assert_eq!(mirror.facts.customers, truth.customers);
}

#[tokio::test]
async fn the_full_set_arrives_and_an_overlap_is_told_once() {
    let world = standard_world().await;
    let mut mirror = Mirror::default();
    caught_up(&mut mirror, &world).await;
    assert_equal(&mirror, &world);
    // The demo company is younger than the overlap: the next poll sees all of it again.
    caught_up(&mut mirror, &world).await;
    let told = mirror.told;
    caught_up(&mut mirror, &world).await;
    assert_eq!(mirror.told, told);
}

#[tokio::test]
async fn changes_arrive_with_the_next_poll() {
    let world = standard_world().await;
    let mut mirror = Mirror::default();
    caught_up(&mut mirror, &world).await;
    let numbers: Vec<String> = world.simulator.read(|tables| {
        tables
            .items
            .iter()
            .map(|item| item.number.clone())
            .collect()
    });
    let customer = world
        .simulator
        .read(|tables| tables.customers.iter().next().unwrap().number.clone());
    let acts = [
        (
            "change-item",
            json!({ "number": numbers[0], "name": "Changed", "unitPrice": 77.5 }),
        ),
        (
            "rename-item",
            json!({ "number": numbers[0], "newNumber": "NEW-1" }),
        ),
        (
            "create-item",
            json!({ "number": "FRESH-1", "name": "Fresh", "unitPrice": 9.99 }),
        ),
        (
            "create-variant",
            json!({ "item": "FRESH-1", "code": "OAK", "description": "Oak" }),
        ),
        (
            "move-stock",
            json!({ "item": numbers[1], "quantity": 5, "location": "MAIN" }),
        ),
        (
            "change-customer",
            json!({ "number": customer, "name": "Neuer Name" }),
        ),
    ];
    for (act, body) in acts {
        world.simulator.office(act, body).await.unwrap();
        caught_up(&mut mirror, &world).await;
        assert_equal(&mirror, &world);
    }
}

#[tokio::test]
async fn a_deletion_comes_out_of_the_comparison() {
    let world = standard_world().await;
    world
        .simulator
        .office(
            "create-item",
            json!({ "number": "GONE-1", "name": "Soon gone" }),
        )
        .await
        .unwrap();
    let mut mirror = Mirror::default();
    caught_up(&mut mirror, &world).await;
    world
        .simulator
        .office("delete-item", json!({ "number": "GONE-1" }))
        .await
        .unwrap();
    for flow in [Flow::Items, Flow::Customers] {
        mirror.compare(&*world.erp, flow).await.unwrap();
    }
    caught_up(&mut mirror, &world).await;
    assert_equal(&mirror, &world);
}

#[tokio::test]
async fn a_change_that_commits_late_is_found_by_the_overlap() {
    let world = standard_world().await;
    let mut mirror = Mirror::default();
    caught_up(&mut mirror, &world).await;
    let number = world
        .simulator
        .read(|tables| tables.items.iter().next().unwrap().number.clone());
    world.simulator.fault(
        Rule::new(Kind::LateCommit)
            .on("POST", "_office/change-item")
            .delay(Duration::from_millis(300)),
    );
    world
        .simulator
        .office("change-item", json!({ "number": number, "name": "late" }))
        .await
        .unwrap();
    eventually("the late change arrives", async || {
        mirror.catch_up(&*world.erp, Flow::Items).await;
        world
            .simulator
            .read(|tables| tables.items.iter().any(|item| item.name == "late"))
            && mirror.facts.items.values().any(|item| item.name == "late")
    })
    .await;
    caught_up(&mut mirror, &world).await;
    assert_equal(&mirror, &world);
}

/// A standard tenant shows what is not committed; what was rolled back is taken back.
#[tokio::test]
async fn a_phantom_is_taken_back() {
    let world = standard_world().await;
    let mut mirror = Mirror::default();
    caught_up(&mut mirror, &world).await;
    caught_up(&mut mirror, &world).await;
    let number = world
        .simulator
        .read(|tables| tables.items.iter().next().unwrap().number.clone());
    for (act, body) in [
        (
            "change-item",
            json!({ "number": number, "name": "phantom" }),
        ),
        (
            "create-item",
            json!({ "number": "PHANTOM-1", "name": "phantom" }),
        ),
    ] {
        world.simulator.fault(
            Rule::new(Kind::DirtyRead)
                .on("POST", act)
                .delay(Duration::from_millis(500)),
        );
        world.simulator.office(act, body).await.unwrap();
        eventually("the phantom is seen", async || {
            mirror.catch_up(&*world.erp, Flow::Items).await;
            mirror
                .facts
                .items
                .values()
                .any(|item| item.name == "phantom")
        })
        .await;
        eventually("the phantom is taken back", async || {
            mirror.catch_up(&*world.erp, Flow::Items).await;
            mirror
                .facts
                .items
                .values()
                .all(|item| item.name != "phantom")
        })
        .await;
    }
    caught_up(&mut mirror, &world).await;
    assert_equal(&mirror, &world);
}

#[tokio::test]
async fn what_a_reader_did_not_keep_is_told_again() {
    // One page per poll: what changed last stands at the end of a poll.
    let world = standard_world_with(|settings| settings.reading.page_size = 1000).await;
    let mut mirror = Mirror::default();
    mirror.catch_up(&*world.erp, Flow::Items).await;
    mirror.catch_up(&*world.erp, Flow::Items).await;
    let number = world
        .simulator
        .read(|tables| tables.items.iter().next().unwrap().number.clone());
    world
        .simulator
        .office("change-item", json!({ "number": number, "name": "twice" }))
        .await
        .unwrap();
    let cursor = mirror.cursor(Flow::Items).unwrap();
    let first = world.erp.read(Flow::Items, Some(&cursor)).await.unwrap();
    let again = world.erp.read(Flow::Items, Some(&cursor)).await.unwrap();
    assert_eq!(first.observations.len(), 1);
    assert_eq!(first.observations, again.observations);
    let after = world
        .erp
        .read(Flow::Items, Some(&again.next))
        .await
        .unwrap();
    assert!(after.observations.is_empty());
}

#[tokio::test]
async fn a_restarted_process_goes_on_where_the_cursor_stands() {
    let world = standard_world().await;
    let mut mirror = Mirror::default();
    caught_up(&mut mirror, &world).await;
    world
        .simulator
        .office(
            "create-item",
            json!({ "number": "WHILE-AWAY", "name": "Made meanwhile" }),
        )
        .await
        .unwrap();
    let mut own = settings(&world.simulator);
    own.level = millrace_erp::business_central::Level::Standard;
    let world = World {
        erp: adapter(own),
        ..world
    };
    caught_up(&mut mirror, &world).await;
    assert_equal(&mirror, &world);
    assert_eq!(mirror.resyncs, 0);
}

#[tokio::test]
async fn a_cursor_of_the_other_level_is_read_from_the_start() {
    let world = standard_world().await;
    let companion = crate::world::world().await;
    let mut mirror = Mirror::default();
    mirror.catch_up(&*companion.erp, Flow::Items).await;
    let cursor = mirror.cursor(Flow::Items).unwrap();
    let error = world
        .erp
        .read(Flow::Items, Some(&cursor))
        .await
        .unwrap_err();
    assert!(matches!(error, ErpError::ResyncNeeded { .. }), "{error}");
}

/// What no stamp tells of is put right by the next full read.
#[tokio::test]
async fn everything_is_read_again_now_and_then() {
    let world =
        standard_world_with(|settings| settings.reading.full_read_every = Duration::from_secs(1))
            .await;
    let mut cursor = None;
    let mut full_reads = 0;
    eventually("a second full read has ended", async || {
        let page = world.erp.read(Flow::Items, cursor.as_ref()).await.unwrap();
        full_reads += usize::from(page.snapshot_complete);
        cursor = Some(page.next);
        full_reads == 2
    })
    .await;
}

#[tokio::test]
async fn a_standard_tenant_has_no_documents_to_tell_of() {
    let world = standard_world().await;
    let page = world.erp.read(Flow::Documents, None).await.unwrap();
    assert!(page.observations.is_empty() && !page.more);
    let again = world
        .erp
        .read(Flow::Documents, Some(&page.next))
        .await
        .unwrap();
    assert_eq!(again.next, page.next);
}

/// What people sold in the ERP and did not ship is not deducted here; who reads the figures can know that.
#[tokio::test]
async fn figures_on_hand_only_are_declared_as_such() {
    let standard = standard_world().await.erp.capabilities().await.unwrap();
    assert!(!standard.stock_allocated);
    assert!(
        standard.description.contains("on hand only"),
        "{}",
        standard.description
    );
    let companion = crate::world::world().await;
    assert!(companion.erp.capabilities().await.unwrap().stock_allocated);
}
