//! What a lease promises: one holder at a time, and nobody late is heard.

use std::sync::Arc;
use std::time::Duration;

use millrace_event_store::{
    Append, AppendError, Database, DatabaseSettings, EventLog, Expected, Held, LEASE_TAKEN,
    LeaseEpoch, load_cursor, save_cursor, still_held,
};
use millrace_service_kit::{Clock, Ids, ManualClock, SystemClock};
use millrace_test_rig::until;

use crate::everywhere;
use crate::world::{On, World, append, open, whole_feed};

everywhere!(
    one_holder_at_a_time_and_the_holder_may_renew,
    a_takeover_raises_the_epoch_and_appends_its_marker,
    a_stale_epoch_is_refused_alone,
    a_lease_nobody_ever_took_fences_like_a_stale_one,
    a_lease_given_back_is_free_at_once_and_late_givers_do_no_harm,
    of_many_who_try_at_once_one_takes_the_lease,
    beside_the_log_a_stale_epoch_is_told_and_a_takeover_waits_for_the_transaction,
);

const LONG: Duration = Duration::from_secs(600);
const BRIEF: Duration = Duration::from_millis(1);

async fn take(log: &dyn EventLog, holder: &str, ttl: Duration) -> Option<Held> {
    log.take_lease("relay", holder, ttl).await.unwrap()
}

/// Until whoever holds it briefly has lost it.
async fn taken_over(log: &dyn EventLog, holder: &str) -> Held {
    until(Duration::from_secs(10), "the lease is free", async || {
        take(log, holder, LONG).await
    })
    .await
}

fn under(lease: &LeaseEpoch, stream: &str) -> Append {
    Append {
        lease: Some(lease.clone()),
        ..append(stream, Expected::Any, &["x"])
    }
}

async fn one_holder_at_a_time_and_the_holder_may_renew(on: On) {
    let world = World::new(on).await;
    let held = take(world.log.as_ref(), "pod-a", LONG).await.unwrap();
    assert_eq!(take(world.log.as_ref(), "pod-b", LONG).await, None);
    assert_eq!(
        take(world.log.as_ref(), "pod-a", LONG).await.unwrap(),
        held,
        "renewing changes nothing but the time"
    );
    assert!(
        world
            .log
            .take_lease("poller", "pod-b", LONG)
            .await
            .unwrap()
            .is_some(),
        "another lease is another lease"
    );
}

async fn a_takeover_raises_the_epoch_and_appends_its_marker(on: On) {
    let world = World::new(on).await;
    world
        .log
        .append(append("s", Expected::Any, &["before"]))
        .await
        .unwrap();
    let first = take(world.log.as_ref(), "pod-a", BRIEF).await.unwrap();
    let second = taken_over(world.log.as_ref(), "pod-b").await;
    assert_eq!((first.lease.epoch, second.lease.epoch), (1, 2));
    assert_eq!((first.marker, second.marker), (2, 3));
    let feed = whole_feed(world.log.as_ref()).await;
    assert_eq!(
        (
            feed[2].event.kind.as_str(),
            feed[2].stream.as_ref(),
            feed[2].version
        ),
        (LEASE_TAKEN, "lease/relay", 2)
    );
    assert_eq!(*world.log.moved().borrow(), 3);
    // The log goes on behind the marker.
    assert_eq!(
        world
            .log
            .append(append("s", Expected::Version(1), &["after"]))
            .await
            .unwrap()
            .first,
        4
    );
}

async fn a_stale_epoch_is_refused_alone(on: On) {
    let world = World::new(on).await;
    let first = take(world.log.as_ref(), "pod-a", BRIEF).await.unwrap();
    for _ in 0..3 {
        world.log.append(under(&first.lease, "s")).await.unwrap();
    }
    let second = taken_over(world.log.as_ref(), "pod-b").await;
    let mut asked = Vec::new();
    for number in 0..30 {
        let lease = if number % 2 == 0 {
            &first.lease
        } else {
            &second.lease
        };
        let (log, append) = (world.log.clone(), under(lease, &format!("s{number}")));
        asked.push(tokio::spawn(
            async move { (number, log.append(append).await) },
        ));
    }
    for task in asked {
        match task.await.unwrap() {
            (number, Err(AppendError::StaleLease { name, epoch: 1 })) => {
                assert!(number % 2 == 0 && name == "relay")
            }
            (number, Ok(_)) => assert!(number % 2 == 1),
            (number, other) => panic!("{number}: {other:?}"),
        }
    }
    assert_eq!(take(world.log.as_ref(), "pod-a", LONG).await, None);
}

async fn a_lease_nobody_ever_took_fences_like_a_stale_one(on: On) {
    let world = World::new(on).await;
    let unknown = LeaseEpoch {
        name: "nobody".into(),
        epoch: 1,
    };
    assert!(matches!(
        world.log.append(under(&unknown, "s")).await,
        Err(AppendError::StaleLease { .. })
    ));
}

