//! How leases and the clock of a database stand, for who looks at them from outside.

use std::time::Duration;

use jiff::Timestamp;

use crate::database::{Database, Dialect};
use crate::log::StoreError;

/// A lease as it stands; one that was given back is held by nobody, and that is as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseStanding {
    pub name: String,
    /// Somebody has it now.
    pub held: bool,
    /// It ran out so long ago without being given back, and nobody took it over.
    pub forsaken: Option<Duration>,
}

impl Database {
    /// Every lease that was ever taken here.
    ///
    /// # Errors
    /// The database is away, or not migrated yet.
    pub async fn leases(&self) -> Result<Vec<LeaseStanding>, StoreError> {
        let query = match self.dialect() {
            Dialect::Postgres => sqlx::query_as(include_str!("../postgres/lease_standings.sql")),
            Dialect::Sqlite => sqlx::query_as(include_str!("../sqlite/lease_standings.sql"))
                .bind(self.clock().now().as_microsecond()),
        };
        let rows: Vec<(String, i64)> = query.fetch_all(self.pool()).await?;
        let standings = rows.into_iter().map(|(name, over)| LeaseStanding {
            name,
            held: over < 0,
            forsaken: u64::try_from(over)
                .ok()
                .filter(|over| *over > 0)
                .map(Duration::from_micros),
        });
        Ok(standings.collect())
    }

    /// The server's clock; a file has none.
    ///
    /// # Errors
    /// The database is away.
    pub async fn server_time(&self) -> Result<Option<Timestamp>, StoreError> {
        if self.dialect() == Dialect::Sqlite {
            return Ok(None);
        }
        const NOW: &str = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)";
        let (micros,): (i64,) = sqlx::query_as(NOW).fetch_one(self.pool()).await?;
        Ok(Timestamp::from_microsecond(micros).ok())
    }
}
