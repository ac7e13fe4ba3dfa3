//! The cases, in the order in which `make bench` runs them.

mod append;
mod rows;
mod scratch;
mod single;
mod sqlite;

use anyhow::{Result, bail};

use crate::case::Case;

pub const NAMES: [&str; 4] = [
    "append-vs-unnest",
    "append-vs-insert-per-commit",
    "append-single-p50",
    "append-sqlite",
];

/// Builds what a case needs before its first run.
pub async fn prepare(name: &str) -> Result<Box<dyn Case>> {
    Ok(match name {
        "append-vs-unnest" => Box::new(append::AppendCase::against_unnest().await?),
        "append-vs-insert-per-commit" => {
            Box::new(append::AppendCase::against_insert_per_commit().await?)
        }
        "append-single-p50" => Box::new(single::SingleCase::new().await?),
        "append-sqlite" => Box::new(sqlite::SqliteCase::new()),
        _ => bail!("no case is called {name}"),
    })
}
