//! What is known of original orders, from the topic of their owner.

use bytes::Bytes;
use millrace_contract::returns::v1::OriginalOrder;
use millrace_event_store::{Database, StoreError, Tx};
use prost::Message;
use tracing::warn;

use crate::domain::{Return, Sold};
use crate::wire;

/// Answers what the rules need to know of orders.
#[derive(Clone)]
pub struct Knowledge {
    database: Database,
}

impl Knowledge {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// The original order as it is shown; `None`: it is not known, or cannot be read.
    ///
    /// # Errors
    /// The database is away.
    pub async fn original(&self, goods: &Return) -> Result<Option<OriginalOrder>, StoreError> {
        let query = sqlx::query_as("SELECT original FROM known_orders WHERE stream = $1");
        let row: Option<(Vec<u8>,)> = query
            .bind(stream(goods))
            .fetch_optional(self.database.pool())
            .await?;
        Ok(row.and_then(|(original,)| legible(goods, read(&original))))
    }

    /// The original order as the rules need it; `None`: it is not known, or cannot be read: it is the return that waits, and whoever
    /// calls learns why.
    ///
    /// # Errors
    /// The database is away.
    pub async fn sold(&self, goods: &Return) -> Result<Option<Sold>, StoreError> {
        let original = self.original(goods).await?;
        Ok(original.and_then(|original| legible(goods, wire::sold(&original))))
    }
}

fn legible<T>(goods: &Return, read: Result<T, wire::Broken>) -> Option<T> {
    read.inspect_err(|broken| {
        let order = stream(goods);
        let cause = broken as &dyn std::error::Error;
        warn!(
            order,
            error = cause,
            "an order that goods come back of cannot be read"
        );
    })
    .ok()
}

/// Of the original order.
fn stream(goods: &Return) -> String {
    format!("order/{}/{}", goods.channel, goods.order)
}

fn read(bytes: &[u8]) -> Result<OriginalOrder, wire::Broken> {
    Ok(OriginalOrder::decode(bytes)?)
}

/// Keeps one more fact of an order. `Err` inside: the fact, or what was known before, cannot be read.
///
/// # Errors
/// The database is away.
pub async fn keep_order(
    tx: &mut Tx,
    stream: &str,
    kind: &str,
    payload: Bytes,
) -> Result<Result<(), wire::Broken>, StoreError> {
    let query = sqlx::query_as("SELECT original FROM known_orders WHERE stream = $1");
    let row: Option<(Vec<u8>,)> = query.bind(stream).fetch_optional(&mut **tx).await?;
    let known = row.map(|(original,)| read(&original)).transpose();
    let after = match known.and_then(|known| wire::apply(known, kind, payload)) {
        Ok(Some(after)) => after,
        Ok(None) => return Ok(Ok(())),
        Err(broken) => return Ok(Err(broken)),
    };
    sqlx::query(include_str!("sql/put_order.sql"))
        .bind(stream)
        .bind(after.encode_to_vec())
        .execute(&mut **tx)
        .await?;
    Ok(Ok(()))
}
