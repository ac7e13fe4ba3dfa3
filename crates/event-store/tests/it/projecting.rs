//! What a projection and a command promise.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use millrace_event_store::{
    Expected, Projection, Recorded, StoreError, Tx, checkpoint, project, projected_up_to, rewind,
};
use millrace_service_kit::Shutdown;
use millrace_test_rig::until;

use crate::everywhere;
use crate::world::{On, World, append, open, owner, text};

everywhere!(
    rows_and_checkpoint_move_together_through_failures,
    a_projection_that_was_stopped_goes_on_where_it_was,
    several_processes_may_run_the_same_projection,
    markers_of_leases_are_passed_over,
    a_projection_is_rebuilt_while_it_runs,
);

const PATIENCE: Duration = Duration::from_secs(30);

pub const TALLY: &str =
    "CREATE TABLE tally (stream TEXT PRIMARY KEY, seen BIGINT NOT NULL, positions BIGINT NOT NULL)";

/// Counts what it sees: a repeat or a skip shows.
pub struct Tally {
    failures_left: AtomicU32,
}

impl Tally {
    pub fn failing(times: u32) -> Arc<Self> {
        Arc::new(Self {
            failures_left: AtomicU32::new(times),
        })
    }
}

#[async_trait]
impl Projection for Tally {
    fn name(&self) -> &str {
        "tally"
    }

    async fn apply(&self, tx: &mut Tx, events: &[Recorded]) -> Result<(), StoreError> {
        for event in events {
            sqlx::query("INSERT INTO tally (stream, seen, positions) VALUES ($1, 1, $2) ON CONFLICT (stream) DO UPDATE SET seen = tally.seen + 1, positions = tally.positions + excluded.positions")
                .bind(event.stream.as_ref())
                .bind(i64::try_from(event.at.number).unwrap())
                .execute(&mut **tx)
                .await?;
            let left = self.failures_left.load(Ordering::SeqCst);
            if left > 0 && text(event) == "fragile" {
                self.failures_left.store(left - 1, Ordering::SeqCst);
                return Err(StoreError::Corrupt {
                    number: event.at.number,
                    reason: "as the test wants it".into(),
                });
            }
        }
        Ok(())
    }
}

pub async fn tally(world: &World) -> (i64, i64) {
    let sum = "SELECT CAST(COALESCE(sum(seen), 0) AS BIGINT), CAST(COALESCE(sum(positions), 0) AS BIGINT) FROM tally";
    sqlx::query_as(sum)
        .fetch_one(world.database.pool())
        .await
        .unwrap()
}

async fn world(on: On) -> World {
    let world = World::new(on).await;
    world
        .database
        .migrate(&[&owner("tally", &[TALLY])])
        .await
        .unwrap();
    world
}

fn start(
    world: &World,
    projection: Arc<Tally>,
) -> (Shutdown, tokio::task::JoinHandle<Result<(), StoreError>>) {
    let (database, log, shutdown) = (world.database.clone(), world.log.clone(), Shutdown::new());
    let asked = shutdown.clone();
    (
        shutdown,
        tokio::spawn(async move { project(&database, log, projection, asked).await }),
    )
}

async fn rows_and_checkpoint_move_together_through_failures(on: On) {
    let world = world(on).await;
    world
        .log
        .append(append("s", Expected::Any, &["1", "fragile", "3"]))
        .await
        .unwrap();
    let (shutdown, task) = start(&world, Tally::failing(2));
    assert!(
        projected_up_to(&world.database, "tally", 3, PATIENCE)
            .await
            .unwrap()
    );
    assert_eq!(
        tally(&world).await,
        (3, 6),
        "what failed half way was not kept"
    );
    for round in 0..30_u64 {
        let last = world
            .log
            .append(append("t", Expected::Version(round), &["x"]))
            .await
            .unwrap()
            .last;
        assert!(
            projected_up_to(&world.database, "tally", last, PATIENCE)
                .await
                .unwrap()
        );
        assert_eq!(
            tally(&world).await.0,
            i64::try_from(last).unwrap(),
            "read your own write"
        );
    }
    shutdown.cancel();
    task.await.unwrap().unwrap();
    assert!(
        !projected_up_to(&world.database, "tally", 99, Duration::from_millis(60))
            .await
            .unwrap()
    );
}

