//! The cases, in the order in which `make bench` runs them.

mod append;
mod erp_to_shop;
mod idle;
mod lookup;
mod rows;
mod scratch;
mod single;
mod sqlite;

use anyhow::{Result, bail};

#[cfg(test)]
pub use lookup::authorized;
pub use lookup::connect;
pub use rows::{Rows, insert};
pub use scratch::Scratch;

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
        "lookup-unary" => Box::new(lookup::LookupCase::unary().await?),
        "lookup-batch-100" => Box::new(lookup::LookupCase::batch().await?),
        "idle-rss-mib" => Box::new(idle::IdleCase::new()),
        "erp-to-shop-p50" => Box::new(erp_to_shop::ErpToShopCase::new().await?),
        _ => bail!("no case is called {name}"),
    })
}
