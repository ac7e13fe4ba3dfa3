//! Several processes of the service on real PostgreSQL and Kafka: one reads the ERP, all serve.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use millrace_catalog_sync::Config;
use millrace_event_bus::{Bus, KafkaBus, KafkaSettings, Mirrored};
use millrace_test_rig::{unique, until};
use serde_json::json;

use crate::harness::{PATIENCE, database_at, start_on};
use crate::truth::{adapter, simulator, truth, until_equal};

/// Rows 96 and 112.
#[tokio::test(flavor = "multi_thread")]
async fn another_process_takes_over_and_nothing_is_told_twice_or_lost() {
    let simulator = simulator().await;
    let url = millrace_test_rig::postgres()
        .await
        .create_database("catalog")
        .await
        .unwrap();
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let prefix = format!("{}.", unique("catalog"));
    let bus = || {
        let settings = KafkaSettings::new(&bootstrap, &prefix);
        Arc::new(KafkaBus::new(settings, unique("holder")).unwrap())
    };
    let reader: Arc<KafkaBus> = bus();
    reader.create_topics().await.unwrap();
    let config = Config {
        takeover_after: Duration::from_secs(2),
        ..Config::default()
    };
    let first = start_on(
        bus(),
        adapter(&simulator),
        database_at(&url).await,
        config.clone(),
    )
    .await;
    until_equal(&first, &simulator).await;
    let second = start_on(bus(), adapter(&simulator), database_at(&url).await, config).await;
    second.ready().await;
    until_equal(&second, &simulator).await;
    first.stop().await.close().await;
    simulator
        .office(
            "create-item",
            json!({ "number": "FRESH", "name": "Fresh", "unitPrice": 9.99 }),
        )
        .await
        .unwrap();
    until_equal(&second, &simulator).await;
    let items = truth(&simulator).0.len();
    assert_eq!(second.told("ItemChanged").await.len(), items, "each once");

    // And a newcomer on Kafka hears of every item.
    let found = until(PATIENCE, "every item is on the topic", async || {
        let mut mirrored = reader.mirror(&["items"]).await.ok()?;
        let mut keys = BTreeSet::new();
        while let Some(Ok(Mirrored::Record(record))) = mirrored.next().await {
            keys.insert(record.event.unwrap().event.key);
        }
        (keys.len() == items).then_some(keys.len())
    })
    .await;
    assert_eq!(found, items);
    second.stop().await.close().await;
    simulator.stop().await;
}
