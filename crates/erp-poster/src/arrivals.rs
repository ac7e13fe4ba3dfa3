//! What was told of that held documents may wait for.
//!
//! No document misses what it waits for. Documents are asked for after the transaction that keeps a subject has committed, and every
//! document is looked at once more after the transaction that keeps its waits has. Whichever commits last sees the other's rows.

use std::collections::BTreeSet;

use millrace_event_store::{StoreError, Tx, places};
use sqlx::AssertSqlSafe;

use crate::work::Work;

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

impl Work {
    /// Has everybody looked at who waits for what has arrived. Another process may do the same at the same time.
    ///
    /// # Errors
    /// The database is away.
    pub async fn ask_for_arrived(&self) -> Result<(), StoreError> {
        loop {
            let query = sqlx::query_as("SELECT id, subjects FROM arrivals ORDER BY id LIMIT 1");
            let oldest: Option<(i64, String)> = query.fetch_optional(self.database.pool()).await?;
            let Some((id, subjects)) = oldest else {
                return Ok(());
            };
            let waiting = self.waiting_for(&subjects).await?;
            let now = self.now();
            let mut tx = self.database.begin_derived().await?;
            for (stream, channel) in &waiting {
                self.ask(&mut tx, stream, channel, now).await?;
            }
            sqlx::query("DELETE FROM arrivals WHERE id = $1")
                .bind(id)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
        }
    }

    /// Streams and their channels, in an order all processes keep.
    async fn waiting_for(&self, subjects: &str) -> Result<BTreeSet<(String, String)>, StoreError> {
        let subjects: Vec<&str> = subjects.lines().collect();
        let mut waiting = BTreeSet::new();
        for page in subjects.chunks(PAGE) {
            // A few lengths instead of every length: the database plans each text once.
            let count = page.len().next_power_of_two();
            let sql = self.sql.waiting_for.replace("$places", &places(1, count));
            let mut query = sqlx::query_as(AssertSqlSafe(sql));
            let repeated = page.iter().chain(std::iter::repeat(&page[0]));
            for subject in repeated.take(count) {
                query = query.bind(*subject);
            }
            let found: Vec<(String, String)> = query.fetch_all(self.database.pool()).await?;
            waiting.extend(found);
        }
        Ok(waiting)
    }
}
