//! What only a real Kafka shows: groups, fences, brokers that go away, records that are gone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use millrace_event_bus::{
    Bus, Consumer, From, KafkaBus, Mirrored, Routes, list_parked, list_stalled, restart_stalled,
};
use millrace_event_store::Database;
use millrace_service_kit::Shutdown;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::handler::{self, Obedient};
use crate::world::{PATIENCE, World, append, item, kafka_bus, order, price, taken, until};

pub fn world(bootstrap: &str) -> World {
    let world = World::embedded();
    World {
        bus: Arc::new(kafka_bus(bootstrap, &world.prefix)),
        ..world
    }
}

/// Everything in the topic that is committed: per key the last body, and for each position how often it is there.
pub async fn whole(bus: &dyn Bus, topic: &str) -> (HashMap<String, String>, HashMap<u64, u32>) {
    let mut stream = bus.mirror(&[topic]).await.expect("a mirror");
    let (mut state, mut positions, mut last) = (HashMap::new(), HashMap::new(), HashMap::new());
    let read = async {
        while let Some(mirrored) = stream.next().await {
            let Mirrored::Record(delivery) = mirrored.expect("readable") else {
                break;
            };
            let recorded = delivery.event.expect("an event");
            let before = last.insert(delivery.partition, recorded.at.number);
            assert!(
                before.is_none_or(|before| before < recorded.at.number),
                "positions rise in a partition"
            );
            *positions.entry(recorded.at.number).or_insert(0) += 1;
            state.insert(
                recorded.event.key,
                String::from_utf8_lossy(&recorded.event.payload).into_owned(),
            );
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("in time");
    (state, positions)
}

/// FAULTS F10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_goes_away_and_comes_back_loses_nothing() {
    let kafka = millrace_test_rig::Kafka::start().await.expect("a kafka");
    let world = world(&kafka.bootstrap());
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    let (consumer, _) =
        world.consume(world.consumer(&["items"], &sink, Arc::new(Obedient::default())));
    append(
        &log,
        (0..50).map(|n| item(&log, &format!("{}", n % 5), &format!("{n}"))),
    )
    .await;
    taken(&sink, 50).await;
    kafka.kill().await.expect("killed");
    append(
        &log,
        (50..100).map(|n| item(&log, &format!("{}", n % 5), &format!("{n}"))),
    )
    .await;
    until("its absence is told", async || {
        world.bus.check().await.is_err()
    })
    .await;
    kafka.start_again().await.expect("started");
    assert_eq!(taken(&sink, 100).await.len(), 100);
    kafka.stop().await.expect("stopped");
    append(
        &log,
        (100..150).map(|n| item(&log, &format!("{}", n % 5), &format!("{n}"))),
    )
    .await;
    kafka.start_again().await.expect("started");
    assert_eq!(taken(&sink, 150).await.len(), 150);
    consumer.stop().await;
    relay.stop().await;
}

/// FAULTS F13.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn facts_that_kafka_no_longer_has_are_told_and_never_skipped_silently() {
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let world = world(&bootstrap);
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    let consumer = || world.consumer(&["webshop-orders"], &sink, Arc::new(Obedient::default()));
    let (running, _) = world.consume(consumer());
    append(&log, (0..4).map(|n| order(&log, "o", &format!("{n}")))).await;
    taken(&sink, 4).await;
    running.stop().await;
    append(&log, (4..8).map(|n| order(&log, "o", &format!("{n}")))).await;
    let head = log
        .log()
        .await
        .expect("a log")
        .head()
        .await
        .expect("a head");
    until("all is published", async || {
        whole(&*world.bus, "webshop-orders")
            .await
            .1
            .contains_key(&head)
    })
    .await;
    delete_records(&bootstrap, &format!("{}.webshop-orders", world.prefix)).await;
    append(&log, [order(&log, "o", "8")]).await;

    let (running, meter) = world.consume(consumer());
    until("it waits for a person", async || {
        list_stalled(&sink).await.expect("readable").len() == 1
    })
    .await;
    let stalled = list_stalled(&sink).await.expect("readable");
    assert!(
        stalled[0].reason.contains("are gone"),
        "{}",
        stalled[0].reason
    );
    assert_eq!(
        (handler::taken(&sink).await.len(), meter.read().resyncs),
        (4, 1)
    );
    restart_stalled(&sink, &stalled[0], From::Beginning)
        .await
        .expect("restarted");
    assert_eq!(taken(&sink, 5).await[4].1, "8");
    running.stop().await;
    relay.stop().await;
}

