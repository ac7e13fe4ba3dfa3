//! Reservations that ask something of the ERP. Asked again while somebody is at it, they stay.

use jiff::Timestamp;
use millrace_event_store::{Database, StoreError, places_of_rows};
use sqlx::{AnyConnection, AssertSqlSafe};

/// Rows in one statement.
const ROWS: usize = 50;

#[derive(Clone)]
pub struct ErpWork {
    database: Database,
}

/// One of them, as it was asked for.
#[derive(Debug, Clone)]
pub struct Due {
    pub stream: String,
    asked: i64,
}

impl ErpWork {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Those that wait longest first.
    ///
    /// # Errors
    /// The database is away.
    pub async fn due(&self, now: Timestamp, most: usize) -> Result<Vec<Due>, StoreError> {
        let sql = "SELECT stream, asked FROM erp_work WHERE due_at <= $1 ORDER BY due_at, stream LIMIT $2";
        let rows: Vec<(String, i64)> = sqlx::query_as(sql)
            .bind(now.as_microsecond())
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .fetch_all(self.database.pool())
            .await?;
        let due = rows
            .into_iter()
            .map(|(stream, asked)| Due { stream, asked });
        Ok(due.collect())
    }

    /// # Errors
    /// The database is away.
    pub async fn done(&self, due: &Due) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM erp_work WHERE stream = $1 AND asked = $2")
            .bind(&due.stream)
            .bind(due.asked)
            .execute(self.database.pool())
            .await?;
        Ok(())
    }

    /// # Errors
    /// The database is away.
    pub async fn put_off(&self, due: &Due, until: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE erp_work SET due_at = $3 WHERE stream = $1 AND asked = $2")
            .bind(&due.stream)
            .bind(due.asked)
            .bind(until.as_microsecond())
            .execute(self.database.pool())
            .await?;
        Ok(())
    }

    /// # Errors
    /// The database is away.
    pub async fn ask(&self, stream: &str) -> Result<(), StoreError> {
        let mut connection = self.database.pool().acquire().await?;
        ask(&mut connection, &[stream.to_owned()]).await
    }
}

/// All of them in few statements.
///
/// # Errors
/// The database is away.
pub async fn ask(connection: &mut AnyConnection, streams: &[String]) -> Result<(), StoreError> {
    for streams in streams.chunks(ROWS) {
        let rows = places_of_rows(streams.len(), 1);
        let sql = include_str!("sql/ask_the_erp.sql").replace("{rows}", &rows);
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for stream in streams {
            query = query.bind(stream);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}
