//! The companion level: full sets, then everything that happens afterwards.

use millrace_erp::{Erp, Flow};
use millrace_erp_simulator::faults::{Kind, Rule};
use serde_json::json;
use std::time::Duration;

use crate::mirror::{FLOWS, Mirror, assert_equal, truth};
use crate::world::{eventually, world};

/// Rows 2 and 108.
#[tokio::test]
async fn the_full_set_arrives_and_then_nothing_is_new() {
    let world = world().await;
    let mut mirror = Mirror::default();
    mirror.catch_up_all(&*world.erp).await;
    assert_equal(&mirror, &world.simulator);
    assert!(mirror.facts.items.len() >= 40);
    let told = mirror.told;
    mirror.catch_up_all(&*world.erp).await;
    assert_eq!(mirror.told, told, "nothing changed, so nothing is told");
}

#[tokio::test]
async fn the_companion_is_found_and_says_what_it_can() {
    let world = world().await;
    let capabilities = world.erp.capabilities().await.unwrap();
    assert!(
        capabilities.change_queue && capabilities.order_buffer && capabilities.stock_by_location
    );
    assert!(
        capabilities.description.contains("companion 1."),
        "{}",
        capabilities.description
    );
}

/// Rows 3, 4, 9 and 10.
#[tokio::test]
async fn every_act_of_the_office_arrives() {
    let world = world().await;
    let mut mirror = Mirror::default();
    mirror.catch_up_all(&*world.erp).await;
    let numbers: Vec<String> = world.simulator.read(|tables| {
        tables
            .items
            .iter()
            .map(|item| item.number.clone())
            .collect()
    });
    let (first, second) = (&numbers[0], &numbers[1]);
    let customer = world
        .simulator
        .read(|tables| tables.customers.iter().next().unwrap().number.clone());
    let location = world
        .simulator
        .read(|tables| tables.figures.iter().next().unwrap().location.clone());
    let acts = [
        (
            "change-item",
            json!({ "number": first, "name": "Renamed chair", "unitPrice": 123.45, "blocked": true }),
        ),
        (
            "rename-item",
            json!({ "number": first, "newNumber": "NEW-1" }),
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
            "rename-variant",
            json!({ "item": "FRESH-1", "code": "OAK", "newCode": "ELM" }),
        ),
        (
            "create-variant",
            json!({ "item": second, "code": "TMP", "description": "Temporary" }),
        ),
        ("delete-variant", json!({ "item": second, "code": "TMP" })),
        (
            "set-price",
            json!({ "item": "FRESH-1", "variant": "ELM", "unitPrice": 12.34567, "minimum": 10 }),
        ),
        (
            "move-stock",
            json!({ "item": "FRESH-1", "variant": "ELM", "quantity": 5, "location": location }),
        ),
        (
            "plan-stock",
            json!({ "item": "FRESH-1", "variant": "ELM", "location": location, "safety": 1, "reserved": 2 }),
        ),
        (
            "create-item",
            json!({ "number": "GONE-1", "name": "Soon gone", "unitPrice": 1 }),
        ),
        (
            "change-customer",
            json!({ "number": customer, "name": "Neuer Name", "blocked": "All" }),
        ),
        (
            "rename-customer",
            json!({ "number": customer, "newNumber": "NEW-C" }),
        ),
    ];
    for (act, body) in acts {
        world.simulator.office(act, body).await.unwrap();
        mirror.catch_up_all(&*world.erp).await;
        assert_equal(&mirror, &world.simulator);
    }
    world
        .simulator
        .office("delete-item", json!({ "number": "GONE-1" }))
        .await
        .unwrap();
    mirror.catch_up_all(&*world.erp).await;
    assert_equal(&mirror, &world.simulator);
}

#[tokio::test]
async fn an_item_changed_by_a_person_names_who_did_it() {
    let world = world().await;
    let mut mirror = Mirror::default();
    mirror.catch_up(&*world.erp, Flow::Items).await;
    let page = world.erp.read(Flow::Items, None).await.unwrap();
    assert!(page.snapshot && page.more);
    let number = world
        .simulator
        .read(|tables| tables.items.iter().next().unwrap().number.clone());
    let mut cursor = page.next;
    loop {
        let page = world.erp.read(Flow::Items, Some(&cursor)).await.unwrap();
        cursor = page.next;
        if !page.more {
            break;
        }
    }
    world
        .simulator
        .office("change-item", json!({ "number": number, "name": "x" }))
        .await
        .unwrap();
    let page = world.erp.read(Flow::Items, Some(&cursor)).await.unwrap();
    let [millrace_erp::Observed::Item(item)] = page.observations.as_slice() else {
        panic!("{page:?}")
    };
    assert_eq!(item.modified_by.as_deref(), Some("OFFICE"));
}

