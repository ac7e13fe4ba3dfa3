//! Orders whose documents the ERP is to be asked for. Asked for again while somebody is at it, they stay.

use jiff::Timestamp;
use millrace_contract::order::v1::OrderState;
use millrace_event_store::{Database, StoreError};
use millrace_service_kit::Ids;

use super::micros;

#[derive(Clone)]
pub struct DocumentWork {
    database: Database,
    ids: Ids,
}

/// One of them, as it was asked for.
#[derive(Debug, Clone)]
pub struct DueDocuments {
    pub stream: String,
    asked: String,
    pub attempts: u32,
}

impl DocumentWork {
    #[must_use]
    pub fn new(database: Database, ids: Ids) -> Self {
        Self { database, ids }
    }

    /// Every order that is in the ERP, or may be on its way there, and not finished.
    ///
    /// # Errors
    /// The database is away.
    pub async fn ask_all(&self, now: Timestamp) -> Result<(), StoreError> {
        let state = |state: OrderState| i64::from(i32::from(state));
        sqlx::query(include_str!("sql/ask_for_documents.sql"))
            .bind(self.ids.uuid_at(now).to_string())
            .bind(micros(now))
            .bind(state(OrderState::Accepted))
            .bind(state(OrderState::Posted))
            .execute(self.database.pool())
            .await?;
        Ok(())
    }

    /// Those that wait longest first.
    ///
    /// # Errors
    /// The database is away.
    pub async fn due(&self, now: Timestamp, most: usize) -> Result<Vec<DueDocuments>, StoreError> {
        let rows: Vec<(String, String, i64)> =
            sqlx::query_as(include_str!("sql/due_documents.sql"))
                .bind(micros(now))
                .bind(i64::try_from(most).unwrap_or(i64::MAX))
                .fetch_all(self.database.pool())
                .await?;
        let due = rows
            .into_iter()
            .map(|(stream, asked, attempts)| DueDocuments {
                stream,
                asked,
                attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
            });
        Ok(due.collect())
    }

    /// How many are left.
    ///
    /// # Errors
    /// The database is away.
    pub async fn waiting(&self) -> Result<i64, StoreError> {
        let query = sqlx::query_as("SELECT COUNT(*) FROM document_work");
        let (count,): (i64,) = query.fetch_one(self.database.pool()).await?;
        Ok(count)
    }

    /// # Errors
    /// The database is away.
    pub async fn done(&self, due: &DueDocuments) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM document_work WHERE stream = $1 AND asked = $2")
            .bind(&due.stream)
            .bind(&due.asked)
            .execute(self.database.pool())
            .await?;
        Ok(())
    }

    /// # Errors
    /// The database is away.
    pub async fn put_off(&self, due: &DueDocuments, until: Timestamp) -> Result<(), StoreError> {
        sqlx::query(include_str!("sql/put_off_documents.sql"))
            .bind(&due.stream)
            .bind(&due.asked)
            .bind(micros(until))
            .execute(self.database.pool())
            .await?;
        Ok(())
    }

    /// All that is due.
    ///
    /// # Errors
    /// The database is away.
    pub async fn put_all_off(&self, now: Timestamp, until: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE document_work SET due_at = $2 WHERE due_at <= $1")
            .bind(micros(now))
            .bind(micros(until))
            .execute(self.database.pool())
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use millrace_event_store::DatabaseSettings;
    use millrace_service_kit::{Clock, SystemClock};

    use super::*;

    /// An order in each state, named by its number.
    async fn work() -> DocumentWork {
        let settings = DatabaseSettings::new("sqlite::memory:", "order-intake");
        let database = Database::open(&settings, Arc::new(SystemClock), Ids::random())
            .await
            .unwrap();
        let owners = [millrace_operations::migrations(), &crate::MIGRATIONS];
        database.migrate(&owners).await.unwrap();
        for state in 1..=5_i64 {
            sqlx::query("INSERT INTO orders (stream, channel, state, position, version, view) VALUES ($1, 'a', $2, $2, 1, $3)")
                .bind(format!("order/a/{state}"))
                .bind(state)
                .bind(Vec::<u8>::new())
                .execute(database.pool())
                .await
                .unwrap();
        }
        DocumentWork::new(database, Ids::random())
    }

    fn streams(due: &[DueDocuments]) -> Vec<&str> {
        due.iter().map(|due| due.stream.as_str()).collect()
    }

    #[tokio::test]
    async fn orders_that_may_be_in_the_erp_and_are_not_finished_are_asked_for() {
        let work = work().await;
        let now = SystemClock.now();
        work.ask_all(now).await.unwrap();
        let due = work.due(now, 10).await.unwrap();
        assert_eq!(streams(&due), ["order/a/1", "order/a/3"]);
        work.put_off(&due[0], Timestamp::MAX).await.unwrap();
        work.done(&due[1]).await.unwrap();
        assert_eq!(streams(&work.due(now, 10).await.unwrap()), [""; 0]);
        assert_eq!(work.waiting().await.unwrap(), 1);
    }

    /// FAULTS.md F7: who was stopped in the middle wakes up late.
    #[tokio::test]
    async fn who_is_late_does_not_take_away_what_was_asked_since() {
        let work = work().await;
        let now = SystemClock.now();
        work.ask_all(now).await.unwrap();
        let late = work.due(now, 1).await.unwrap().remove(0);
        work.ask_all(now).await.unwrap();
        work.done(&late).await.unwrap();
        work.put_off(&late, Timestamp::MAX).await.unwrap();
        let due = work.due(now, 10).await.unwrap();
        assert_eq!(streams(&due), ["order/a/1", "order/a/3"]);
    }
}
