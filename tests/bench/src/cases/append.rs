//! 256 callers append at once, durable, against what PostgreSQL gives without us: a raw loop of batches, and the usual way of
//! one INSERT per commit.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use async_trait::async_trait;
use millrace_test_rig::Postgres;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::{Mutex, watch};

use super::rows::{self, Rows};
use super::scratch::Scratch;
use crate::case::{Arm, Better, Card, Case, Floor, Length};
use crate::load::{self, MEASURED, WARM_UP};
use crate::oracle;

const CALLERS: u64 = 256;

/// Where one INSERT per commit is quickest on two cores; with 64 it loses a little.
const CONNECTIONS: u32 = 16;

pub struct AppendCase {
    card: Card,
    server: Postgres,
    wrong: Option<anyhow::Error>,
}

impl AppendCase {
    pub async fn against_unnest() -> Result<AppendCase> {
        AppendCase::new(Card {
            name: "append-vs-unnest",
            unit: "events/s",
            better: Better::Higher,
            floor: Floor::Ratio(0.70),
            goal: 0.90,
            length: Length::Short,
            baseline: "a raw loop: 256 rows per UNNEST and commit, one connection, the same table, indexes and durability",
        })
        .await
    }

    pub async fn against_insert_per_commit() -> Result<AppendCase> {
        AppendCase::new(Card {
            name: "append-vs-insert-per-commit",
            unit: "events/s",
            better: Better::Higher,
            floor: Floor::Ratio(3.0),
            goal: 6.0,
            length: Length::Short,
            baseline: "256 callers, one INSERT per commit over 16 connections, the same table, indexes and durability",
        })
        .await
    }

    async fn new(card: Card) -> Result<AppendCase> {
        Ok(AppendCase {
            card,
            server: millrace_test_rig::postgres().await,
            wrong: None,
        })
    }

    async fn subject(&mut self) -> Result<f64> {
        let scratch = Scratch::postgres(&self.server).await?;
        let driven = load::append(&scratch.log, CALLERS).await?;
        if let Err(wrong) = oracle::feed_is_whole(&scratch.log, driven.acknowledged).await {
            self.wrong.get_or_insert(wrong);
        }
        scratch.close().await;
        Ok(driven.per_second)
    }

    async fn unnest(&self) -> Result<f64> {
        let scratch = Scratch::postgres(&self.server).await?;
        let mut connection = PgConnection::connect_with(&scratch.raw()?).await?;
        let mut source = Rows::of(CALLERS);
        let began = Instant::now();
        let mut counted = 0;
        while began.elapsed() < WARM_UP + MEASURED {
            let batch: Vec<_> = (0..CALLERS).map(|_| source.next()).collect();
            rows::insert_batch(&mut connection, batch).await?;
            if began.elapsed() > WARM_UP {
                counted += CALLERS;
            }
        }
        let per_second = counted as f64 / (began.elapsed() - WARM_UP).as_secs_f64();
        connection.close().await?;
        scratch.close().await;
        Ok(per_second)
    }

    async fn insert_per_commit(&self) -> Result<f64> {
        let scratch = Scratch::postgres(&self.server).await?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .min_connections(CONNECTIONS)
            .test_before_acquire(false);
        let pool = pool.connect_with(scratch.raw()?).await?;
        let source = Arc::new(Mutex::new(Rows::of(CALLERS)));
        let driven = load::drive(CALLERS, |_| {
            let (pool, source) = (pool.clone(), Arc::clone(&source));
            move || {
                let (pool, source) = (pool.clone(), Arc::clone(&source));
                async move {
                    let mut connection = pool.acquire().await?;
                    let row = source.lock().await.next();
                    rows::insert(&mut connection, row).await
                }
            }
        })
        .await?;
        pool.close().await;
        scratch.close().await;
        Ok(driven.per_second)
    }
}

#[async_trait]
impl Case for AppendCase {
    fn card(&self) -> Card {
        self.card.clone()
    }

    async fn run(&mut self, arm: Arm) -> Result<f64> {
        match (arm, self.card.name) {
            (Arm::Subject, _) => self.subject().await,
            (Arm::Baseline, "append-vs-unnest") => self.unnest().await,
            (Arm::Baseline, _) => self.insert_per_commit().await,
        }
    }

    /// The feeds of all runs were whole; and a follower that reads along, which no measured run had to feed, sees each event once.
    async fn check(&mut self) -> Result<()> {
        if let Some(wrong) = self.wrong.take() {
            return Err(wrong);
        }
        let scratch = Scratch::postgres(&self.server).await?;
        let (told, stop) = watch::channel(None);
        let log = Arc::clone(&scratch.log);
        let follower = tokio::spawn(async move { oracle::follow(&log, stop).await });
        let driven = load::append(&scratch.log, CALLERS).await?;
        told.send_replace(Some(driven.acknowledged));
        follower.await??;
        scratch.close().await;
        Ok(())
    }
}
