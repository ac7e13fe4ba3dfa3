//! What both adapters promise.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use millrace_event_bus::{BusError, Mirrored};

use crate::handler::Obedient;
use crate::world::{World, append, event, item, order, pairs, price, taken, until};

/// Row 112.
pub async fn records_of_a_key_come_in_order_and_every_event_once(world: World) {
    let (log, sink) = (world.log().await, world.sink().await);
    let events: Vec<_> = (0..300)
        .map(|number| item(&log, &format!("item/{}", number % 7), &number.to_string()))
        .collect();
    let (early, late) = events.split_at(200);
    append(&log, early.to_vec()).await;
    let relay = world.relay(&log).await;
    let (consumer, meter) =
        world.consume(world.consumer(&["items"], &sink, Arc::new(Obedient::default())));
    taken(&sink, 50).await;
    append(&log, late.to_vec()).await;

    let taken = taken(&sink, 300).await;
    let mut last: HashMap<&str, i64> = HashMap::new();
    for (key, body) in &taken {
        let number: i64 = body.parse().expect("a number");
        assert!(
            last.insert(key, number)
                .is_none_or(|before| before < number),
            "{key} went back to {number}"
        );
    }
    assert_eq!(taken.len(), 300);
    assert_eq!(meter.read().handled, 300);
    consumer.stop().await;
    relay.stop().await;
}

pub async fn events_of_packages_outside_the_table_stay_private(world: World) {
    let (log, sink) = (world.log().await, world.sink().await);
    append(
        &log,
        [
            event(&log, "millrace.secrets.v1.Told", "s", "private"),
            item(&log, "a", "public"),
        ],
    )
    .await;
    let relay = world.relay(&log).await;
    let (consumer, _) =
        world.consume(world.consumer(&["items", "prices"], &sink, Arc::new(Obedient::default())));
    assert_eq!(taken(&sink, 1).await, pairs(&[("a", "public")]));
    consumer.stop().await;
    relay.stop().await;
}

pub async fn a_reader_may_come_before_the_log(world: World) {
    let (log, sink) = (world.log().await, world.sink().await);
    let (consumer, _) =
        world.consume(world.consumer(&["items"], &sink, Arc::new(Obedient::default())));
    let relay = world.relay(&log).await;
    append(&log, [item(&log, "a", "1")]).await;
    assert_eq!(taken(&sink, 1).await, pairs(&[("a", "1")]));
    consumer.stop().await;
    relay.stop().await;
}

pub async fn a_consumer_goes_on_where_it_stopped(world: World) {
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    let handler = Arc::new(Obedient::default());
    for round in 0..4 {
        let (consumer, _) =
            world.consume(world.consumer(&["items", "webshop-orders"], &sink, handler.clone()));
        append(
            &log,
            (0..10).map(|n| item(&log, "a", &format!("{round}.{n}"))),
        )
        .await;
        append(
            &log,
            (0..10).map(|n| order(&log, "o", &format!("{round}.{n}"))),
        )
        .await;
        taken(&sink, round * 20 + 5).await;
        if round % 2 == 0 {
            consumer.kill().await
        } else {
            consumer.stop().await
        }
    }
    let (consumer, _) = world.consume(world.consumer(&["items", "webshop-orders"], &sink, handler));
    assert_eq!(taken(&sink, 80).await.len(), 80);
    consumer.stop().await;
    relay.stop().await;
}

pub async fn an_effect_that_fails_is_tried_again_and_neither_lost_nor_doubled(world: World) {
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    append(
        &log,
        (0..20).map(|n| item(&log, &format!("{}", n % 3), &n.to_string())),
    )
    .await;
    append(
        &log,
        [
            item(&log, "b", "broken"),
            item(&log, "b", "after"),
            item(&log, "c", "other"),
        ],
    )
    .await;
    let handler = Arc::new(Obedient {
        stumbling: true,
        ..Obedient::default()
    });
    handler.broken.store(true, Ordering::Relaxed);
    let (consumer, meter) = world.consume(world.consumer(&["items"], &sink, handler.clone()));
    until("a failure is counted", async || meter.read().failed > 0).await;
    taken(&sink, 5).await;
    handler.broken.store(false, Ordering::Relaxed);
    let taken = taken(&sink, 23).await;
    let of_b: Vec<&str> = taken
        .iter()
        .filter(|(key, _)| key == "b")
        .map(|(_, body)| body.as_str())
        .collect();
    assert_eq!(of_b, ["broken", "after"]);
    assert_eq!((taken.len(), meter.read().parked), (23, 0));
    consumer.stop().await;
    relay.stop().await;
}

pub async fn a_deletion_arrives_without_a_value(world: World) {
    let (log, sink) = (world.log().await, world.sink().await);
    append(&log, [item(&log, "a", "1"), item(&log, "a", "deleted")]).await;
    let relay = world.relay(&log).await;
    let (consumer, _) =
        world.consume(world.consumer(&["items"], &sink, Arc::new(Obedient::default())));
    assert_eq!(
        taken(&sink, 2).await,
        pairs(&[("a", "1"), ("a", "deleted")])
    );
    let mut mirror = world.bus.mirror(&["items"]).await.expect("a mirror");
    while let Some(mirrored) = mirror.next().await {
        match mirrored.expect("readable") {
            Mirrored::Record(delivery) => {
                let recorded = delivery.event.expect("an event");
                assert_eq!(
                    recorded.event.deleted,
                    recorded.event.payload.is_empty(),
                    "{recorded:?}"
                );
            }
            Mirrored::CaughtUp => break,
        }
    }
    consumer.stop().await;
    relay.stop().await;
}