async fn a_lease_given_back_is_free_at_once_and_late_givers_do_no_harm(on: On) {
    let world = World::new(on).await;
    let first = take(world.log.as_ref(), "pod-a", LONG).await.unwrap();
    world.log.release_lease(&first.lease).await.unwrap();
    let second = take(world.log.as_ref(), "pod-b", LONG).await.unwrap();
    assert_eq!(second.lease.epoch, 2);
    world.log.release_lease(&first.lease).await.unwrap();
    assert_eq!(
        take(world.log.as_ref(), "pod-c", LONG).await,
        None,
        "the first holder cannot give away the second's lease"
    );
    // The same holder again after giving it back is a takeover too: nobody knows what it did meanwhile.
    world.log.release_lease(&second.lease).await.unwrap();
    assert_eq!(
        take(world.log.as_ref(), "pod-b", LONG)
            .await
            .unwrap()
            .lease
            .epoch,
        3
    );
}

async fn of_many_who_try_at_once_one_takes_the_lease(on: On) {
    let world = World::new(on).await;
    // In PostgreSQL every one of them is a process of its own.
    let mut databases = Vec::new();
    let mut tasks = Vec::new();
    for holder in 0..6 {
        let log = if on == On::Postgres {
            let database = open(&world.settings).await;
            databases.push(database.clone());
            database.log().await.unwrap()
        } else {
            world.log.clone()
        };
        tasks.push(tokio::spawn(async move {
            log.take_lease("relay", &format!("pod-{holder}"), LONG)
                .await
                .unwrap()
        }));
    }
    let mut holders = 0;
    for task in tasks {
        holders += usize::from(task.await.unwrap().is_some());
    }
    assert_eq!(holders, 1);
    assert_eq!(whole_feed(world.log.as_ref()).await.len(), 1);
}

#[tokio::test]
async fn a_process_that_slept_through_a_takeover_is_refused_even_though_it_remembers_the_lease() {
    let world = World::new(On::Postgres).await;
    let other = open(&world.settings).await;
    let other = other.log().await.unwrap();
    let first = take(world.log.as_ref(), "pod-a", BRIEF).await.unwrap();
    world.log.append(under(&first.lease, "s")).await.unwrap();
    world.log.append(under(&first.lease, "s")).await.unwrap();
    let second = taken_over(other.as_ref(), "pod-b").await;
    assert!(matches!(
        world.log.append(under(&first.lease, "s")).await,
        Err(AppendError::StaleLease { .. })
    ));
    other.append(under(&second.lease, "s")).await.unwrap();
    world
        .log
        .append(append("s", Expected::Any, &["without a lease"]))
        .await
        .unwrap();
    assert_eq!(whole_feed(other.as_ref()).await.len(), 6);
}

#[tokio::test]
async fn in_sqlite_a_lease_runs_out_by_the_clock_that_was_given() {
    let clock = ManualClock::at(SystemClock.now());
    let database = Database::open(
        &DatabaseSettings::new("sqlite::memory:", "log"),
        Arc::new(clock.clone()),
        Ids::seeded(1),
    )
    .await
    .unwrap();
    database.migrate(&[]).await.unwrap();
    let log = database.log().await.unwrap();
    let ttl = Duration::from_secs(30);
    take(log.as_ref(), "pod-a", ttl).await.unwrap();
    clock.advance(jiff::SignedDuration::from_secs(29));
    assert_eq!(take(log.as_ref(), "pod-b", ttl).await, None);
    take(log.as_ref(), "pod-a", ttl).await.unwrap();
    clock.advance(jiff::SignedDuration::from_secs(29));
    assert_eq!(take(log.as_ref(), "pod-b", ttl).await, None);
    clock.advance(jiff::SignedDuration::from_secs(1));
    assert_eq!(
        take(log.as_ref(), "pod-b", ttl).await.unwrap().lease.epoch,
        2
    );
}

async fn beside_the_log_a_stale_epoch_is_told_and_a_takeover_waits_for_the_transaction(on: On) {
    let world = World::new(on).await;
    let old = take(world.log.as_ref(), "pod-a", BRIEF).await.unwrap();
    let mut tx = world.database.begin().await.unwrap();
    assert!(still_held(&mut tx, &old.lease).await.unwrap());
    let taking_over = async {
        let new = taken_over(world.log.as_ref(), "pod-b").await;
        let found = load_cursor(&world.database, "place").await.unwrap();
        (new, found)
    };
    let finishing = async {
        save_cursor(&mut tx, "place", "of the old holder")
            .await
            .unwrap();
        tx.commit().await.unwrap();
    };
    let ((new, found), ()) = tokio::join!(taking_over, finishing);
    assert_eq!(found.as_deref(), Some("of the old holder"));
    let mut tx = world.database.begin().await.unwrap();
    assert!(!still_held(&mut tx, &old.lease).await.unwrap());
    assert!(still_held(&mut tx, &new.lease).await.unwrap());
    let other = LeaseEpoch {
        name: "never taken".to_owned(),
        epoch: 1,
    };
    assert!(!still_held(&mut tx, &other).await.unwrap());
    tx.rollback().await.unwrap();
}
