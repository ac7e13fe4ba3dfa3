//! How shops that keep stock in rows sell the same item: three ways, each the best of its kind, in the rig's PostgreSQL.

use std::str::FromStr;

use anyhow::{Result, ensure};
use millrace_test_rig::Postgres;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool};

use crate::load::{self, Driven};

/// Clients: more only wait for each other.
pub const CLIENTS: u64 = 32;
/// More than any run sells.
const STOCK: i64 = 200_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    ForUpdate,
    ConditionalUpdate,
    SkipLocked,
}

impl Way {
    pub async fn run(self, server: &Postgres) -> Result<Driven> {
        let pool = prepared(server, self).await?;
        let driven = load::drive(CLIENTS, |client| {
            let pool = pool.clone();
            move || {
                let pool = pool.clone();
                async move { self.sell(&pool, client).await }
            }
        })
        .await?;
        pool.close().await;
        Ok(driven)
    }

    /// One piece for one client, durable.
    async fn sell(self, pool: &PgPool, client: u64) -> Result<()> {
        let mut tx = pool.begin().await?;
        let sold = match self {
            Self::ForUpdate => for_update(&mut tx).await?,
            Self::ConditionalUpdate => conditional(&mut tx).await?,
            Self::SkipLocked => skip_locked(&mut tx).await?,
        };
        ensure!(sold, "the baseline ran out of stock");
        let insert =
            sqlx::query("INSERT INTO reservations (item, client, quantity) VALUES (1, $1, 1)");
        insert
            .bind(i64::try_from(client)?)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }
}

async fn for_update(db: &mut PgConnection) -> Result<bool> {
    let (available,): (i64,) = sqlx::query_as(include_str!("for_update.sql"))
        .fetch_one(&mut *db)
        .await?;
    if available < 1 {
        return Ok(false);
    }
    let update = sqlx::query("UPDATE stock SET available = available - 1 WHERE item = 1");
    Ok(update.execute(db).await?.rows_affected() == 1)
}

async fn conditional(db: &mut PgConnection) -> Result<bool> {
    let update = "UPDATE stock SET available = available - 1 WHERE item = 1 AND available >= 1";
    Ok(sqlx::query(update).execute(db).await?.rows_affected() == 1)
}

async fn skip_locked(db: &mut PgConnection) -> Result<bool> {
    let delete = sqlx::query(include_str!("unit.sql"));
    Ok(delete.execute(db).await?.rows_affected() == 1)
}

async fn prepared(server: &Postgres, way: Way) -> Result<PgPool> {
    let url = server.create_database("bench").await?;
    let pool = PgPoolOptions::new()
        .max_connections(u32::try_from(CLIENTS)?)
        .min_connections(u32::try_from(CLIENTS)?)
        .test_before_acquire(false)
        .connect_with(PgConnectOptions::from_str(&url)?)
        .await?;
    sqlx::raw_sql(include_str!("shelf_rows.sql"))
        .execute(&pool)
        .await?;
    sqlx::query("INSERT INTO stock (item, available) VALUES (1, $1)")
        .bind(STOCK)
        .execute(&pool)
        .await?;
    if way == Way::SkipLocked {
        sqlx::query("INSERT INTO units (item) SELECT 1 FROM generate_series(1, $1)")
            .bind(STOCK)
            .execute(&pool)
            .await?;
    }
    sqlx::raw_sql("VACUUM ANALYZE").execute(&pool).await?;
    server.execute("CHECKPOINT").await?;
    Ok(pool)
}
