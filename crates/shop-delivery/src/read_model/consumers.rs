//! How far the readers have come.

use jiff::Timestamp;
use millrace_event_store::{Database, StoreError};

/// The token `consumer` acknowledged last.
pub(crate) async fn acknowledged(
    database: &Database,
    consumer: &str,
) -> Result<Option<String>, StoreError> {
    let token: Option<(String,)> = sqlx::query_as("SELECT token FROM consumers WHERE name = $1")
        .bind(consumer)
        .fetch_optional(database.pool())
        .await?;
    Ok(token.map(|(token,)| token))
}

pub(crate) async fn acknowledge(
    database: &Database,
    consumer: &str,
    token: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut tx = database.begin().await?;
    sqlx::query(include_str!("sql/acknowledge.sql"))
        .bind(consumer)
        .bind(token)
        .bind(now.as_microsecond())
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// A reader that has acknowledged something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub name: String,
    pub token: String,
    pub at: Timestamp,
}

/// All of them, by name.
pub(crate) async fn consumers(database: &Database) -> Result<Vec<Acknowledged>, StoreError> {
    let sql = "SELECT name, token, acknowledged_at FROM consumers ORDER BY name";
    let rows: Vec<(String, String, i64)> = sqlx::query_as(sql).fetch_all(database.pool()).await?;
    let known = rows.into_iter().map(|(name, token, at)| Acknowledged {
        name,
        token,
        at: Timestamp::from_microsecond(at).unwrap_or_default(),
    });
    Ok(known.collect())
}
