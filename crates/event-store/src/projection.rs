//! Keeps a read model in step with the log. Rows and checkpoint commit in one transaction, so a crash repeats nothing and skips
//! nothing; several processes may run the same projection, one of them moves it at a time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use tracing::{error, info};

use millrace_service_kit::Shutdown;

use crate::database::{Database, Tx};
use crate::event::Recorded;
use crate::gather::gather;
use crate::log::{EventLog, LEASE_TAKEN, StoreError};

/// Events per transaction.
const PAGE: usize = 500;
/// A look at the feed without having been woken. Rare, because the log itself looks for what other processes wrote.
const SAFETY: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// So long each event of a page keeps the next page waiting.
const GATHER_PER_EVENT: Duration = Duration::from_micros(500);

/// Rows made of events.
#[async_trait]
pub trait Projection: Send + Sync {
    /// Names its checkpoint; never changed later.
    fn name(&self) -> &str;

    /// Writes what these events mean, oldest first, each of them once. Commits nothing itself.
    async fn apply(&self, tx: &mut Tx, events: &[Recorded]) -> Result<(), StoreError>;
}

/// Runs a projection until shutdown is asked. A broken world is retried, and said once.
///
/// # Errors
/// None that waiting may heal: the log was closed or replaced.
pub async fn project(
    database: &Database,
    log: Arc<dyn EventLog>,
    projection: Arc<dyn Projection>,
    shutdown: Shutdown,
) -> Result<(), StoreError> {
    let mut moved = log.moved();
    let mut failures = 0_u32;
    // Where it stands, as long as nobody else moves it.
    let mut stands = None;
    while !shutdown.is_cancelled() {
        moved.borrow_and_update();
        let began = Instant::now();
        let pause = match step(database, log.as_ref(), projection.as_ref(), &mut stands).await {
            Ok(read) => {
                if failures > 0 {
                    info!(
                        projection = projection.name(),
                        failures,
                        "projection {} goes on",
                        projection.name()
                    );
                }
                failures = 0;
                if read == PAGE {
                    continue;
                }
                tokio::time::sleep_until(began + gather(read, GATHER_PER_EVENT)).await;
                SAFETY
            }
            Err(error @ (StoreError::Closed | StoreError::Replaced { .. })) => return Err(error),
            Err(error) => {
                if failures == 0 {
                    let cause = &error as &dyn std::error::Error;
                    error!(
                        projection = projection.name(),
                        error = cause,
                        "projection {} stands still, trying again",
                        projection.name()
                    );
                }
                failures += 1;
                LONGEST_PAUSE
                    .min(Duration::from_millis(50) * 2_u32.saturating_pow(failures.min(10)))
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            changed = moved.changed(), if failures == 0 => if changed.is_err() { return Err(StoreError::Closed) },
            // The server may have died with the rows and the checkpoint it had not yet written, or somebody has rewound it.
            () = tokio::time::sleep(pause) => stands = None,
        }
    }
    Ok(())
}

/// One page. Returns how many events were read.
async fn step(
    database: &Database,
    log: &dyn EventLog,
    projection: &dyn Projection,
    stands: &mut Option<u64>,
) -> Result<usize, StoreError> {
    let name = projection.name();
    let before = match stands.take() {
        Some(before) => before,
        None => checkpoint(database, name).await?,
    };
    let events = log.read_feed(before, PAGE).await?;
    let Some(last) = events.last() else {
        *stands = Some(before);
        return Ok(0);
    };
    let (after, read) = (last.at.number, events.len());
    let told: Vec<Recorded> = events
        .into_iter()
        .filter(|event| event.event.kind != LEASE_TAKEN)
        .collect();
    let mut tx = database.begin_derived().await?;
    if !advance(&mut tx, name, before, after).await? {
        // Another process was quicker; look again.
        return Ok(PAGE);
    }
    if !told.is_empty() {
        projection.apply(&mut tx, &told).await?;
    }
    tx.commit().await?;
    database.projected(name).send_replace(after);
    *stands = Some(after);
    Ok(read)
}

/// How far the projection `name` has come: everything up to this position is in its rows.
///
/// # Errors
/// The database did not do its part.
pub async fn checkpoint(database: &Database, name: &str) -> Result<u64, StoreError> {
    let query = sqlx::query_as("SELECT position FROM checkpoints WHERE name = $1");
    let position: Option<(i64,)> = query.bind(name).fetch_optional(database.pool()).await?;
    Ok(position.map_or(0, |(position,)| crate::row::whole(position)))
}

/// Sends the projection `name` back to the beginning, in the transaction that empties its rows: a rebuild while everything runs.
/// Before it empties them: this waits for a page that is being applied, and whoever empties first misses that page's rows.
///
/// # Errors
/// The database did not do its part.
pub async fn rewind(tx: &mut Tx, name: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM checkpoints WHERE name = $1")
        .bind(name)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Waits until the rows of projection `name` show everything up to `position`: read your own writes. `false` when `patience` ended.
///
/// # Errors
/// The database did not do its part.
pub async fn projected_up_to(
    database: &Database,
    name: &str,
    position: u64,
    patience: Duration,
) -> Result<bool, StoreError> {
    let deadline = Instant::now() + patience;
    let mut here = database.projected(name).subscribe();
    loop {
        here.borrow_and_update();
        if checkpoint(database, name).await? >= position {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        // Another process may be the one that projects.
        let look = deadline.min(Instant::now() + Duration::from_millis(50));
        let _ = tokio::time::timeout_at(look, here.changed()).await;
    }
}

/// Moves a checkpoint that still stands at `before`. Others who want to move it wait until the transaction ends.
async fn advance(tx: &mut Tx, name: &str, before: u64, after: u64) -> Result<bool, StoreError> {
    let (before, after) = (crate::row::signed(before), crate::row::signed(after));
    if before == 0 {
        let first = sqlx::query(
            "INSERT INTO checkpoints (name, position) VALUES ($1, 0) ON CONFLICT (name) DO NOTHING",
        );
        first.bind(name).execute(&mut **tx).await?;
    }
    let moved =
        sqlx::query("UPDATE checkpoints SET position = $3 WHERE name = $1 AND position = $2");
    Ok(moved
        .bind(name)
        .bind(before)
        .bind(after)
        .execute(&mut **tx)
        .await?
        .rows_affected()
        == 1)
}