pub async fn a_reader_with_a_pace_takes_together_what_comes_soon_after_another(world: World) {
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    let handler = Arc::new(Obedient::default());
    let reader = world.consumer(&["items"], &sink, handler.clone());
    let (consumer, _) = world.consume(reader.pace(Duration::from_secs(2)));
    append(&log, [item(&log, "first", "1")]).await;
    taken(&sink, 1).await;
    let before = handler.pages.load(Ordering::Relaxed);
    append(&log, (0..20).map(|n| item(&log, &n.to_string(), "soon"))).await;
    taken(&sink, 21).await;
    assert!(handler.pages.load(Ordering::Relaxed) - before <= 2);
    consumer.stop().await;
    relay.stop().await;
}

/// Row 112.
pub async fn a_newcomer_sees_the_latest_of_every_key_then_what_comes(world: World) {
    let (log, sink) = (world.log().await, world.sink().await);
    append(
        &log,
        (0..50).map(|n| item(&log, &format!("{}", n % 5), &n.to_string())),
    )
    .await;
    append(&log, [price(&log, "p", "1")]).await;
    let relay = world.relay(&log).await;
    let (consumer, _) =
        world.consume(world.consumer(&["items", "prices"], &sink, Arc::new(Obedient::default())));
    taken(&sink, 51).await;

    let mut mirror = world
        .bus
        .mirror(&["items", "prices"])
        .await
        .expect("a mirror");
    let mut state: HashMap<String, String> = HashMap::new();
    let mut caught_up = false;
    let read = async {
        while let Some(mirrored) = mirror.next().await {
            match mirrored.expect("readable") {
                Mirrored::Record(delivery) => {
                    let event = delivery.event.expect("an event").event;
                    state.insert(
                        event.key,
                        String::from_utf8_lossy(&event.payload).into_owned(),
                    );
                }
                Mirrored::CaughtUp => {
                    let expected: HashMap<String, String> = (45..50)
                        .map(|n: i32| ((n % 5).to_string(), n.to_string()))
                        .chain([("p".to_owned(), "1".to_owned())])
                        .collect();
                    assert_eq!(state, expected);
                    caught_up = true;
                    append(&log, [item(&log, "live", "yes")]).await;
                }
            }
            if state.contains_key("live") {
                break;
            }
        }
    };
    tokio::time::timeout(crate::world::PATIENCE, read)
        .await
        .expect("in time");
    assert!(caught_up);
    consumer.stop().await;
    relay.stop().await;
}

pub async fn a_handler_appends_to_its_own_log_once(world: World) {
    let (log, sink) = (world.log().await, world.sink().await);
    append(
        &log,
        (0..30).map(|n| {
            item(
                &log,
                &format!("{}", n % 4),
                if n % 2 == 0 { "append" } else { "plain" },
            )
        }),
    )
    .await;
    let relay = world.relay(&log).await;
    let handler = Arc::new(Obedient {
        stumbling: true,
        ..Obedient::default()
    });
    let (consumer, _) = world.consume(world.consumer(&["items"], &sink, handler.clone()).batch(7));
    taken(&sink, 10).await;
    consumer.kill().await;
    let (consumer, _) = world.consume(world.consumer(&["items"], &sink, handler));
    assert_eq!(taken(&sink, 30).await.len(), 30);
    consumer.stop().await;
    relay.stop().await;
    let own = sink
        .log()
        .await
        .expect("a log")
        .read_feed(0, 100)
        .await
        .expect("readable");
    assert_eq!(own.len(), 15, "every echo once");
}

/// FAULTS F7 for consumers: one fell asleep with a batch in hand, its partitions went to another.
pub async fn two_that_both_believe_to_own_a_partition_double_nothing(world: World) {
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    let one = world.consume(
        world
            .consumer(&["items"], &sink, Arc::new(Obedient::default()))
            .batch(3),
    );
    let other = world.consume(
        world
            .consumer(&["items"], &sink, Arc::new(Obedient::default()))
            .batch(5),
    );
    append(
        &log,
        (0..200).map(|n| item(&log, &format!("{}", n % 9), &n.to_string())),
    )
    .await;
    assert_eq!(taken(&sink, 200).await.len(), 200);
    until("both have counted", async || {
        one.1.read().handled + other.1.read().handled >= 200
    })
    .await;
    assert_eq!(one.1.read().handled + other.1.read().handled, 200);
    one.0.stop().await;
    other.0.stop().await;
    relay.stop().await;
}

pub async fn an_unknown_topic_is_refused(world: World) {
    let sink = world.sink().await;
    let consumer = world.consumer(&["no-such-topic"], &sink, Arc::new(Obedient::default()));
    let refused = millrace_event_bus::consume(
        world.bus.clone(),
        consumer,
        millrace_service_kit::Shutdown::new(),
    )
    .await;
    assert!(matches!(refused, Err(BusError::UnknownTopic(topic)) if topic == "no-such-topic"));
    assert!(matches!(
        world.bus.mirror(&["nor-this"]).await,
        Err(BusError::UnknownTopic(_))
    ));
}
