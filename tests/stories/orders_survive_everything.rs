//! What customers buy becomes one document each, whatever dies in between.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_contract::order::v1::OrderState;
use millrace_contract::webshop_orders::v1::LineState;
use millrace_test_rig::{Kafka, Postgres, soak_result, until};
use serde_json::json;
use tonic::{Code, Status};

use crate::shop::{Shop, order};
use crate::world::{PATIENCE, Plan, SERVICES, World};

const CAPITALS: &str = "FURNITURE";

/// Sales orders the ERP holds for a shop order, shipped and invoiced ones included: the buffer remembers them.
pub async fn documents(world: &World, number: &str) -> usize {
    let asked = json!({ "channel": CAPITALS, "orderNumber": number });
    let answer = world.simulator.office("documents", asked).await.unwrap();
    let documents = answer["documents"].as_array().unwrap();
    documents
        .iter()
        .filter(|document| document["kind"] == "Order")
        .count()
}

pub async fn submit(shop: &mut Shop, number: &str) {
    submit_lines(shop, number, &[("1004", 2, 10690), ("1102", 1, 65290)]).await;
}

/// Lines are item, pieces and gross price of one piece in cents.
pub async fn submit_lines(shop: &mut Shop, number: &str, lines: &[(&str, i64, i64)]) {
    let request = order(number, "S-1", lines);
    // A shop repeats until it is answered: that is what makes a repeat safe.
    until(PATIENCE, "the order is acknowledged", async || {
        match shop.orders.submit_order(request.clone()).await {
            Ok(_) => Some(()),
            Err(status) if is_passing(&status) => None,
            Err(status) => panic!("order {number} was refused: {status}"),
        }
    })
    .await;
}

/// Whoever was called is not there at this moment.
pub fn is_passing(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal
    )
}

/// Rows 41, 42, 43, 46, 58, 59.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_travels_there_and_back_over_kafka_and_postgres() {
    let postgres = millrace_test_rig::postgres()
        .await
        .create_database("journey")
        .await
        .unwrap();
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let world = World::distributed(Plan::default(), &postgres, &bootstrap).await;
    let mut shop = world.shop().await;
    let before = until(PATIENCE, "the stock of 1004 is known", async || {
        shop.available("1004").await
    })
    .await;

    submit(&mut shop, "WEB-1").await;
    let posted = shop.reaches("WEB-1", OrderState::Posted).await;
    assert!(
        posted.total_difference.is_none(),
        "{:?}",
        posted.total_difference
    );
    assert_eq!(documents(&world, "WEB-1").await, 1);
    until(
        PATIENCE,
        "the two pieces are no longer offered",
        async || (shop.available("1004").await == Some(before - 2)).then_some(()),
    )
    .await;

    let shipped = json!({ "channel": CAPITALS, "orderNumber": "WEB-1", "agent": "DHL", "tracking": "JD0146" });
    world.simulator.office("ship", shipped).await.unwrap();
    let view = until(PATIENCE, "every line is delivered", async || {
        let view = shop.view("WEB-1").await.ok()?;
        view.lines
            .iter()
            .all(|line| line.state() == LineState::Delivered)
            .then_some(view)
    })
    .await;
    assert_eq!(view.parcels[0].tracking_number, "JD0146");
    world
        .simulator
        .office(
            "invoice",
            json!({ "channel": CAPITALS, "orderNumber": "WEB-1" }),
        )
        .await
        .unwrap();
    until(PATIENCE, "every line is invoiced", async || {
        let view = shop.view("WEB-1").await.ok()?;
        view.lines
            .iter()
            .all(|line| line.state() == LineState::Invoiced)
            .then_some(())
    })
    .await;
    let now = until(PATIENCE, "stock is answered", async || {
        shop.available("1004").await
    })
    .await;
    assert_eq!(now, before - 2, "a shipped order is counted once");
}

/// Row 113.
#[tokio::test(flavor = "multi_thread")]
async fn every_service_may_be_killed_in_mid_work_and_each_order_becomes_one_document() {
    let postgres = millrace_test_rig::postgres()
        .await
        .create_database("killed")
        .await
        .unwrap();
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let mut world = World::distributed(Plan::default(), &postgres, &bootstrap).await;
    let mut shop = world.shop().await;
    let before = until(PATIENCE, "the stock of 1004 is known", async || {
        shop.available("1004").await
    })
    .await;

    let mut numbers = Vec::new();
    for (round, service) in SERVICES.iter().enumerate() {
        for which in 0..4 {
            let number = format!("WEB-{round}-{which}");
            submit(&mut shop, &number).await;
            numbers.push(number);
        }
        world
            .simulator
            .office(
                "move-stock",
                json!({ "item": "1004", "location": "MAIN", "quantity": 1 }),
            )
            .await
            .unwrap();
        world.kill(service);
        let name = format!("after {service}");
        world
            .simulator
            .office("change-item", json!({ "number": "1503", "name": name }))
            .await
            .unwrap();
        world.start(service);
        world.ready().await;
        until(
            PATIENCE,
            &format!("the shop sees what changed while {service} was dead"),
            async || {
                let items = shop.items().await.ok()?;
                items
                    .into_iter()
                    .find(|item| {
                        item.item
                            .as_ref()
                            .is_some_and(|item| item.display_name == name)
                    })
                    .map(drop)
            },
        )
        .await;
    }
    for number in &numbers {
        shop.reaches(number, OrderState::Posted).await;
        assert_eq!(documents(&world, number).await, 1, "documents of {number}");
    }
    let sold = i64::try_from(numbers.len() * 2).unwrap();
    let moved = i64::try_from(SERVICES.len()).unwrap();
    until(
        PATIENCE,
        "the figure contains every order and every movement once",
        async || (shop.available("1004").await? == before - sold + moved).then_some(()),
    )
    .await;
    let outcome = format!(
        "{} orders, {} services killed, 0 lost, 0 doubled",
        numbers.len(),
        SERVICES.len()
    );
    soak_result("services-killed", &outcome).unwrap();
}

