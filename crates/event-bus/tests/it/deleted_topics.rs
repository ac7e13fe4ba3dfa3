//! An operator deletes a topic of Kafka and leaves the relay's checkpoint: what the log holds comes back by itself.

use std::collections::HashMap;
use std::sync::Arc;

use millrace_event_bus::KafkaBus;
use millrace_event_store::Database;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;

use crate::handler::Obedient;
use crate::kafka::whole;
use crate::world::{World, append, item, kafka_bus, price, taken, until};

struct Published {
    world: World,
    bus: KafkaBus,
    bootstrap: String,
    log: Database,
}

impl Published {
    /// A log whose items 0 to 19 and prices 0 to 4 Kafka has.
    async fn new() -> Self {
        let bootstrap = millrace_test_rig::kafka().await.bootstrap();
        let world = World::embedded();
        let bus = kafka_bus(&bootstrap, &world.prefix);
        let world = World {
            bus: Arc::new(bus.clone()),
            ..world
        };
        let log = world.log().await;
        append(&log, (0..20).map(|n| item(&log, &n.to_string(), "item"))).await;
        append(&log, (0..5).map(|n| price(&log, &n.to_string(), "price"))).await;
        let relay = world.relay(&log).await;
        until("all is published", async || reading(&bus).1 >= 25).await;
        relay.stop().await;
        Self {
            world,
            bus,
            bootstrap,
            log,
        }
    }

    async fn delete(&self, topic: &str) {
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .create()
            .expect("an admin");
        let full = format!("{}.{topic}", self.world.prefix);
        let done = admin.delete_topics(&[&full], &AdminOptions::new()).await;
        assert!(done.expect("answered").iter().all(Result::is_ok));
        until("the topic is gone", async || {
            let topics = admin
                .inner()
                .fetch_metadata(None, std::time::Duration::from_secs(10))
                .expect("topics");
            topics.topics().iter().all(|topic| topic.name() != full)
        })
        .await;
    }

    async fn items(&self) -> HashMap<String, String> {
        whole(&self.bus, "items").await.0
    }
}

/// Where the relay stands, and how many records it has published.
fn reading(bus: &KafkaBus) -> (u64, u64) {
    let relays = bus.relays();
    relays
        .first()
        .map_or((0, 0), |relay| (relay.position, relay.published))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_topic_is_filled_again_for_a_newcomer_and_the_others_are_left_alone() {
    let published = Published::new().await;
    let (world, log) = (&published.world, &published.log);
    published.delete("items").await;
    let before = reading(&published.bus).1;
    append(log, [item(log, "20", "item"), price(log, "5", "price")]).await;
    let relay = world.relay(log).await;
    let sink = world.sink().await;
    let newcomer = world.consumer(&["items", "prices"], &sink, Arc::new(Obedient::default()));
    let (newcomer, _) = world.consume(newcomer);
    assert_eq!(taken(&sink, 27).await.len(), 27);
    let head = log.log().await.unwrap().head().await.unwrap();
    until("all is committed", async || {
        reading(&published.bus).0 >= head
    })
    .await;
    assert_eq!(
        reading(&published.bus).1 - before,
        22,
        "the items and one new price"
    );
    newcomer.stop().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_topic_that_a_reader_made_anew_is_filled_again() {
    let published = Published::new().await;
    published.delete("items").await;
    assert!(published.items().await.is_empty(), "reading makes it anew");
    let relay = published.world.relay(&published.log).await;
    until("everything is there again", async || {
        published.items().await.len() == 20
    })
    .await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_deleted_under_a_relay_at_work_is_filled_again() {
    let published = Published::new().await;
    let (log, before) = (&published.log, reading(&published.bus).1);
    let relay = published.world.relay(log).await;
    append(log, [price(log, "5", "price")]).await;
    until("the relay is at work", async || {
        reading(&published.bus).1 > before
    })
    .await;
    published.delete("items").await;
    until("everything is there again", async || {
        published.items().await.len() == 20
    })
    .await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_whose_topics_are_there_publishes_nothing_again() {
    let published = Published::new().await;
    let (log, before) = (&published.log, reading(&published.bus).1);
    append(log, [item(log, "20", "item")]).await;
    let relay = published.world.relay(log).await;
    until("what is new is published", async || {
        reading(&published.bus).1 > before
    })
    .await;
    relay.stop().await;
    assert_eq!(reading(&published.bus).1 - before, 1);
}
