//! Who follows the log sees every event once, in order, while others write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use millrace_event_store::{EventLog, Expected};
use millrace_test_rig::until;
use uuid::Uuid;

use crate::everywhere;
use crate::world::{On, World, append, open, whole_feed};

everywhere!(
    followers_see_every_event_once_in_order_while_several_write,
    a_follower_is_woken_by_the_next_append,
    what_was_just_written_reads_as_the_database_gives_it_back
);

/// Follows until `count` events were seen; panics at a gap or a repeat.
async fn follow(log: Arc<dyn EventLog>, count: u64) {
    let mut moved = log.moved();
    let mut seen = 0;
    while seen < count {
        moved.borrow_and_update();
        let page = log.read_feed(seen, 100).await.unwrap();
        for event in &page {
            seen += 1;
            assert_eq!(event.at.number, seen, "every event once, in order");
        }
        if page.is_empty() {
            let woken = tokio::time::timeout(Duration::from_secs(20), moved.changed()).await;
            woken.expect("a follower is woken").unwrap();
        }
    }
}

async fn followers_see_every_event_once_in_order_while_several_write(on: On) {
    let world = World::new(on).await;
    let (writers, rounds) = (6, 40);
    // In PostgreSQL everybody is a process of its own.
    let mut databases = Vec::new();
    let mut logs = Vec::new();
    for _ in 0..writers + 2 {
        if on == On::Postgres {
            databases.push(open(&world.settings).await);
            logs.push(databases.last().unwrap().log().await.unwrap());
        } else {
            logs.push(world.log.clone());
        }
    }
    let followers: Vec<_> = logs
        .drain(..2)
        .map(|log| tokio::spawn(follow(log, writers * rounds * 2)))
        .collect();
    let mut tasks = Vec::new();
    for (writer, log) in logs.into_iter().enumerate() {
        tasks.push(tokio::spawn(async move {
            for round in 0..rounds {
                log.append(append(
                    &format!("own-{writer}"),
                    Expected::Version(round),
                    &["x"],
                ))
                .await
                .unwrap();
                // Everybody wants this one: most attempts are refused and made anew.
                let mut version = 0;
                while let Err(error) = log
                    .append(append("hot", Expected::Version(version), &["x"]))
                    .await
                {
                    let millrace_event_store::AppendError::Conflict { actual, .. } = error else {
                        panic!("{error}")
                    };
                    version = actual;
                }
            }
        }));
    }
    for task in tasks.into_iter().chain(followers) {
        task.await.unwrap();
    }
    assert_eq!(
        whole_feed(world.log.as_ref()).await.len() as u64,
        writers * rounds * 2
    );
}

async fn a_follower_is_woken_by_the_next_append(on: On) {
    let world = World::new(on).await;
    let other = open_other(on, &world).await;
    // The listener of the other process may still be on its way: the first wake-up may come from the safety poll.
    world
        .log
        .append(append("s", Expected::Any, &["x"]))
        .await
        .unwrap();
    let mut moved = other.moved();
    until(
        Duration::from_secs(10),
        "the follower knows the head",
        async || (*moved.borrow_and_update() == 1).then_some(()),
    )
    .await;
    let mut prompt = 0;
    for number in 2..20 {
        world
            .log
            .append(append("s", Expected::Any, &["x"]))
            .await
            .unwrap();
        let told = Instant::now();
        let woken = moved.wait_for(|head| *head >= number);
        tokio::time::timeout(Duration::from_secs(10), woken)
            .await
            .expect("woken")
            .unwrap();
        prompt += usize::from(told.elapsed() < Duration::from_millis(300));
    }
    assert!(
        prompt >= 12,
        "only {prompt} of 18 were told; the rest had to look"
    );
}

async fn open_other(on: On, world: &World) -> Arc<dyn EventLog> {
    if on == On::Postgres {
        open(&world.settings).await.log().await.unwrap()
    } else {
        world.log.clone()
    }
}

/// F17: a writer that took its position and then dawdles. Whoever comes behind it waits; nobody reads past it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_writer_is_never_skipped() {
    let world = World::new(On::Postgres).await;
    world
        .log
        .append(append("s", Expected::Any, &["first"]))
        .await
        .unwrap();
    let mut slow = world.database.begin().await.unwrap();
    sqlx::query("UPDATE log_head SET position = position + 1")
        .execute(&mut *slow)
        .await
        .unwrap();
    let insert = "INSERT INTO events (position, version, occurred_at, recorded_at, id, correlation_id, deleted, stream, kind, actor, payload)
        VALUES (2, 1, 0, 0, CAST($1 AS uuid), CAST($1 AS uuid), false, 'slow', 'kind', 'somebody', CAST($2 AS bytea))";
    sqlx::query(insert)
        .bind(Uuid::from_u128(1).to_string())
        .bind(b"slow".as_slice())
        .execute(&mut *slow)
        .await
        .unwrap();

    let quick = open(&world.settings).await.log().await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let waiting = tokio::spawn({
        let done = done.clone();
        async move {
            let appended = quick
                .append(append("quick", Expected::Any, &["quick"]))
                .await;
            done.store(true, Ordering::SeqCst);
            appended
        }
    });
    // The quick one is at the head row: the database itself says that somebody waits.
    until(Duration::from_secs(10), "the quick writer waits for the slow one", async || {
        let waits = "SELECT CAST(count(*) AS BIGINT) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        let (count,): (i64,) = sqlx::query_as(waits).fetch_one(world.database.pool()).await.unwrap();
        (count > 0).then_some(())
    })
    .await;
    assert!(!done.load(Ordering::SeqCst));
    assert_eq!(
        world.log.read_feed(0, 10).await.unwrap().len(),
        1,
        "nobody reads past the slow writer"
    );
    slow.commit().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().first, 3);
    let feed = whole_feed(world.log.as_ref()).await;
    assert_eq!(
        feed.iter()
            .map(|event| event.stream.as_ref())
            .collect::<Vec<_>>(),
        ["s", "slow", "quick"]
    );
}

/// A follower is served from memory, a reader of the stream from the database.
async fn what_was_just_written_reads_as_the_database_gives_it_back(on: On) {
    let world = World::new(on).await;
    for round in 0..40_u64 {
        let mut append = append("stream", Expected::Version(round), &["x"]);
        let event = &mut append.streams[0].events[0];
        event.occurred_at = jiff::Timestamp::new(1_700_000_000, 123_456_789).unwrap();
        event.key = format!("finer-{round}");
        event.deleted = round % 3 == 0;
        world.log.append(append).await.unwrap();
        let followed = world.log.read_feed(round, 10).await.unwrap();
        let stored = world.log.read_stream("stream", round, 10).await.unwrap();
        assert_eq!(followed, stored, "round {round}");
    }
    let page = world.log.read_feed(10, 7).await.unwrap();
    let numbers: Vec<u64> = page.iter().map(|event| event.at.number).collect();
    assert_eq!(numbers, (11..18).collect::<Vec<u64>>());
}
