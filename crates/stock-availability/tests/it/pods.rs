//! Several processes on a real PostgreSQL and Kafka: one joins, all answer.

use std::sync::Arc;
use std::time::Duration;

use millrace_contract::stock::v1 as wire;
use millrace_event_bus::{KafkaBus, KafkaSettings};
use millrace_service_kit::Ids;
use millrace_stock_availability::Config;
use millrace_test_rig::{unique, until};
use serde_json::json;

use crate::harness::{Client, PATIENCE, SHOP, adapter, database, get, simulator, start};
use crate::orders::{Orders, place};

async fn has(client: &Client, item: &str, available: i64) {
    let mut client = client.clone();
    let what = format!("{item} has {available}");
    until(PATIENCE * 2, &what, async || {
        let answer = get(&mut client, item, "", wire::Source::Index).await;
        (answer.known && answer.available.unwrap().units == available).then_some(())
    })
    .await;
}

/// Row 114, on real servers: orders are accepted, posted, shipped and dropped all at once, and the joiner changes in the middle.
#[tokio::test(flavor = "multi_thread")]
async fn orders_count_once_on_every_pod_while_another_takes_over() {
    let simulator = simulator().await;
    let url = millrace_test_rig::postgres()
        .await
        .create_database("stock")
        .await
        .unwrap();
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let prefix = format!("{}.", unique("stock"));
    let bus = || {
        let settings = KafkaSettings::new(&bootstrap, &prefix);
        Arc::new(KafkaBus::new(settings, unique("holder")).unwrap())
    };
    bus().create_topics().await.unwrap();
    let config = Config {
        takeover_after: Duration::from_secs(2),
        ..Config::default()
    };
    let first = start(
        adapter(&simulator),
        database(&url).await,
        bus(),
        config.clone(),
    )
    .await;
    first.ready().await;
    let second = start(adapter(&simulator), database(&url).await, bus(), config).await;
    second.ready().await;
    let orders = Arc::new(Orders::on(&bus()).await);
    let office = async |act: &str, body| simulator.office(act, body).await.unwrap();
    office(
        "create-item",
        json!({ "number": "RUSH-1", "name": "Rush", "unitPrice": 100 }),
    )
    .await;
    office(
        "move-stock",
        json!({ "item": "RUSH-1", "quantity": 500, "location": "MAIN" }),
    )
    .await;
    let client = second.client(Some(SHOP)).await;
    has(&client, "RUSH-1", 500).await;

    let erp = adapter(&simulator);
    let ids = Ids::seeded(114);
    let mut open = 0;
    let mut shipped = 0;
    let mut first = Some(first);
    for number in 0..24_i64 {
        let (name, pieces) = (format!("R-{number}"), number % 3 + 1);
        orders.accepted(&name, "RUSH-1", pieces).await;
        match (ids.fraction() * 4.0) as u8 {
            0 => open += pieces,
            1 => orders.cancelled(&name, pieces, pieces).await,
            fate => {
                let document = place(
                    &simulator,
                    &*erp,
                    &name,
                    "RUSH-1",
                    u32::try_from(pieces).unwrap(),
                )
                .await;
                orders.posted(&name, pieces, &document).await;
                open += pieces;
                if fate == 3 {
                    office(
                        "ship",
                        json!({ "channel": "FURNITURE-DE", "orderNumber": name }),
                    )
                    .await;
                    orders.shipped(&name, pieces).await;
                    shipped += 1;
                }
            }
        }
        if number == 12
            && let Some(first) = first.take()
        {
            first.stop().await;
        }
    }
    assert!(shipped > 0 && open > 0);
    has(&client, "RUSH-1", 500 - open).await;
    // What was posted is in the ERP's own figure by now, and still counts once.
    office(
        "move-stock",
        json!({ "item": "RUSH-1", "quantity": 10, "location": "SOUTH" }),
    )
    .await;
    has(&client, "RUSH-1", 510 - open).await;
    second.stop().await;
}
