//! One caller's latency: group commit must not make a lonely caller wait.

use anyhow::Result;
use async_trait::async_trait;
use millrace_test_rig::Postgres;
use sqlx::{Connection, PgConnection};

use super::rows::{self, Rows};
use super::scratch::Scratch;
use crate::case::{Arm, Better, Card, Case, Floor, Length};
use crate::{load, oracle};

pub struct SingleCase {
    server: Postgres,
    wrong: Option<anyhow::Error>,
}

impl SingleCase {
    pub async fn new() -> Result<SingleCase> {
        Ok(SingleCase {
            server: millrace_test_rig::postgres().await,
            wrong: None,
        })
    }
}

#[async_trait]
impl Case for SingleCase {
    fn card(&self) -> Card {
        Card {
            name: "append-single-p50",
            unit: "us",
            better: Better::Lower,
            floor: Floor::Ratio(1.5),
            goal: 1.15,
            length: Length::Short,
            baseline: "one caller, a plain INSERT and its commit, the same table, indexes and durability",
        }
    }

    async fn run(&mut self, arm: Arm) -> Result<f64> {
        let scratch = Scratch::postgres(&self.server).await?;
        let driven = match arm {
            Arm::Subject => {
                let driven = load::append(&scratch.log, 1).await?;
                if let Err(wrong) = oracle::feed_is_whole(&scratch.log, driven.acknowledged).await {
                    self.wrong.get_or_insert(wrong);
                }
                driven
            }
            Arm::Baseline => {
                let connection = PgConnection::connect_with(&scratch.raw()?).await?;
                let state = std::sync::Arc::new(tokio::sync::Mutex::new((connection, Rows::of(1))));
                load::drive(1, |_| {
                    let state = std::sync::Arc::clone(&state);
                    move || {
                        let state = std::sync::Arc::clone(&state);
                        async move {
                            let (connection, source) = &mut *state.lock().await;
                            let row = source.next();
                            rows::insert(connection, row).await
                        }
                    }
                })
                .await?
            }
        };
        scratch.close().await;
        Ok(driven.p50_micros)
    }

    async fn check(&mut self) -> Result<()> {
        self.wrong.take().map_or(Ok(()), Err)
    }
}