/// Stamps of the past that commit late are not passed by.
#[tokio::test]
async fn a_change_that_commits_late_is_not_missed() {
    let world = world().await;
    let mut mirror = Mirror::default();
    mirror.catch_up_all(&*world.erp).await;
    let numbers: Vec<String> = world.simulator.read(|tables| {
        tables
            .items
            .iter()
            .map(|item| item.number.clone())
            .collect()
    });
    world.simulator.fault(
        Rule::new(Kind::LateCommit)
            .on("POST", "_office/change-item")
            .delay(Duration::from_millis(400)),
    );
    world
        .simulator
        .office(
            "change-item",
            json!({ "number": numbers[0], "name": "late" }),
        )
        .await
        .unwrap();
    world
        .simulator
        .office(
            "change-item",
            json!({ "number": numbers[1], "name": "quick" }),
        )
        .await
        .unwrap();
    mirror.catch_up(&*world.erp, Flow::Items).await;
    eventually("the late change arrives", async || {
        mirror.catch_up(&*world.erp, Flow::Items).await;
        mirror.facts.items.values().any(|item| item.name == "late")
    })
    .await;
    assert_equal(&mirror, &world.simulator);
    assert_eq!(world.simulator.fired("lateCommit"), 1);
}

#[tokio::test]
async fn a_change_that_is_rolled_back_is_never_told() {
    let world = world().await;
    let mut mirror = Mirror::default();
    mirror.catch_up_all(&*world.erp).await;
    let number = world
        .simulator
        .read(|tables| tables.items.iter().next().unwrap().number.clone());
    world.simulator.fault(
        Rule::new(Kind::DirtyRead)
            .on("POST", "_office/change-item")
            .delay(Duration::from_millis(200)),
    );
    world
        .simulator
        .office(
            "change-item",
            json!({ "number": number, "name": "phantom" }),
        )
        .await
        .unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_millis(500);
    while tokio::time::Instant::now() < deadline {
        mirror.catch_up(&*world.erp, Flow::Items).await;
        assert!(
            mirror
                .facts
                .items
                .values()
                .all(|item| item.name != "phantom")
        );
    }
    assert_equal(&mirror, &world.simulator);
}

/// Restored from a backup: row versions go backwards. Nothing is rolled back silently, the reader begins anew.
#[tokio::test]
async fn a_restored_database_is_read_from_the_start() {
    let world = world().await;
    let mut mirror = Mirror::default();
    world.simulator.office("backup", json!({})).await.unwrap();
    world
        .simulator
        .office(
            "create-item",
            json!({ "number": "LOST-1", "name": "After the backup" }),
        )
        .await
        .unwrap();
    mirror.catch_up_all(&*world.erp).await;
    assert!(
        mirror
            .facts
            .items
            .values()
            .any(|item| item.number == "LOST-1")
    );
    world.simulator.office("restore", json!({})).await.unwrap();
    mirror.catch_up_all(&*world.erp).await;
    assert_eq!(mirror.resyncs, FLOWS.len());
    assert!(
        !truth(&world.simulator)
            .items
            .values()
            .any(|item| item.number == "LOST-1")
    );
    assert_equal(&mirror, &world.simulator);
}

#[tokio::test]
async fn a_copied_environment_is_read_from_the_start() {
    let world = world().await;
    let mut mirror = Mirror::default();
    mirror.catch_up(&*world.erp, Flow::Items).await;
    world
        .simulator
        .office("copy-environment", json!({}))
        .await
        .unwrap();
    mirror.catch_up(&*world.erp, Flow::Items).await;
    assert_eq!(mirror.resyncs, 1);
}

#[tokio::test]
async fn a_cursor_older_than_the_queue_is_read_from_the_start() {
    let world = world().await;
    let mut mirror = Mirror::default();
    mirror.catch_up_all(&*world.erp).await;
    let number = world
        .simulator
        .read(|tables| tables.items.iter().next().unwrap().number.clone());
    world
        .simulator
        .office("change-item", json!({ "number": number, "name": "missed" }))
        .await
        .unwrap();
    world
        .simulator
        .office("forget-changes", json!({}))
        .await
        .unwrap();
    mirror.catch_up_all(&*world.erp).await;
    assert_eq!(mirror.resyncs, FLOWS.len());
    assert_equal(&mirror, &world.simulator);
}

/// Row 114. Who compares figures by their boundary must see that a deleted item's are newer than those it had.
#[tokio::test]
async fn a_deleted_item_has_no_figures_from_its_boundary_on() {
    let world = world().await;
    world
        .simulator
        .office(
            "create-item",
            json!({ "number": "GONE-1", "name": "Soon gone" }),
        )
        .await
        .unwrap();
    world
        .simulator
        .office(
            "move-stock",
            json!({ "item": "GONE-1", "quantity": 1, "location": "MAIN" }),
        )
        .await
        .unwrap();
    let mut mirror = Mirror::default();
    mirror.catch_up(&*world.erp, Flow::Stock).await;
    let mut told = Vec::new();
    for act in [
        (
            "move-stock",
            json!({ "item": "GONE-1", "quantity": -1, "location": "MAIN" }),
        ),
        ("delete-item", json!({ "number": "GONE-1" })),
    ] {
        world.simulator.office(act.0, act.1).await.unwrap();
        let page = world
            .erp
            .read(Flow::Stock, mirror.cursor(Flow::Stock).as_ref())
            .await
            .unwrap();
        mirror.catch_up(&*world.erp, Flow::Stock).await;
        let stock = page
            .observations
            .into_iter()
            .find_map(|observed| match observed {
                millrace_erp::Observed::Stock(stock) if stock.number.as_str() == "GONE-1" => {
                    Some(stock)
                }
                _ => None,
            });
        told.push(stock.unwrap());
    }
    assert!(told[1].figures.is_empty());
    assert!(told[1].boundary.unwrap() > told[0].boundary.unwrap());
}
