//! Where a poller stands in somebody else's list: an opaque text, saved in the transaction of the effect.

use crate::database::{Database, Tx};
use crate::log::StoreError;

/// Remembers `cursor` under `name`, together with everything else the transaction writes.
///
/// # Errors
/// The database did not do its part.
pub async fn save_cursor(tx: &mut Tx, name: &str, cursor: &str) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO cursors (name, cursor) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor")
        .bind(name)
        .bind(cursor)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// What was last saved under `name`.
///
/// # Errors
/// The database did not do its part.
pub async fn load_cursor(database: &Database, name: &str) -> Result<Option<String>, StoreError> {
    let cursor: Option<(String,)> = sqlx::query_as("SELECT cursor FROM cursors WHERE name = $1")
        .bind(name)
        .fetch_optional(database.pool())
        .await?;
    Ok(cursor.map(|(cursor,)| cursor))
}

/// Everything that was saved, by name.
///
/// # Errors
/// The database did not do its part.
pub async fn cursors(database: &Database) -> Result<Vec<(String, String)>, StoreError> {
    let all = sqlx::query_as("SELECT name, cursor FROM cursors ORDER BY name");
    Ok(all.fetch_all(database.pool()).await?)
}