async fn delete_records(bootstrap: &str, topic: &str) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .create()
        .expect("an admin");
    let mut all = TopicPartitionList::new();
    for partition in 0..12 {
        all.add_partition_offset(topic, partition, Offset::End)
            .expect("a partition");
    }
    admin
        .delete_records(&all, &AdminOptions::new())
        .await
        .expect("deleted");
}

/// FAULTS F13: Kafka has forgotten everything; the log has not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kafka_that_lost_its_topics_is_filled_again_from_the_log() {
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let world = world(&bootstrap);
    let bus = kafka_bus(&bootstrap, &world.prefix);
    let world = World {
        bus: Arc::new(bus.clone()),
        ..world
    };
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    let consumer = || world.consumer(&["items"], &sink, Arc::new(Obedient::default()));
    let (running, _) = world.consume(consumer());
    in_many_transactions(&bus, &log, &sink).await;
    running.stop().await;
    relay.stop().await;
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .create()
        .expect("an admin");
    let topics = [
        format!("{}.items", world.prefix),
        format!("{}.relay.source", world.prefix),
    ];
    admin
        .delete_topics(&[&topics[0], &topics[1]], &AdminOptions::new())
        .await
        .expect("deleted");

    append(&log, [item(&log, "0", "newest")]).await;
    let relay = world.relay(&log).await;
    let (running, meter) = world.consume(consumer());
    until("what is new arrives", async || {
        handler::taken(&sink)
            .await
            .iter()
            .any(|(_, body)| body == "newest")
    })
    .await;
    assert_eq!(
        whole(&*world.bus, "items").await.1.len(),
        41,
        "and everything else is there again"
    );
    assert_eq!(
        handler::taken(&sink).await.len(),
        41,
        "what was taken before is not taken again"
    );
    assert!(meter.read().resyncs > 0);
    running.stop().await;
    relay.stop().await;
}

fn published(bus: &KafkaBus) -> u64 {
    bus.relays().iter().map(|relay| relay.published).sum()
}

/// Forty events of five keys, four of each key in a transaction of their own.
async fn in_many_transactions(bus: &KafkaBus, log: &Database, sink: &Database) {
    for round in 0..4 {
        let bodies = round * 10..round * 10 + 10;
        append(
            log,
            bodies.map(|n| item(log, &format!("{}", n % 5), &format!("{n}"))),
        )
        .await;
        taken(sink, round * 10 + 10).await;
        until("a transaction has ended", async || {
            published(bus) >= (round * 10 + 10) as u64
        })
        .await;
    }
}

/// FAULTS F13: what was made anew has grown past the place where the reader stopped before the reader comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_made_anew_and_longer_than_before_is_read_from_its_beginning() {
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let world = world(&bootstrap);
    let bus = kafka_bus(&bootstrap, &world.prefix);
    let world = World {
        bus: Arc::new(bus.clone()),
        ..world
    };
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    let consumer = || world.consumer(&["items"], &sink, Arc::new(Obedient::default()));
    let (running, _) = world.consume(consumer());
    in_many_transactions(&bus, &log, &sink).await;
    running.stop().await;
    relay.stop().await;
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .create()
        .expect("an admin");
    let topics = [
        format!("{}.items", world.prefix),
        format!("{}.relay.source", world.prefix),
    ];
    admin
        .delete_topics(&[&topics[0], &topics[1]], &AdminOptions::new())
        .await
        .expect("deleted");

    append(
        &log,
        (40..90).map(|n| item(&log, &format!("{}", n % 5), &format!("{n}"))),
    )
    .await;
    let relay = world.relay(&log).await;
    until("all of it is there again", async || published(&bus) >= 130).await;
    let (running, _) = world.consume(consumer());
    let taken = taken(&sink, 90).await;
    assert_eq!(taken.len(), 90, "each once");
    running.stop().await;
    relay.stop().await;
}

