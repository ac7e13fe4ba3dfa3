//! Work that one process at a time may do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millrace_event_store::{
    Append, AppendError, EventLog, Expected, Held, Post, StoreError, while_holding,
};
use millrace_service_kit::Shutdown;
use millrace_test_rig::until;
use tokio::sync::mpsc;

use crate::everywhere;
use crate::world::{On, World, append};

everywhere!(
    work_goes_from_hand_to_hand_and_is_never_done_twice_at_once,
    work_is_told_when_its_lease_is_lost
);

const PATIENCE: Duration = Duration::from_secs(20);

fn post(holder: &str, ttl: Duration) -> Post {
    Post {
        lease: "poll".into(),
        holder: holder.into(),
        ttl,
    }
}

type Running = tokio::task::JoinHandle<Result<(), StoreError>>;

/// Works, which is to say: tells its lease and waits to be stopped.
fn start(
    log: &Arc<dyn EventLog>,
    post: Post,
    at_work: &Arc<AtomicUsize>,
    told: &mpsc::UnboundedSender<Held>,
) -> (Shutdown, Running) {
    let (log, at_work, told, shutdown) =
        (log.clone(), at_work.clone(), told.clone(), Shutdown::new());
    let asked = shutdown.clone();
    let work = move |held: Held, stop: Shutdown| {
        let (at_work, told) = (at_work.clone(), told.clone());
        async move {
            assert_eq!(at_work.fetch_add(1, Ordering::SeqCst), 0, "two at once");
            told.send(held).unwrap();
            stop.cancelled().await;
            at_work.fetch_sub(1, Ordering::SeqCst);
        }
    };
    (
        shutdown,
        tokio::spawn(async move { while_holding(&log, &post, &asked, || {}, work).await }),
    )
}

async fn work_goes_from_hand_to_hand_and_is_never_done_twice_at_once(on: On) {
    let world = World::new(on).await;
    let (at_work, (told, mut hears)) = (Arc::new(AtomicUsize::new(0)), mpsc::unbounded_channel());
    let mut running: Vec<_> = (0..3)
        .map(|pod| {
            start(
                &world.log,
                post(&format!("pod-{pod}"), Duration::from_secs(2)),
                &at_work,
                &told,
            )
        })
        .collect();
    for epoch in 1..=3 {
        let held = tokio::time::timeout(PATIENCE, hears.recv())
            .await
            .expect("somebody takes over")
            .unwrap();
        assert_eq!(held.lease.epoch, epoch);
        let marker = &world.log.read_feed(held.marker - 1, 1).await.unwrap()[0];
        let holder: usize = marker
            .event
            .cause
            .actor
            .strip_prefix("pod-")
            .unwrap()
            .parse()
            .unwrap();
        let (shutdown, task) = std::mem::replace(
            &mut running[holder],
            (Shutdown::new(), tokio::spawn(async { Ok(()) })),
        );
        shutdown.cancel();
        task.await.unwrap().unwrap();
    }
    assert_eq!(at_work.load(Ordering::SeqCst), 0);
}

async fn work_is_told_when_its_lease_is_lost(on: On) {
    let world = World::new(on).await;
    let (at_work, (told, mut hears)) = (Arc::new(AtomicUsize::new(0)), mpsc::unbounded_channel());
    let (shutdown, task) = start(
        &world.log,
        post("pod-a", Duration::from_millis(400)),
        &at_work,
        &told,
    );
    let first = tokio::time::timeout(PATIENCE, hears.recv())
        .await
        .expect("the lease is free")
        .unwrap();
    // As if this process had slept through its time and another had come.
    world.log.release_lease(&first.lease).await.unwrap();
    let taken = world
        .log
        .take_lease("poll", "pod-b", PATIENCE)
        .await
        .unwrap();
    if let Some(other) = taken {
        until(PATIENCE, "the work has stopped", async || {
            (at_work.load(Ordering::SeqCst) == 0).then_some(())
        })
        .await;
        let late = Append {
            lease: Some(first.lease),
            ..append("s", Expected::Any, &["late"])
        };
        assert!(matches!(
            world.log.append(late).await,
            Err(AppendError::StaleLease { .. })
        ));
        world.log.release_lease(&other.lease).await.unwrap();
    }
    // Either way it comes back under a higher epoch.
    let again = tokio::time::timeout(PATIENCE, hears.recv())
        .await
        .expect("it takes the lease again")
        .unwrap();
    assert!(again.lease.epoch > 1);
    shutdown.cancel();
    task.await.unwrap().unwrap();
}
