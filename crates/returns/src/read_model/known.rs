//! What is known of original orders, from the topic of their owner.

use bytes::Bytes;
use millrace_contract::returns::v1::OriginalOrder;
use millrace_event_store::{Database, StoreError, Tx};
use prost::Message;

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

    /// The original order as it is shown; `None`: it is not known.
    ///
    /// # Errors
    /// The database is away.
    pub async fn original(&self, goods: &Return) -> Result<Option<OriginalOrder>, StoreError> {
        let query = sqlx::query_as("SELECT original FROM known_orders WHERE stream = $1");
        let row: Option<(Vec<u8>,)> = query
            .bind(stream(goods))
            .fetch_optional(self.database.pool())
            .await?;
        row.map(|(original,)| read(&original)).transpose()
    }

    /// The original order as the rules need it.
    ///
    /// # Errors
    /// The database is away, or the order cannot be read.
    pub async fn sold(&self, goods: &Return) -> Result<Option<Sold>, StoreError> {
        let original = self.original(goods).await?;
        let sold = original.map(|original| wire::sold(&original).map_err(corrupt));
        sold.transpose()
    }
}

/// Of the original order.
fn stream(goods: &Return) -> String {
    format!("order/{}/{}", goods.channel, goods.order)
}

fn read(bytes: &[u8]) -> Result<OriginalOrder, StoreError> {
    OriginalOrder::decode(bytes).map_err(corrupt)
}

fn corrupt(reason: impl ToString) -> StoreError {
    StoreError::Corrupt {
        number: 0,
        reason: reason.to_string(),
    }
}

/// Keeps one more fact of an order. `Err` inside: the fact cannot be read.
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
    let known = row.map(|(original,)| read(&original)).transpose()?;
    let after = match wire::apply(known, kind, payload) {
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
