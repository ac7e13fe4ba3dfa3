//! Fresh logs and tables for each run, in the rig's PostgreSQL or in a file.

use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, Result};
use millrace_event_store::{Database, DatabaseSettings, EventLog};
use millrace_service_kit::{Ids, SystemClock};
use millrace_test_rig::Postgres;
use sqlx::postgres::PgConnectOptions;

/// A log's database, with the store's tables and nothing in them.
pub struct Scratch {
    pub database: Database,
    pub log: Arc<dyn EventLog>,
    pub url: String,
}

impl Scratch {
    /// In the rig's PostgreSQL, after a checkpoint, so that no run pays for the writes of the one before.
    pub async fn postgres(server: &Postgres) -> Result<Scratch> {
        Scratch::postgres_named(server, "bench").await
    }

    /// The same for a log with a name that matters: topics belong to logs by name.
    pub async fn postgres_named(server: &Postgres, name: &str) -> Result<Scratch> {
        let url = server.create_database("bench").await?;
        let scratch = Scratch::open(url, name).await?;
        server.execute("CHECKPOINT").await?;
        Ok(scratch)
    }

    pub async fn sqlite(folder: &std::path::Path) -> Result<Scratch> {
        Scratch::open(format!("sqlite:{}", folder.display()), "bench").await
    }

    async fn open(url: String, name: &str) -> Result<Scratch> {
        let database = Database::open(
            &DatabaseSettings::new(&url, name),
            Arc::new(SystemClock),
            Ids::random(),
        )
        .await?;
        database
            .migrate(&[])
            .await
            .context("could not create the log's tables")?;
        let log = database.log().await?;
        Ok(Scratch { database, log, url })
    }

    /// How a raw loop reaches the tables of a log from [`Scratch::postgres`].
    pub fn raw(&self) -> Result<PgConnectOptions> {
        Ok(PgConnectOptions::from_str(&self.url)?.options([("search_path", "bench")]))
    }

    pub async fn close(self) {
        self.database.close().await;
    }
}
