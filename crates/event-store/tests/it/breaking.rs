//! The database goes away in the worst moments (F16): nothing is lost, nothing is written twice.

use std::collections::HashMap;
use std::time::Duration;

use millrace_event_store::{Append, AppendError, EventLog, Expected, StoreError};
use millrace_test_rig::{Postgres, until};

use crate::proxy::{Cut, Proxy};
use crate::world::{On, World, append, open, text, whole_feed};

const CUTS: [Cut; 3] = [Cut::BeforeRequest, Cut::WithinRequest, Cut::BeforeAnswer];

/// A database and a second way to it, through a proxy that cuts.
async fn with_proxy() -> (World, World, Proxy) {
    let world = World::new(On::Postgres).await;
    let port: u16 = world
        .settings
        .url
        .rsplit_once(':')
        .unwrap()
        .1
        .split('/')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let proxy = Proxy::to(port).await;
    let mut settings = world.settings.clone();
    settings.url = settings
        .url
        .replace(&format!(":{port}/"), &format!(":{}/", proxy.port));
    let through = World::reopened(&settings).await;
    (world, through, proxy)
}

async fn each_text_once(log: &dyn EventLog, expected: usize) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for event in whole_feed(log).await {
        *seen.entry(text(&event).to_owned()).or_default() += 1;
    }
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
    assert_eq!(seen.len(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_at_the_commit_of_a_batch_loses_and_doubles_nothing() {
    let (world, through, proxy) = with_proxy().await;
    for (round, cut) in CUTS.into_iter().enumerate() {
        proxy.arm(cut, b"cut here");
        let mut asked = Vec::new();
        for number in 0..20 {
            let words = if number == 7 {
                format!("cut here {round}")
            } else {
                format!("{round} {number}")
            };
            let log = through.log.clone();
            asked.push(tokio::spawn(async move {
                log.append(append(&format!("s{number}"), Expected::Any, &[&words]))
                    .await
            }));
        }
        for task in asked {
            task.await.unwrap().unwrap();
        }
        assert!(proxy.has_cut(), "{cut:?}");
    }
    each_text_once(world.log.as_ref(), 60).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_at_the_commit_under_the_lock_loses_and_doubles_nothing() {
    let (world, through, proxy) = with_proxy().await;
    for (round, cut) in CUTS.into_iter().enumerate() {
        through
            .log
            .append(append("s", Expected::Any, &[&format!("known {round}")]))
            .await
            .unwrap();
        // Another process moves the stream, so that what ours remembers is refused and judged again with the head row held.
        world
            .log
            .append(append("s", Expected::Any, &[&format!("other {round}")]))
            .await
            .unwrap();
        proxy.arm(cut, b"COMMIT");
        let appended = through
            .log
            .append(append("s", Expected::Any, &[&format!("judged {round}")]))
            .await
            .unwrap();
        assert_eq!(appended.versions, [round as u64 * 3 + 3]);
        assert!(proxy.has_cut(), "{cut:?}");
    }
    each_text_once(world.log.as_ref(), 9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_under_load_loses_and_doubles_nothing() {
    let server = Postgres::start().await.unwrap();
    let url = server.create_database("store").await.unwrap();
    let database = open(&millrace_event_store::DatabaseSettings::new(url, "log")).await;
    database.migrate(&[]).await.unwrap();
    let log = database.log().await.unwrap();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let log = log.clone();
            tokio::spawn(async move {
                for round in 0..60 {
                    let asked = append(
                        &format!("s{writer}"),
                        Expected::Version(round),
                        &[&format!("{writer}/{round}")],
                    );
                    // As a caller should: the outcome is unknown, the event ids make asking again safe.
                    let mut attempts = 0;
                    while taken(log.as_ref(), &asked).await.is_none() {
                        attempts += 1;
                        assert!(attempts < 10, "the server is back, and nothing is taken");
                    }
                }
            })
        })
        .collect();
    until(
        Duration::from_secs(30),
        "the writers are at it",
        async || (log.head().await.ok()? > 40).then_some(()),
    )
    .await;
    server.restart().await.unwrap();
    server.kill().await.unwrap();
    server.start_again().await.unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
    each_text_once(log.as_ref(), 480).await;
}

async fn taken(log: &dyn EventLog, asked: &Append) -> Option<()> {
    match log.append(asked.clone()).await {
        Ok(_) => Some(()),
        Err(AppendError::Store(StoreError::Away(_))) => None,
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_log_that_was_replaced_under_a_running_process_is_refused() {
    let world = World::new(On::Postgres).await;
    world
        .log
        .append(append("s", Expected::Any, &["old"]))
        .await
        .unwrap();
    sqlx::query("UPDATE log_head SET epoch = gen_random_uuid()")
        .execute(world.database.pool())
        .await
        .unwrap();
    let refused = world
        .log
        .append(append("s", Expected::Any, &["x"]))
        .await
        .unwrap_err();
    let AppendError::Store(StoreError::Away(cause)) = refused else {
        panic!("{refused}")
    };
    assert!(matches!(*cause, StoreError::Replaced { .. }), "{cause}");
}
