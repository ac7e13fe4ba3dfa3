//! The log in a SQLite file, every commit on the disk, against a raw loop with the same batches and settings.

use std::time::Instant;

use anyhow::{Context, Result};
use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, QueryBuilder, Sqlite};
use tempfile::TempDir;

use super::rows::{Row, Rows};
use super::scratch::Scratch;
use crate::case::{Arm, Better, Card, Case, Floor, Length};
use crate::load::{self, MEASURED, WARM_UP};
use crate::oracle;

const CALLERS: u64 = 256;

pub struct SqliteCase {
    wrong: Option<anyhow::Error>,
}

impl SqliteCase {
    pub fn new() -> SqliteCase {
        SqliteCase { wrong: None }
    }

    async fn subject(&mut self) -> Result<f64> {
        let folder = on_disk()?;
        let scratch = Scratch::sqlite(folder.path()).await?;
        let driven = load::append(&scratch.log, CALLERS).await?;
        if let Err(wrong) = oracle::feed_is_whole(&scratch.log, driven.acknowledged).await {
            self.wrong.get_or_insert(wrong);
        }
        scratch.close().await;
        Ok(driven.per_second)
    }

    async fn raw(&self) -> Result<f64> {
        let folder = on_disk()?;
        // The store makes its tables and lets go of the file.
        Scratch::sqlite(folder.path()).await?.close().await;
        let file = std::fs::read_dir(folder.path())?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|kind| kind == "db"));
        let options = SqliteConnectOptions::new().filename(file.context("the store made no file")?);
        let options = options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let mut source = Rows::of(CALLERS);
        let began = Instant::now();
        let mut counted = 0;
        while began.elapsed() < WARM_UP + MEASURED {
            let batch: Vec<Row> = (0..CALLERS).map(|_| source.next()).collect();
            insert_batch(&mut connection, batch).await?;
            if began.elapsed() > WARM_UP {
                counted += CALLERS;
            }
        }
        let per_second = counted as f64 / (began.elapsed() - WARM_UP).as_secs_f64();
        connection.close().await?;
        Ok(per_second)
    }
}

#[async_trait]
impl Case for SqliteCase {
    fn card(&self) -> Card {
        Card {
            name: "append-sqlite",
            unit: "events/s",
            better: Better::Higher,
            floor: Floor::Ratio(0.5),
            goal: 0.85,
            length: Length::Short,
            baseline: "a raw loop: 256 rows per INSERT and commit, WAL, synchronous=FULL, the same table and indexes",
        }
    }

    async fn run(&mut self, arm: Arm) -> Result<f64> {
        match arm {
            Arm::Subject => self.subject().await,
            Arm::Baseline => self.raw().await,
        }
    }

    async fn check(&mut self) -> Result<()> {
        self.wrong.take().map_or(Ok(()), Err)
    }
}

/// A folder on the disk of the checkout: a memory file system would flatter.
fn on_disk() -> Result<TempDir> {
    let base = millrace_test_rig::workspace().join("target/bench");
    std::fs::create_dir_all(&base)?;
    Ok(tempfile::Builder::new()
        .prefix("sqlite-")
        .tempdir_in(base)?)
}

async fn insert_batch(connection: &mut SqliteConnection, batch: Vec<Row>) -> Result<()> {
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut query = QueryBuilder::<Sqlite>::new(include_str!("sqlite_insert.sql"));
    query.push_values(batch, |mut values, row| {
        let at = row.event.occurred_at.as_microsecond();
        values
            .push_bind(row.position)
            .push_bind(row.version)
            .push_bind(at)
            .push_bind(at)
            .push_bind(row.event.id);
        values
            .push_bind(row.event.cause.correlation_id)
            .push_bind(row.event.cause.causation_id)
            .push_bind(row.event.deleted);
        values
            .push_bind(row.stream)
            .push_bind(row.event.kind)
            .push_bind(None::<String>)
            .push_bind(row.event.erp);
        values
            .push_bind(row.event.channel)
            .push_bind(row.event.cause.traceparent)
            .push_bind(row.event.cause.actor);
        values.push_bind(row.event.payload.to_vec());
    });
    query.build().execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}
