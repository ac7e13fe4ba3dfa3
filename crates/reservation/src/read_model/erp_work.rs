//! Reservations that ask something of the ERP. Asked again while somebody is at it, they stay.

use jiff::Timestamp;
use millrace_event_store::{Database, StoreError, places_of_rows};
use millrace_service_kit::Ids;
use sqlx::{AnyConnection, AssertSqlSafe};

/// Rows in one statement.
const ROWS: usize = 50;

#[derive(Clone)]
pub struct ErpWork {
    database: Database,
    ids: Ids,
}

/// One of them, as it was asked for.
#[derive(Debug, Clone)]
pub struct Due {
    pub stream: String,
    asked: String,
    pub attempts: u32,
}

impl ErpWork {
    #[must_use]
    pub fn new(database: Database, ids: Ids) -> Self {
        Self { database, ids }
    }

    /// Those that wait longest first.
    ///
    /// # Errors
    /// The database is away.
    pub async fn due(&self, now: Timestamp, most: usize) -> Result<Vec<Due>, StoreError> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(include_str!("sql/due_erp_work.sql"))
            .bind(now.as_microsecond())
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .fetch_all(self.database.pool())
            .await?;
        let due = rows.into_iter().map(|(stream, asked, attempts)| Due {
            stream,
            asked,
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        });
        Ok(due.collect())
    }

    /// How many could not be done so far.
    ///
    /// # Errors
    /// The database is away.
    pub async fn put_off_so_far(&self) -> Result<i64, StoreError> {
        let sql = "SELECT COUNT(*) FROM erp_work WHERE attempts > 0";
        let (count,): (i64,) = sqlx::query_as(sql).fetch_one(self.database.pool()).await?;
        Ok(count)
    }

    /// # Errors
    /// The database is away.
    pub async fn done(&self, due: &Due) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM erp_work WHERE stream = $1 AND asked = $2")
            .bind(&due.stream)
            .bind(&due.asked)
            .execute(self.database.pool())
            .await?;
        Ok(())
    }

    /// # Errors
    /// The database is away.
    pub async fn put_off(&self, due: &Due, until: Timestamp) -> Result<(), StoreError> {
        sqlx::query(include_str!("sql/put_off_erp_work.sql"))
            .bind(&due.stream)
            .bind(&due.asked)
            .bind(until.as_microsecond())
            .execute(self.database.pool())
            .await?;
        Ok(())
    }

    /// # Errors
    /// The database is away.
    pub async fn ask(&self, stream: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut connection = self.database.pool().acquire().await?;
        ask(&mut connection, &[stream.to_owned()], now, &self.ids).await
    }

    /// Every reservation that the ERP may have, or ought to: what is known of it may be wrong.
    ///
    /// # Errors
    /// The database is away.
    pub async fn ask_all(&self, which: Which, now: Timestamp) -> Result<(), StoreError> {
        let sql = match which {
            Which::NotTold => "SELECT stream FROM reservations WHERE state = 1 AND in_erp = 0",
            Which::All => "SELECT stream FROM reservations WHERE state IN (1, 2) OR in_erp = 1",
        };
        let mut connection = self.database.pool().acquire().await?;
        let rows: Vec<(String,)> = sqlx::query_as(sql).fetch_all(&mut *connection).await?;
        let streams: Vec<String> = rows.into_iter().map(|(stream,)| stream).collect();
        ask(&mut connection, &streams, now, &self.ids).await
    }
}

/// Which reservations of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those nobody has looked for and that the ERP was not told of.
    NotTold,
    /// Those that have not ended, here or there.
    All,
}

/// All of them in few statements; who asked first comes first. Each asking has an id of its own: whoever does it late does not take
/// away what was asked since.
///
/// # Errors
/// The database is away.
pub async fn ask(
    connection: &mut AnyConnection,
    streams: &[String],
    at: Timestamp,
    ids: &Ids,
) -> Result<(), StoreError> {
    for streams in streams.chunks(ROWS) {
        let rows = places_of_rows(streams.len(), 3);
        let sql = include_str!("sql/ask_the_erp.sql").replace("{rows}", &rows);
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for stream in streams {
            let asked = ids.uuid_at(at).to_string();
            query = query.bind(stream).bind(asked).bind(at.as_microsecond());
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use millrace_event_store::DatabaseSettings;
    use millrace_service_kit::{Clock, SystemClock};

    use super::*;

    /// FAULTS.md F7: who was stopped in the middle wakes up late.
    #[tokio::test]
    async fn who_is_late_does_not_take_away_what_was_asked_since() {
        let settings = DatabaseSettings::new("sqlite::memory:", "reservation");
        let database = Database::open(&settings, Arc::new(SystemClock), Ids::random())
            .await
            .unwrap();
        database.migrate(&[&crate::MIGRATIONS]).await.unwrap();
        let work = ErpWork::new(database, Ids::random());
        let now = SystemClock.now();
        let ask = async || {
            work.ask("reservation/a/1", now).await.unwrap();
            work.due(now, 10).await.unwrap().remove(0)
        };
        let late = ask().await;
        let by_the_other = work.due(now, 10).await.unwrap().remove(0);
        work.done(&by_the_other).await.unwrap();
        ask().await;
        work.done(&late).await.unwrap();
        work.put_off(&late, SystemClock.now()).await.unwrap();
        let left = work.due(now, 10).await.unwrap();
        assert_eq!((left.len(), left[0].attempts), (1, 0));
    }
}