/// Row 129 (draining): SIGTERM is answered by finishing what is in hand and exit code 0.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_asked_to_stop_finishes_what_is_in_hand() {
    let mut world = World::in_one_process(Plan::default()).await;
    let mut shop = world.shop().await;
    until(PATIENCE, "stock is known", async || {
        shop.available("1004").await
    })
    .await;
    submit(&mut shop, "WEB-BEFORE-THE-STOP").await;
    let status = world.stop("all").await;
    assert!(status.success(), "{status}");
    world.start("all");
    world.ready().await;
    shop.reaches("WEB-BEFORE-THE-STOP", OrderState::Posted)
        .await;
    assert_eq!(documents(&world, "WEB-BEFORE-THE-STOP").await, 1);
}

/// Kafka gone for a while, PostgreSQL restarted: what was acknowledged is there, what can be served is served.
#[tokio::test(flavor = "multi_thread")]
async fn kafka_may_be_gone_for_a_while_and_postgres_restarted() {
    let server = Postgres::start().await.unwrap();
    let kafka = Kafka::start().await.unwrap();
    let postgres = server.create_database("outage").await.unwrap();
    let world = World::distributed(Plan::default(), &postgres, &kafka.bootstrap()).await;
    let mut shop = world.shop().await;
    until(PATIENCE, "the stock of 1004 is known", async || {
        shop.available("1004").await
    })
    .await;

    // Everything has caught up: what comes now comes in the outage.
    submit(&mut shop, "WEB-BEFORE").await;
    shop.reaches("WEB-BEFORE", OrderState::Posted).await;

    kafka.kill().await.unwrap();
    submit(&mut shop, "WEB-WITHOUT-KAFKA").await;
    assert!(
        shop.available("1004").await.is_some(),
        "lookups need no kafka"
    );
    world
        .simulator
        .office(
            "change-item",
            json!({ "number": "1503", "name": "while kafka was away" }),
        )
        .await
        .unwrap();
    until(
        PATIENCE,
        "the catalogue goes on without kafka",
        async || {
            let items = shop.items().await.ok()?;
            let renamed = |item: &millrace_contract::catalog::v1::CatalogItem| {
                item.item
                    .as_ref()
                    .is_some_and(|item| item.display_name == "while kafka was away")
            };
            items.iter().any(renamed).then_some(())
        },
    )
    .await;
    kafka.start_again().await.unwrap();

    server.restart().await.unwrap();
    submit(&mut shop, "WEB-AFTER-RESTART").await;
    let mut found = BTreeMap::new();
    for number in ["WEB-WITHOUT-KAFKA", "WEB-AFTER-RESTART"] {
        shop.reaches(number, OrderState::Posted).await;
        found.insert(number, documents(&world, number).await);
    }
    assert!(found.values().all(|count| *count == 1), "{found:?}");
    until(
        Duration::from_secs(120),
        "the feed tells what changed while kafka was away",
        async || {
            feed_has(&mut shop, "while kafka was away")
                .await
                .then_some(())
        },
    )
    .await;
}

pub async fn feed_has(shop: &mut Shop, text: &str) -> bool {
    use millrace_contract::changes::v1::start::At;
    use millrace_contract::changes::v1::{PullRequest, Start};
    let mut start = At::Snapshot(true);
    loop {
        let request = PullRequest {
            channel: crate::world::CHANNEL.into(),
            consumer: "story".into(),
            start: Some(Start { at: Some(start) }),
            max_changes: 1000,
            wait_seconds: 0,
            kinds: vec!["items".into()],
        };
        let Ok(answer) = shop.feed.pull(request).await else {
            return false;
        };
        let answer = answer.into_inner();
        let holds = |payload: &[u8]| {
            payload
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        };
        if answer.changes.iter().any(|change| holds(&change.payload)) {
            return true;
        }
        if answer.caught_up {
            return false;
        }
        start = At::AfterToken(answer.next_token);
    }
}
