//! Documents that something is to be asked of the ERP for: in the order in which it was asked, until it is done. Asked for again while
//! somebody is at it, they stay.

use std::sync::Arc;

use jiff::Timestamp;
use millrace_event_store::{Database, StoreError, places_of_rows};
use millrace_service_kit::Ids;
use sqlx::{AnyConnection, AssertSqlSafe};

/// Rows in one statement.
const ROWS: usize = 50;

#[derive(Debug)]
struct Statements {
    ask: String,
    due: String,
    put_off: String,
    put_all_off: String,
    done: String,
    left: String,
    put_off_so_far: String,
}

/// The errands of one table: `stream`, `asked`, `due_at`, `attempts`.
#[derive(Clone)]
pub struct Errands {
    database: Database,
    ids: Ids,
    sql: Arc<Statements>,
}

/// One of them, as it was asked for.
#[derive(Debug, Clone)]
pub struct Errand {
    pub stream: String,
    asked: String,
    /// How often it came to nothing before.
    pub attempts: u32,
}

impl Errands {
    #[must_use]
    pub fn new(database: Database, ids: Ids, table: &'static str) -> Self {
        let named = |text: &str| text.replace("{table}", table);
        let sql = Statements {
            ask: named(include_str!("sql/errands_ask.sql")),
            due: named(include_str!("sql/errands_due.sql")),
            put_off: named(include_str!("sql/errands_put_off.sql")),
            put_all_off: named("UPDATE {table} SET due_at = $2 WHERE due_at <= $1"),
            done: named("DELETE FROM {table} WHERE stream = $1 AND asked = $2"),
            left: named("SELECT COUNT(*) FROM {table}"),
            put_off_so_far: named("SELECT COUNT(*) FROM {table} WHERE attempts > 0"),
        };
        Self {
            database,
            ids,
            sql: Arc::new(sql),
        }
    }

    /// Those that wait longest first.
    ///
    /// # Errors
    /// The database is away.
    pub async fn due(&self, now: Timestamp, most: usize) -> Result<Vec<Errand>, StoreError> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(AssertSqlSafe(self.sql.due.as_str()))
            .bind(now.as_microsecond())
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .fetch_all(self.database.pool())
            .await?;
        let due = rows.into_iter().map(|(stream, asked, attempts)| Errand {
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
    pub async fn left(&self) -> Result<i64, StoreError> {
        self.count(&self.sql.left).await
    }

    /// How many of them could not be done so far.
    ///
    /// # Errors
    /// The database is away.
    pub async fn put_off_so_far(&self) -> Result<i64, StoreError> {
        self.count(&self.sql.put_off_so_far).await
    }

    async fn count(&self, sql: &str) -> Result<i64, StoreError> {
        let query = sqlx::query_as(AssertSqlSafe(sql));
        let (count,): (i64,) = query.fetch_one(self.database.pool()).await?;
        Ok(count)
    }

    /// # Errors
    /// The database is away.
    pub async fn done(&self, errand: &Errand) -> Result<(), StoreError> {
        sqlx::query(AssertSqlSafe(self.sql.done.as_str()))
            .bind(&errand.stream)
            .bind(&errand.asked)
            .execute(self.database.pool())
            .await?;
        Ok(())
    }

    /// # Errors
    /// The database is away.
    pub async fn put_off(&self, errand: &Errand, until: Timestamp) -> Result<(), StoreError> {
        sqlx::query(AssertSqlSafe(self.sql.put_off.as_str()))
            .bind(&errand.stream)
            .bind(&errand.asked)
            .bind(until.as_microsecond())
            .execute(self.database.pool())
            .await?;
        Ok(())
    }

    /// All that is due.
    ///
    /// # Errors
    /// The database is away.
    pub async fn put_all_off(&self, now: Timestamp, until: Timestamp) -> Result<(), StoreError> {
        sqlx::query(AssertSqlSafe(self.sql.put_all_off.as_str()))
            .bind(now.as_microsecond())
            .bind(until.as_microsecond())
            .execute(self.database.pool())
            .await?;
        Ok(())
    }

    /// Asks for these, in few statements. Each asking has an id of its own: whoever does it late does not take away what was asked
    /// since.
    ///
    /// # Errors
    /// The database is away.
    pub async fn ask(
        &self,
        connection: &mut AnyConnection,
        streams: &[String],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        for streams in streams.chunks(ROWS) {
            let rows = places_of_rows(streams.len(), 3);
            let sql = self.sql.ask.replace("{rows}", &rows);
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for stream in streams {
                let asked = self.ids.uuid_at(at).to_string();
                query = query.bind(stream).bind(asked).bind(at.as_microsecond());
            }
            query.execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// Asks for every stream whose row in `rows` is as `which` says.
    ///
    /// # Errors
    /// The database is away.
    pub async fn ask_where(
        &self,
        rows: &'static str,
        which: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut connection = self.database.pool().acquire().await?;
        let sql = format!("SELECT stream FROM {rows} WHERE {which}");
        let found: Vec<(String,)> = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_all(&mut *connection)
            .await?;
        let streams: Vec<String> = found.into_iter().map(|(stream,)| stream).collect();
        self.ask(&mut connection, &streams, at).await
    }

    /// Asks for this one.
    ///
    /// # Errors
    /// The database is away.
    pub async fn ask_one(&self, stream: &str, at: Timestamp) -> Result<(), StoreError> {
        let mut connection = self.database.pool().acquire().await?;
        self.ask(&mut connection, &[stream.to_owned()], at).await
    }
}
