//! Items and customers that were told of, and who waits for them.
//!
//! No order misses what it waits for. Orders are asked for after the transaction that keeps an item has committed, and every
//! order is looked at once more after the transaction that keeps its waits has. Whichever commits last sees the other's rows.

use std::collections::BTreeSet;

use millrace_event_store::{Database, StoreError, Tx};
use sqlx::AssertSqlSafe;

use super::places;
use super::work::ask;

/// Subjects in one query.
const PAGE: usize = 256;

/// Writes down that `subjects` were told of, in the transaction that keeps them.
///
/// # Errors
/// The database is away.
pub async fn arrived(tx: &mut Tx, subjects: &BTreeSet<String>) -> Result<(), StoreError> {
    let subjects: Vec<&str> = subjects.iter().map(String::as_str).collect();
    sqlx::query("INSERT INTO arrivals (subjects) VALUES ($1)")
        .bind(subjects.join("\n"))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Has everybody looked at who waits for what has arrived. Another process may do the same at the same time.
///
/// # Errors
/// The database is away.
pub async fn ask_for_arrived(database: &Database, now: i64) -> Result<(), StoreError> {
    loop {
        let query = sqlx::query_as("SELECT id, subjects FROM arrivals ORDER BY id LIMIT 1");
        let oldest: Option<(i64, String)> = query.fetch_optional(database.pool()).await?;
        let Some((id, subjects)) = oldest else {
            return Ok(());
        };
        let waiting = waiting_for(database, &subjects).await?;
        let mut tx = database.begin_derived().await?;
        for (stream, channel) in &waiting {
            ask(&mut tx, stream, channel, now).await?;
        }
        sqlx::query("DELETE FROM arrivals WHERE id = $1")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
    }
}

/// Streams and their channels, in an order all processes keep.
async fn waiting_for(
    database: &Database,
    subjects: &str,
) -> Result<BTreeSet<(String, String)>, StoreError> {
    let subjects: Vec<&str> = subjects.lines().collect();
    let mut waiting = BTreeSet::new();
    for page in subjects.chunks(PAGE) {
        let (places, count) = places(page.len(), 1);
        let sql = include_str!("sql/waiting_for.sql").replace("$places", &places);
        let mut query = sqlx::query_as(AssertSqlSafe(sql));
        let repeated = page.iter().chain(std::iter::repeat(&page[0]));
        for subject in repeated.take(count) {
            query = query.bind(*subject);
        }
        let found: Vec<(String, String)> = query.fetch_all(database.pool()).await?;
        waiting.extend(found);
    }
    Ok(waiting)
}