async fn a_projection_that_was_stopped_goes_on_where_it_was(on: On) {
    let world = world(on).await;
    let mut total = 0;
    for _ in 0..4 {
        let (shutdown, task) = start(&world, Tally::failing(0));
        let last = world
            .log
            .append(append("s", Expected::Any, &["x"; 700]))
            .await
            .unwrap()
            .last;
        assert!(
            projected_up_to(&world.database, "tally", last - 650, PATIENCE)
                .await
                .unwrap()
        );
        shutdown.cancel();
        task.await.unwrap().unwrap();
        total = last;
    }
    let (shutdown, task) = start(&world, Tally::failing(0));
    assert!(
        projected_up_to(&world.database, "tally", total, PATIENCE)
            .await
            .unwrap()
    );
    let total = i64::try_from(total).unwrap();
    assert_eq!(tally(&world).await, (total, total * (total + 1) / 2));
    shutdown.cancel();
    task.await.unwrap().unwrap();
}

async fn several_processes_may_run_the_same_projection(on: On) {
    let world = world(on).await;
    let mut running = Vec::new();
    for _ in 0..3 {
        let database = if on == On::Postgres {
            open(&world.settings).await
        } else {
            world.database.clone()
        };
        let (log, shutdown) = (database.log().await.unwrap(), Shutdown::new());
        let asked = shutdown.clone();
        running.push((
            shutdown,
            tokio::spawn(async move { project(&database, log, Tally::failing(0), asked).await }),
        ));
    }
    let mut last = 0;
    for _ in 0..60 {
        last = world
            .log
            .append(append("s", Expected::Any, &["x"; 20]))
            .await
            .unwrap()
            .last;
    }
    assert!(
        projected_up_to(&world.database, "tally", last, PATIENCE)
            .await
            .unwrap()
    );
    assert_eq!(tally(&world).await, (1_200, 1_200 * 1_201 / 2));
    for (shutdown, task) in running {
        shutdown.cancel();
        task.await.unwrap().unwrap();
    }
}

async fn markers_of_leases_are_passed_over(on: On) {
    let world = world(on).await;
    world
        .log
        .append(append("s", Expected::Any, &["x"]))
        .await
        .unwrap();
    let held = world
        .log
        .take_lease("relay", "pod-a", PATIENCE)
        .await
        .unwrap()
        .unwrap();
    let (shutdown, task) = start(&world, Tally::failing(0));
    assert!(
        projected_up_to(&world.database, "tally", held.marker, PATIENCE)
            .await
            .unwrap()
    );
    assert_eq!(tally(&world).await, (1, 1));
    assert_eq!(
        checkpoint(&world.database, "tally").await.unwrap(),
        held.marker
    );
    shutdown.cancel();
    task.await.unwrap().unwrap();
}

async fn a_projection_is_rebuilt_while_it_runs(on: On) {
    let world = world(on).await;
    let (shutdown, task) = start(&world, Tally::failing(0));
    let first = world
        .log
        .append(append("s", Expected::Any, &["x"; 900]))
        .await
        .unwrap()
        .last;
    assert!(
        projected_up_to(&world.database, "tally", first, PATIENCE)
            .await
            .unwrap()
    );
    let writer = tokio::spawn({
        let log = world.log.clone();
        async move {
            for _ in 0..30 {
                log.append(append("t", Expected::Any, &["x"; 10]))
                    .await
                    .unwrap();
            }
        }
    });
    let mut tx = world.database.begin().await.unwrap();
    rewind(&mut tx, "tally").await.unwrap();
    sqlx::query("DELETE FROM tally")
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    writer.await.unwrap();
    let all = until(PATIENCE, "everything is counted again", async || {
        let counted = tally(&world).await;
        (counted.0 == 1_200).then_some(counted)
    });
    assert_eq!(all.await, (1_200, 1_200 * 1_201 / 2));
    shutdown.cancel();
    task.await.unwrap().unwrap();
}
