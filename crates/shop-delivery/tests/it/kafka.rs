//! On real Kafka and PostgreSQL: the outward topics hold what the feed holds.

use std::sync::Arc;
use std::time::Duration;

use millrace_contract::changes::v1::start::At;
use millrace_event_bus::{KafkaBus, KafkaSettings};
use millrace_test_rig::{unique, until};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use crate::harness::{Ground, PATIENCE, Shown, World, furniture, shown};
use crate::source::*;

/// Rows 96, 98 and 112: a shop that reads only its outward topics knows the same as one that reads only gRPC.
#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_reads_its_own_topics_sees_what_its_feed_holds() {
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let prefix = format!("{}.", unique("delivery"));
    let bus = KafkaBus::new(KafkaSettings::new(&bootstrap, &prefix), unique("holder")).unwrap();
    bus.create_topics().await.unwrap();
    bus.create_channel_topics("furniture").await.unwrap();
    bus.create_channel_topics("toys").await.unwrap();
    let url = millrace_test_rig::postgres()
        .await
        .create_database("delivery")
        .await
        .unwrap();
    let world = World::on(
        Ground {
            url,
            bus: Arc::new(bus),
        },
        furniture("'DEALER'", "'EAST'"),
    )
    .await;

    // Prices and stock travel on other topics than their items: some come first.
    let count = 200;
    world
        .sources
        .say((1..=count).map(|number| price(number, "DEALER", i64::from(number))))
        .await;
    world
        .sources
        .say((1..=count).map(|number| stock(number, &[("EAST", 1), ("WEST", 2)])))
        .await;
    world
        .sources
        .say((1..=count).map(|number| item(number, "Chair")))
        .await;
    world
        .sources
        .say([
            blocked(7, "Chair"),
            no_item(8),
            order("furniture", "A-1"),
            order("toys", "T-1"),
        ])
        .await;
    let mut wanted = Shown::new();
    for number in (1..=count).filter(|number| ![7, 8].contains(number)) {
        wanted.extend(shown([
            item(number, "Chair"),
            price(number, "DEALER", i64::from(number)),
        ]));
        wanted.insert(
            stock_key(number),
            stock_payload(number, &[("EAST", 1)], &["furniture"]),
        );
    }
    wanted.extend(shown([order("furniture", "A-1")]));
    world.until_shown(&wanted).await;

    let topics = ["items", "prices", "inventories", "webshop-orders"]
        .map(|topic| format!("{prefix}shop.furniture.{topic}"));
    let seen = until(PATIENCE, "the outward topics hold the same", async || {
        let (bootstrap, topics) = (bootstrap.clone(), topics.clone());
        let seen = tokio::task::spawn_blocking(move || compacted(&bootstrap, &topics))
            .await
            .unwrap();
        (seen == wanted).then_some(seen)
    })
    .await;
    assert_eq!(seen.len(), wanted.len());
    world.end().await;
}

/// Every process serves a feed, one fills it; when that one goes, another does.
#[tokio::test(flavor = "multi_thread")]
async fn another_process_takes_a_feed_over_and_readers_notice_nothing() {
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let prefix = format!("{}.", unique("takeover"));
    let url = millrace_test_rig::postgres()
        .await
        .create_database("takeover")
        .await
        .unwrap();
    let ground = || {
        let bus = KafkaBus::new(KafkaSettings::new(&bootstrap, &prefix), unique("holder")).unwrap();
        Ground {
            url: url.clone(),
            bus: Arc::new(bus),
        }
    };
    let mut first = World::on(ground(), furniture("'DEALER'", "'EAST'")).await;
    first.sources.say([item(1, "Chair")]).await;
    first.until_shown(&shown([item(1, "Chair")])).await;
    let second = World::on(ground(), furniture("'DEALER'", "'EAST'")).await;
    let mut live = second.subscribe(At::Beginning(true)).await;
    assert_eq!(live.change().await.envelope.unwrap().key, item_key(1));

    first.sources.say([price(1, "", 100)]).await;
    assert_eq!(live.change().await.envelope.unwrap().key, price_key(1, ""));
    first.stop().await;
    first.sources.say([item(2, "Bench")]).await;
    let told = live.change().await.envelope.unwrap();
    assert_eq!(told.key, item_key(2));
    let all = second.pulled(At::Beginning(true), &[]).await;
    assert_eq!(all.len(), 3, "each once");
    second.end().await;
    first.end().await;
}

/// The last value of every key, of all partitions.
fn compacted(bootstrap: &str, topics: &[String]) -> Shown {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "nobody")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let mut all = TopicPartitionList::new();
    for topic in topics {
        let metadata = consumer
            .fetch_metadata(Some(topic), Duration::from_secs(10))
            .unwrap();
        for partition in metadata.topics()[0].partitions() {
            all.add_partition_offset(topic, partition.id(), Offset::Beginning)
                .unwrap();
        }
    }
    consumer.assign(&all).unwrap();
    let (mut seen, mut ends) = (Shown::new(), 0);
    while ends < all.count() {
        match consumer.poll(Duration::from_secs(10)) {
            Some(Ok(record)) => {
                let key = String::from_utf8(record.key().unwrap().to_vec()).unwrap();
                match record.payload() {
                    Some(payload) => seen.insert(key, payload.to_vec().into()),
                    None => seen.remove(&key),
                };
            }
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => ends += 1,
            Some(Err(error)) => panic!("{error}"),
            None => panic!("no end of the partitions in sight"),
        }
    }
    seen
}
