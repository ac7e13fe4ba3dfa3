//! Shelves that hold something, as the log told of them last.

use millrace_contract::shelves::v1::ShelfMoved;
use millrace_event_store::{Database, Recorded, StoreError, Tx};
use prost::Message;

use crate::domain::shelf::{Shelf, ShelfKey};
use crate::wire;

#[derive(Clone)]
pub struct ShelfRows {
    database: Database,
}

impl ShelfRows {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// What cannot be read is left out.
    ///
    /// # Errors
    /// The database is away.
    pub async fn all(&self) -> Result<Vec<(ShelfKey, Shelf)>, StoreError> {
        let rows: Vec<(String, Vec<u8>)> = sqlx::query_as("SELECT stream, shelf FROM shelves")
            .fetch_all(self.database.pool())
            .await?;
        let shelves = rows.into_iter().filter_map(|(stream, shelf)| {
            let shelf = wire::read_shelf(ShelfMoved::decode(&*shelf).ok()?).ok()?;
            Some((ShelfKey::of_stream(&stream)?, shelf))
        });
        Ok(shelves.collect())
    }
}

/// # Errors
/// The database is away, or the event cannot be read.
pub async fn put(tx: &mut Tx, moved: &Recorded) -> Result<(), StoreError> {
    let corrupt = |reason: String| StoreError::Corrupt {
        number: moved.at.number,
        reason,
    };
    let mut shelf = ShelfMoved::decode(moved.event.payload.as_ref())
        .map_err(|error| corrupt(error.to_string()))?;
    shelf.reservations.clear();
    let holds = wire::read_shelf(shelf.clone()).map_err(|error| corrupt(error.to_string()))?;
    if holds.held.is_zero() {
        sqlx::query("DELETE FROM shelves WHERE stream = $1")
            .bind(&*moved.stream)
            .execute(&mut **tx)
            .await?;
        return Ok(());
    }
    sqlx::query(include_str!("sql/put_shelf.sql"))
        .bind(&*moved.stream)
        .bind(shelf.encode_to_vec())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
