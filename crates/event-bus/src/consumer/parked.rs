//! What operators and services do with records that were kept aside, and with partitions that wait for a person.

use jiff::Timestamp;
use millrace_event_store::{Database, StoreError, Tx};
use tracing::info;

use crate::consumer::plan::BEGINNING;

/// Why a record is kept aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkedState {
    /// Could not be processed: needs a person, or on a state topic a newer record of its key.
    Parked,
    /// Refers to something not here yet; heals itself.
    Unresolved,
    /// Waits behind an earlier record of its key.
    Waiting,
    /// About to be tried again.
    Ready,
}

/// A record that was kept aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedRecord {
    /// Handle for retry and drop.
    pub id: i64,
    pub consumer: String,
    pub topic: String,
    pub partition: i64,
    pub offset: i64,
    pub key: String,
    /// Full Protobuf name; empty when not even that could be read.
    pub kind: String,
    pub state: ParkedState,
    pub reason: String,
    /// `topic/key`; empty unless unresolved.
    pub waits_for: String,
    pub waiting_behind: u64,
    pub attempts: u64,
    pub parked_at: Timestamp,
    pub last_attempt_at: Timestamp,
}

type Row = (
    i64,
    String,
    String,
    i64,
    i64,
    String,
    String,
    String,
    String,
    String,
    i64,
    i64,
    i64,
    i64,
);

/// What this database's consumers keep aside, oldest first, after the entry `after` (0 begins), at most `limit`.
///
/// # Errors
/// The database is away.
pub async fn list_parked(
    database: &Database,
    after: i64,
    limit: usize,
) -> Result<Vec<ParkedRecord>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(include_str!("sql/list.sql"))
        .bind(after)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(database.pool())
        .await?;
    Ok(rows.into_iter().map(record).collect())
}

/// How many records of a consumer are kept aside now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptCount {
    pub consumer: String,
    /// Need a person, or on a state topic a newer record of their key.
    pub parked: u64,
    /// Wait for something that is not here yet.
    pub unresolved: u64,
    /// Wait behind another of their key, or are about to be tried.
    pub waiting: u64,
}

/// How many records of each consumer are kept aside now; consumers without any are absent.
///
/// # Errors
/// The database is away.
pub async fn count_parked(database: &Database) -> Result<Vec<KeptCount>, StoreError> {
    let rows: Vec<(String, String, i64)> = sqlx::query_as(include_str!("sql/count.sql"))
        .fetch_all(database.pool())
        .await?;
    let mut counts: Vec<KeptCount> = Vec::new();
    for (consumer, status, number) in rows {
        if counts.last().is_none_or(|count| count.consumer != consumer) {
            counts.push(KeptCount {
                consumer,
                ..KeptCount::default()
            });
        }
        let Some(count) = counts.last_mut() else {
            continue;
        };
        let number = u64::try_from(number).unwrap_or_default();
        match status.as_str() {
            "unresolved" => count.unresolved += number,
            "waiting" | "ready" => count.waiting += number,
            _ => count.parked += number,
        }
    }
    Ok(counts)
}

fn record(row: Row) -> ParkedRecord {
    let (
        id,
        consumer,
        topic,
        partition,
        offset,
        key,
        kind,
        status,
        reason,
        waits_for,
        attempts,
        held_at,
        last_attempt_at,
        behind,
    ) = row;
    ParkedRecord {
        id,
        consumer,
        topic,
        partition,
        offset,
        key,
        kind,
        state: match status.as_str() {
            "unresolved" => ParkedState::Unresolved,
            "waiting" => ParkedState::Waiting,
            "ready" => ParkedState::Ready,
            _ => ParkedState::Parked,
        },
        reason,
        waits_for,
        waiting_behind: u64::try_from(behind).unwrap_or_default(),
        attempts: u64::try_from(attempts).unwrap_or_default(),
        parked_at: Timestamp::from_microsecond(held_at).unwrap_or_default(),
        last_attempt_at: Timestamp::from_microsecond(last_attempt_at).unwrap_or_default(),
    }
}

/// Has these records tried again at once. One that waits behind another stays behind it. Answers how many.
///
/// # Errors
/// The database is away.
pub async fn retry_parked(database: &Database, ids: &[i64]) -> Result<u64, StoreError> {
    let sql = "UPDATE bus_held SET status = 'ready', next_attempt_at = 0 WHERE id = $1 AND status IN ('parked', 'unresolved', 'ready')";
    let mut tx = database.begin().await?;
    let mut retried = 0;
    for id in ids {
        retried += sqlx::query(sql)
            .bind(id)
            .execute(&mut *tx)
            .await?
            .rows_affected();
    }
    tx.commit().await?;
    Ok(retried)
}

