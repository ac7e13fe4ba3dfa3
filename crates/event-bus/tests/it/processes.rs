//! Several processes on one Kafka: one falls asleep and wakes up late, a group grows and shrinks.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::Arc;

use millrace_event_bus::{Bus, Routes};
use millrace_service_kit::Shutdown;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;

use crate::handler::{self, Obedient};
use crate::kafka::{whole, world};
use crate::world::{Running, World, append, item, kafka_bus, order, shared_database, taken, until};

const CHILD: &str = "MILLRACE_BUS_CHILD";

/// FAULTS F7, F12 for the relay: its stale records would stay in a compacted topic for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_zombie_relay_woke_up_a_newcomer_still_finds_the_right_state() {
    let postgres = millrace_test_rig::postgres()
        .await
        .create_database("zombie")
        .await
        .expect("a database");
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let world = world(&bootstrap);
    let log = shared_database(&postgres, "source").await;
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "processes::child_relay", "--nocapture"])
        .env(CHILD, format!("{postgres} {bootstrap} {}", world.prefix))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("a child");
    let zombie = Pid::from_raw(i32::try_from(child.id().expect("it runs")).expect("a pid"));

    let writing = Shutdown::new();
    let writer = tokio::spawn({
        let (log, writing) = (log.clone(), writing.clone());
        async move {
            let mut number = 0;
            while !writing.is_cancelled() {
                append(
                    &log,
                    (0..20).map(|key| item(&log, &format!("{key}"), &format!("{number}"))),
                )
                .await;
                number += 1;
            }
        }
    });
    until("the child publishes", async || {
        !whole(&*world.bus, "items").await.0.is_empty()
    })
    .await;
    kill(zombie, Signal::SIGSTOP).expect("stopped");
    let relay = world.relay(&log).await;
    let before = whole(&*world.bus, "items").await.1.len();
    until("the successor publishes", async || {
        whole(&*world.bus, "items").await.1.len() > before
    })
    .await;
    writing.cancel();
    writer.await.expect("wrote");
    append(
        &log,
        (0..20).map(|key| item(&log, &format!("{key}"), "final")),
    )
    .await;
    let head = log
        .log()
        .await
        .expect("a log")
        .head()
        .await
        .expect("a head");
    kill(zombie, Signal::SIGCONT).expect("continued");

    until("everything is published", async || {
        whole(&*world.bus, "items").await.1.contains_key(&head)
    })
    .await;
    // The zombie has had its chance once it says that it is fenced and stands by.
    append(&log, [item(&log, "0", "final")]).await;
    until("and goes on to be", async || {
        whole(&*world.bus, "items")
            .await
            .1
            .contains_key(&(head + 1))
    })
    .await;
    let newcomer = kafka_bus(&bootstrap, &world.prefix);
    let (state, positions) = whole(&newcomer, "items").await;
    assert!(state.values().all(|body| body == "final"), "{state:?}");
    assert!(
        positions.values().all(|times| *times == 1),
        "every position once"
    );
    let events = log
        .log()
        .await
        .expect("a log")
        .read_feed(0, 1_000_000)
        .await
        .expect("a feed");
    let published = events
        .iter()
        .filter(|recorded| recorded.event.kind.starts_with("millrace.items."))
        .count();
    assert_eq!(positions.len(), published, "every event");
    child.kill().await.expect("killed");
    relay.stop().await;
}

/// The other process of the test above; on its own it has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_relay() {
    let Ok(settings) = std::env::var(CHILD) else {
        return;
    };
    let [postgres, bootstrap, prefix] = settings.split(' ').collect::<Vec<_>>()[..] else {
        panic!("three words")
    };
    let log = shared_database(postgres, "source")
        .await
        .log()
        .await
        .expect("a log");
    kafka_bus(bootstrap, prefix)
        .relay(log, Routes::Internal, Shutdown::new())
        .await
        .expect("ends well");
}

/// FAULTS F12. Row 112.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_grows_and_shrinks_and_loses_nothing() {
    let postgres = millrace_test_rig::postgres()
        .await
        .create_database("group")
        .await
        .expect("a database");
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let world = world(&bootstrap);
    let log = world.log().await;
    let relay = world.relay(&log).await;
    let sink = shared_database(&postgres, "sink").await;
    handler::prepare(&sink).await;
    let member = async || -> Running {
        let process = World {
            bus: Arc::new(kafka_bus(&bootstrap, &world.prefix)),
            prefix: world.prefix.clone(),
            postgres: None,
        };
        let database = shared_database(&postgres, "sink").await;
        process
            .consume(
                process
                    .consumer(
                        &["items", "webshop-orders"],
                        &database,
                        Arc::new(Obedient::default()),
                    )
                    .batch(20),
            )
            .0
    };
    let mut sent = 0;
    let mut send = async |count: usize| {
        append(
            &log,
            (sent..sent + count).map(|n| item(&log, &format!("i{}", n % 50), &format!("{n}"))),
        )
        .await;
        append(
            &log,
            (sent..sent + count).map(|n| order(&log, &format!("o{}", n % 50), &format!("{n}"))),
        )
        .await;
        sent += count;
        sent * 2
    };
    let first = member().await;
    let total = send(100).await;
    taken(&sink, total / 2).await;
    let (second, third) = (member().await, member().await);
    let total = send(300).await;
    taken(&sink, total / 2).await;
    first.kill().await;
    let total = send(100).await;
    taken(&sink, total / 2).await;
    third.stop().await;
    let total = send(50).await;
    let all = taken(&sink, total).await;
    let mut last: HashMap<&str, i64> = HashMap::new();
    for (key, body) in &all {
        let number: i64 = body.parse().expect("a number");
        assert!(
            last.insert(key, number)
                .is_none_or(|before| before < number),
            "{key} went back to {number}"
        );
    }
    assert_eq!(all.len(), total, "every effect once");
    second.stop().await;
    relay.stop().await;
}
