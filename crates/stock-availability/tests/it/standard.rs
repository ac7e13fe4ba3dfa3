//! A tenant without the companion: one total per item, and time instead of row versions.

use std::sync::Arc;
use std::time::Duration;

use millrace_contract::stock::v1 as wire;
use millrace_event_bus::EmbeddedBus;
use millrace_stock_availability::Config;
use millrace_test_rig::until;
use serde_json::json;

use crate::harness::{
    Client, PATIENCE, SHOP, adapter_at_level, database, get, quick, simulator_with, start,
};
use crate::orders::Orders;

async fn has(client: &Client, item: &str, available: i64) {
    let mut client = client.clone();
    let what = format!("{item} has {available}");
    until(PATIENCE, &what, async || {
        let answer = get(&mut client, item, "", wire::Source::Index).await;
        (answer.known && answer.available.unwrap().units == available).then_some(())
    })
    .await;
}

/// Row 114 where the ERP has no row versions: an order counts until its goods have left the total, erring towards less.
#[tokio::test]
async fn an_order_counts_until_its_goods_have_left_the_total() {
    let simulator = simulator_with(false).await;
    let erp = adapter_at_level(&simulator, "standard");
    let bus = Arc::new(EmbeddedBus::new());
    let config = Config {
        margin: Duration::from_millis(300),
        ..quick()
    };
    let service = start(erp, database("sqlite::memory:").await, bus.clone(), config).await;
    service.ready().await;
    let orders = Orders::on(&bus).await;
    let client = service.client(Some(SHOP)).await;
    let office = async |act: &str, body| simulator.office(act, body).await.unwrap();
    office(
        "create-item",
        json!({ "number": "PLAIN-1", "name": "Plain", "unitPrice": 100 }),
    )
    .await;
    office(
        "move-stock",
        json!({ "item": "PLAIN-1", "quantity": 10, "location": "SOUTH" }),
    )
    .await;
    has(&client, "PLAIN-1", 10).await;
    orders.accepted("S-1", "PLAIN-1", 3).await;
    has(&client, "PLAIN-1", 7).await;
    // The goods leave and the total falls: for a moment the order may count twice, rather than not at all; then once.
    office(
        "move-stock",
        json!({ "item": "PLAIN-1", "quantity": -3, "location": "SOUTH" }),
    )
    .await;
    orders.shipped("S-1", 3).await;
    has(&client, "PLAIN-1", 7).await;
    orders.accepted("S-2", "PLAIN-1", 2).await;
    has(&client, "PLAIN-1", 5).await;
    until(
        PATIENCE,
        "the shipped order is followed no more",
        async || {
            let query =
                sqlx::query_as("SELECT COUNT(*) FROM in_flight").fetch_one(service.database.pool());
            let (left,): (i64,) = query.await.unwrap();
            (left == 1).then_some(())
        },
    )
    .await;
    has(&client, "PLAIN-1", 5).await;
    service.stop().await;
}
