//! Pages of returns as they are shown.

use millrace_contract::returns::v1::{ReturnState, ReturnView};
use millrace_event_store::{Database, StoreError};
use prost::Message;

/// A page, and the position to go on from where there is more.
#[derive(Debug)]
pub struct Page {
    pub returns: Vec<ReturnView>,
    pub next: Option<i64>,
}

/// Which returns of a channel.
#[derive(Debug, Clone)]
pub struct Which {
    pub channel: String,
    /// Empty: of every order.
    pub order_number: String,
    pub state: ReturnState,
    /// Position of the last one seen.
    pub before: i64,
    pub limit: usize,
}

/// Which held returns.
#[derive(Debug, Clone)]
pub struct Held {
    /// `None`: of all channels.
    pub channel: Option<String>,
    /// Position of the last one seen; 0 begins.
    pub after: i64,
    pub limit: usize,
}

#[derive(Clone)]
pub struct Listing {
    database: Database,
}

impl Listing {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Newest first.
    ///
    /// # Errors
    /// The database is away.
    pub async fn page(&self, which: &Which) -> Result<Page, StoreError> {
        let query = sqlx::query_as(include_str!("sql/list_returns.sql"));
        let rows = query
            .bind(&which.channel)
            .bind(which.before)
            .bind(i64::from(i32::from(which.state)))
            .bind(&which.order_number)
            .bind(one_more(which.limit))
            .fetch_all(self.database.pool())
            .await?;
        page(rows, which.limit)
    }

    /// Oldest first.
    ///
    /// # Errors
    /// The database is away.
    pub async fn held(&self, held: &Held) -> Result<Page, StoreError> {
        let query = sqlx::query_as(include_str!("sql/list_held.sql"));
        let rows = query
            .bind(i64::from(i32::from(ReturnState::Held)))
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
        ReturnView::decode(&*view).map_err(|error| StoreError::Corrupt {
            number: u64::try_from(position).unwrap_or_default(),
            reason: error.to_string(),
        })
    };
    Ok(Page {
        returns: rows.into_iter().map(read).collect::<Result<_, _>>()?,
        next,
    })
}
