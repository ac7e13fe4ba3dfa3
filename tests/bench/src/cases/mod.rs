//! The cases, in the order in which `make bench` runs them.

mod append;
mod erp_to_shop;
mod hot_item;
mod idle;
mod lookup;
mod relay;
mod rows;
mod scratch;
mod shelf_rows;
mod single;
mod sqlite;

use anyhow::{Result, bail};

use crate::case::Case;
use hot_item::HotItemCase;
use shelf_rows::Way;

#[cfg(test)]
pub use lookup::authorized;
pub use lookup::connect;
pub use rows::{Rows, insert};
pub use scratch::Scratch;

pub const NAMES: [&str; 13] = [
    "append-vs-unnest",
    "append-vs-insert-per-commit",
    "append-single-p50",
    "append-sqlite",
    "relay-backlog",
    "lookup-unary",
    "lookup-batch-100",
    "idle-rss-mib",
    "erp-to-shop-p50",
    "hot-item-vs-for-update",
    "hot-item-vs-conditional-update",
    "hot-item-vs-skip-locked",
    "hot-item-p99",
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
        "relay-backlog" => Box::new(relay::RelayCase::new().await?),
        "lookup-unary" => Box::new(lookup::LookupCase::unary().await?),
        "lookup-batch-100" => Box::new(lookup::LookupCase::batch().await?),
        "idle-rss-mib" => Box::new(idle::IdleCase::new()),
        "erp-to-shop-p50" => Box::new(erp_to_shop::ErpToShopCase::new().await?),
        "hot-item-vs-for-update" => Box::new(HotItemCase::against(Way::ForUpdate).await?),
        "hot-item-vs-conditional-update" => {
            Box::new(HotItemCase::against(Way::ConditionalUpdate).await?)
        }
        "hot-item-vs-skip-locked" => Box::new(HotItemCase::against(Way::SkipLocked).await?),
        "hot-item-p99" => Box::new(HotItemCase::p99().await?),
        _ => bail!("no case is called {name}"),
    })
}