/// Has everything that is parked or unresolved tried again at once. Answers how many.
///
/// # Errors
/// The database is away.
pub async fn retry_all_parked(database: &Database) -> Result<u64, StoreError> {
    let sql = "UPDATE bus_held SET status = 'ready', next_attempt_at = 0 WHERE status IN ('parked', 'unresolved')";
    let mut tx = database.begin().await?;
    let retried = sqlx::query(sql).execute(&mut *tx).await?.rows_affected();
    tx.commit().await?;
    Ok(retried)
}

/// Gives these records up for ever; those waiting behind them go on. Who and why stays in `note`. Answers how many.
///
/// # Errors
/// The database is away.
pub async fn drop_parked(database: &Database, ids: &[i64], note: &str) -> Result<u64, StoreError> {
    let mut tx = database.begin().await?;
    let mut dropped = 0;
    for id in ids {
        let sql = "SELECT consumer, topic, record_key FROM bus_held WHERE id = $1 AND status <> 'dropped'";
        let found: Option<(String, String, String)> = sqlx::query_as(sql)
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
        let Some((consumer, topic, key)) = found else {
            continue;
        };
        let now = database.clock().now().as_microsecond();
        sqlx::query(include_str!("sql/drop.sql"))
            .bind(id)
            .bind(note)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        super::held::ready_next(&mut tx, &consumer, &topic, &key).await?;
        info!(
            parked.id = id,
            consumer, topic, "a record of {topic} kept aside by {consumer} was given up"
        );
        dropped += 1;
    }
    tx.commit().await?;
    Ok(dropped)
}

/// `what` (`items/<key>`, or any name the handler used) is here now: has everything that waits for it in this database tried
/// again once `tx` commits. Answers how many.
///
/// # Errors
/// The database is away.
pub async fn resolve(tx: &mut Tx, what: &str) -> Result<u64, StoreError> {
    let sql = "UPDATE bus_held SET status = 'ready', next_attempt_at = 0 WHERE waits_for = $1 AND status = 'unresolved'";
    Ok(sqlx::query(sql)
        .bind(what)
        .execute(&mut **tx)
        .await?
        .rows_affected())
}

/// A partition of a fact topic that waits for a person: its log was rebuilt, or its records are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stalled {
    pub consumer: String,
    pub topic: String,
    pub partition: i64,
    pub source: String,
    pub reason: String,
}

/// Partitions that wait for a person.
///
/// # Errors
/// The database is away.
pub async fn list_stalled(database: &Database) -> Result<Vec<Stalled>, StoreError> {
    let rows: Vec<(String, String, i64, String, String)> =
        sqlx::query_as(include_str!("sql/list_stalled.sql"))
            .fetch_all(database.pool())
            .await?;
    let stalled = rows
        .into_iter()
        .map(|(consumer, topic, partition, source, reason)| Stalled {
            consumer,
            topic,
            partition,
            source,
            reason,
        });
    Ok(stalled.collect())
}

/// Where a stalled partition goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// Everything that is there. What was taken already in this life of the log is not taken again.
    Beginning,
    /// Where it stopped, or, when that is gone, with the oldest that is there.
    Here,
}

/// Lets a stalled partition go on. Answers whether it was stalled.
///
/// # Errors
/// The database is away.
pub async fn restart_stalled(
    database: &Database,
    stalled: &Stalled,
    from: From,
) -> Result<bool, StoreError> {
    let sql = match from {
        From::Beginning => include_str!("sql/restart_from_beginning.sql"),
        From::Here => include_str!("sql/restart_here.sql"),
    };
    let mut tx = database.begin().await?;
    let query = sqlx::query(sql)
        .bind(&stalled.consumer)
        .bind(&stalled.topic)
        .bind(stalled.partition)
        .bind(&stalled.source);
    let query = match from {
        From::Beginning => query.bind(BEGINNING),
        From::Here => query,
    };
    let restarted = query.execute(&mut *tx).await?.rows_affected() == 1;
    tx.commit().await?;
    if restarted {
        let Stalled {
            consumer,
            topic,
            partition,
            ..
        } = stalled;
        info!(
            consumer,
            topic, partition, "{topic} {partition} of {consumer} goes on, somebody said so"
        );
    }
    Ok(restarted)
}
