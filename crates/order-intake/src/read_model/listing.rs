//! Pages of orders as they are shown.

use millrace_contract::order::v1::{OrderReturn, OrderState, OrderView};
use millrace_event_store::{Database, StoreError};
use prost::Message;

use super::returns_of;

/// A page, and the position to go on from where there is more.
#[derive(Debug)]
pub struct Page {
    pub orders: Vec<OrderView>,
    pub next: Option<i64>,
}

#[derive(Clone)]
pub struct Listing {
    database: Database,
}

/// Which held orders.
#[derive(Debug, Clone)]
pub struct Held {
    /// `None`: of all channels.
    pub channel: Option<String>,
    /// Position of the last one seen; 0 begins.
    pub after: i64,
    pub limit: usize,
}

impl Listing {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Returns of the order of this stream, oldest first.
    ///
    /// # Errors
    /// The database is away.
    pub async fn returns(&self, order_stream: &str) -> Result<Vec<OrderReturn>, StoreError> {
        returns_of(&self.database, order_stream).await
    }

    /// Orders of a channel, newest first, before the position `before`.
    ///
    /// # Errors
    /// The database is away.
    pub async fn orders(
        &self,
        channel: &str,
        state: OrderState,
        before: i64,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let query = sqlx::query_as(include_str!("sql/list_orders.sql"));
        let rows = query
            .bind(channel)
            .bind(before)
            .bind(i64::from(i32::from(state)))
            .bind(one_more(limit))
            .fetch_all(self.database.pool())
            .await?;
        page(rows, limit)
    }

    /// Held orders, oldest first.
    ///
    /// # Errors
    /// The database is away.
    pub async fn held(&self, held: &Held) -> Result<Page, StoreError> {
        let query = sqlx::query_as(include_str!("sql/list_held.sql"));
        let rows = query
            .bind(i64::from(i32::from(OrderState::Held)))
            .bind(held.after)
            .bind(held.channel.as_deref().unwrap_or_default())
            .bind(one_more(held.limit))
            .fetch_all(self.database.pool())
            .await?;
        page(rows, held.limit)
    }
}

/// Whether there is a next page is seen by asking for one row too many.
fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

fn page(mut rows: Vec<(i64, Vec<u8>)>, limit: usize) -> Result<Page, StoreError> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(position, _)| *position);
    let read = |(position, view): (i64, Vec<u8>)| {
        OrderView::decode(&*view).map_err(|error| StoreError::Corrupt {
            number: u64::try_from(position).unwrap_or_default(),
            reason: error.to_string(),
        })
    };
    Ok(Page {
        orders: rows.into_iter().map(read).collect::<Result<_, _>>()?,
        next,
    })
}