/// FAULTS F11, F14: neither a record nobody can read nor one that is too large holds up the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_and_oversized_records_are_parked_and_others_go_on() {
    use rdkafka::producer::{FutureProducer, FutureRecord};
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let world = world(&bootstrap);
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    let (running, _) =
        world.consume(world.consumer(&["items"], &sink, Arc::new(Obedient::default())));
    append(&log, [item(&log, "a", "1")]).await;
    taken(&sink, 1).await;
    let stranger: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .create()
        .expect("a producer");
    let topic = format!("{}.items", world.prefix);
    stranger
        .send(
            FutureRecord::to(&topic).key("x").payload("?"),
            Duration::from_secs(10),
        )
        .await
        .expect("sent");
    append(
        &log,
        [
            item(&log, "big", &"b".repeat(1_500_000)),
            item(&log, "a", "2"),
        ],
    )
    .await;
    taken(&sink, 2).await;
    until("both are kept aside", async || {
        list_parked(&sink, 0, 10).await.expect("readable").len() == 2
    })
    .await;
    let mut parked = list_parked(&sink, 0, 10).await.expect("readable");
    parked.sort_by(|left, right| left.key.cmp(&right.key));
    assert_eq!(
        (parked[0].key.as_str(), parked[1].key.as_str()),
        ("big", "x")
    );
    assert!(
        parked[0].reason.contains("larger than kafka takes"),
        "{}",
        parked[0].reason
    );
    assert!(
        parked[1].reason.contains("no ce_specversion"),
        "{}",
        parked[1].reason
    );
    append(&log, [item(&log, "big", "small")]).await;
    until("a newer state supersedes", async || {
        list_parked(&sink, 0, 10).await.expect("readable").len() == 1
    })
    .await;
    running.stop().await;
    relay.stop().await;
}

/// What `millrace migrate` does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_created_once_from_the_table() {
    let bus = kafka_bus(
        &millrace_test_rig::kafka().await.bootstrap(),
        &millrace_test_rig::unique("topics"),
    );
    let (left, right) = tokio::join!(bus.create_topics(), bus.create_topics());
    assert_eq!(
        left.expect("created").len() + right.expect("created").len(),
        millrace_event_bus::topics::internal().count()
    );
    assert_eq!(
        bus.create_topics().await.expect("nothing to do"),
        Vec::<String>::new()
    );
    let outward = bus.create_channel_topics("b2b").await.expect("created");
    assert!(
        outward.iter().any(|name| name.ends_with(".shop.b2b.items")),
        "{outward:?}"
    );
    assert!(
        outward.iter().any(|name| name.ends_with(".doorbells")),
        "{outward:?}"
    );
    assert!(
        !outward.iter().any(|name| name.ends_with(".channels")),
        "{outward:?}"
    );
}

/// Outward topics carry what is meant for their channel, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channels_topics_carry_its_own_events_only() {
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let world = world(&bootstrap);
    let log: Database = world.log().await;
    let for_channel = |channel: &str, body: &str| {
        let (stream, mut event) = item(&log, &format!("{channel}/a"), body);
        event.channel = Some(channel.to_owned());
        (stream, event)
    };
    append(
        &log,
        [
            for_channel("b2b", "1"),
            for_channel("b2c", "2"),
            item(&log, "a", "3"),
            for_channel("b2b", "4"),
        ],
    )
    .await;
    let shutdown = Shutdown::new();
    let relay = tokio::spawn({
        let (bus, log, shutdown) = (
            world.bus.clone(),
            log.log().await.expect("a log"),
            shutdown.clone(),
        );
        async move {
            bus.relay(log, Routes::Channel("b2b".to_owned()), shutdown)
                .await
        }
    });
    let outward = kafka_bus(&bootstrap, &format!("{}.shop.b2b", world.prefix));
    until("the channel's state is there", async || {
        let (state, positions) = whole(&outward, "items").await;
        state.get("b2b/a").map(String::as_str) == Some("4")
            && state.len() == 1
            && positions.len() == 2
    })
    .await;
    shutdown.cancel();
    relay.await.expect("did not panic").expect("ended well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_takes_what_it_names_first_before_what_refers_to_it() {
    let world = World::kafka().await;
    let log = world.log().await;
    let prices = (0..300).map(|n| price(&log, &format!("price/{n}"), &format!("needs:items/{n}")));
    append(&log, prices).await;
    append(&log, (0..300).map(|n| item(&log, &n.to_string(), "item"))).await;
    let relay = world.relay(&log).await;
    // The other way round many come too early.
    let (first, second) = (world.sink().await, world.sink().await);
    let topics = ["prices", "items"];
    let early = Consumer::new(
        &format!("{}.early", world.prefix),
        &topics,
        first.clone(),
        Arc::new(Obedient::default()),
    );
    let (early, meter) = world.consume(early);
    taken(&first, 600).await;
    assert!(meter.read().unresolved > 0);
    early.stop().await;

    let late = world.consumer(&["items", "prices"], &second, Arc::new(Obedient::default()));
    let (late, meter) = world.consume(late);
    let order = taken(&second, 600).await;
    assert!(order[..300].iter().all(|(_, body)| body == "item"));
    assert_eq!(meter.read().unresolved, 0, "nothing was kept aside");
    late.stop().await;
    relay.stop().await;
}
