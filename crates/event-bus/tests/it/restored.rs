//! A log whose database was restored from a backup (F30): positions its readers have seen are given out again.

use std::sync::Arc;

use millrace_event_store::Database;

use crate::handler::Obedient;
use crate::world::{World, append, item, pairs, price, shared_database, taken, until};

/// The database as it was when the newest event was `stream`'s.
async fn restore(database: &Database, stream: &str) {
    let later =
        "DELETE FROM events WHERE position > (SELECT max(position) FROM events WHERE stream = $1)";
    let query = sqlx::query(later).bind(stream);
    let done = query.execute(database.pool()).await.expect("deleted");
    assert!(done.rows_affected() > 0);
    sqlx::query("UPDATE log_head SET position = (SELECT max(position) FROM events)")
        .execute(database.pool())
        .await
        .expect("moved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_log_is_not_published_until_it_has_a_new_epoch_and_then_nothing_is_missed() {
    let world = World::kafka().await;
    let url = millrace_test_rig::postgres()
        .await
        .create_database(&world.prefix)
        .await
        .expect("a database");
    let (log, sink) = (shared_database(&url, "source").await, world.sink().await);
    // What is published again comes again, with the same id.
    let handler = Obedient {
        idempotent: true,
        ..Obedient::default()
    };
    let (consumer, meter) = world.consume(world.consumer(&["items"], &sink, Arc::new(handler)));
    let relay = world.relay(&log).await;
    for key in ["a", "b", "c"] {
        append(&log, [item(&log, key, "before")]).await;
    }
    taken(&sink, 3).await;
    relay.stop().await;
    restore(&log, "a").await;
    log.close().await;

    let log = shared_database(&url, "source").await;
    for key in ["x", "y", "z", "c"] {
        append(&log, [item(&log, key, "after")]).await;
    }
    let relay = world.relay(&log).await;
    until("it is not published", async || {
        world.bus.relays().iter().any(|relay| relay.failures > 0)
    })
    .await;
    relay.stop().await;
    assert_eq!(meter.read().handled, 3);
    log.begin_epoch().await.expect("another log");
    log.close().await;

    let log = shared_database(&url, "source").await;
    let relay = world.relay(&log).await;
    let all = taken(&sink, 7).await;
    let after = pairs(&[
        ("x", "after"),
        ("y", "after"),
        ("z", "after"),
        ("c", "after"),
    ]);
    assert!(after.iter().all(|one| all.contains(one)), "{all:?}");
    consumer.stop().await;
    relay.stop().await;
}

/// The embedded bus reads the logs themselves: a log that has grown since past what was seen shows by the event it has there.
#[tokio::test]
async fn a_restored_log_that_has_grown_since_is_read_again_without_kafka() {
    let world = World::postgres().await;
    let url = millrace_test_rig::postgres()
        .await
        .create_database(&format!("{}_log", world.prefix))
        .await
        .expect("a database");
    let (log, sink) = (shared_database(&url, "source").await, world.sink().await);
    let idempotent = || {
        Arc::new(Obedient {
            idempotent: true,
            ..Obedient::default()
        })
    };
    // All of it is there at once, so that the page that brings the first goes past what concerns nobody here.
    let events = [
        item(&log, "a", "before"),
        price(&log, "p", "before"),
        price(&log, "q", "before"),
    ];
    append(&log, events).await;
    let (consumer, _) = world.consume(world.consumer(&["items"], &sink, idempotent()));
    let relay = world.relay(&log).await;
    taken(&sink, 1).await;
    consumer.stop().await;
    relay.stop().await;

    let (consumer, meter) = world.consume(world.consumer(&["items"], &sink, idempotent()));
    let relay = world.relay(&log).await;
    append(&log, [item(&log, "b", "before")]).await;
    taken(&sink, 2).await;
    assert_eq!(meter.read().resyncs, 0, "nothing is wrong so far");
    consumer.stop().await;
    relay.stop().await;
    restore(&log, "a").await;
    log.close().await;

    let log = shared_database(&url, "source").await;
    for key in ["x", "y", "z", "b"] {
        append(&log, [item(&log, key, "after")]).await;
    }
    let (consumer, meter) = world.consume(world.consumer(&["items"], &sink, idempotent()));
    let relay = world.relay(&log).await;
    let all = taken(&sink, 6).await;
    let expected = pairs(&[
        ("a", "before"),
        ("x", "after"),
        ("y", "after"),
        ("z", "after"),
        ("b", "after"),
    ]);
    assert!(expected.iter().all(|one| all.contains(one)), "{all:?}");
    assert_eq!(meter.read().resyncs, 1);
    consumer.stop().await;
    relay.stop().await;

    // What was read again is known by the next one.
    let (consumer, meter) = world.consume(world.consumer(&["items"], &sink, idempotent()));
    let relay = world.relay(&log).await;
    append(&log, [item(&log, "x", "later")]).await;
    taken(&sink, 7).await;
    assert_eq!(meter.read().resyncs, 0);
    consumer.stop().await;
    relay.stop().await;
}
