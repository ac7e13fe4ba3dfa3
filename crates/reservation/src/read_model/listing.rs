//! Pages of reservations, and the few questions that are not about one by its number.

use millrace_contract::reservation::v1::{ReservationState, ReservationView};
use millrace_event_store::{Database, StoreError};
use millrace_values::{ChannelCode, CustomerNumber, LocationCode};
use prost::Message;

/// Reservations looked at in one go for what is due.
const DUE: i64 = 10_000;

#[derive(Clone)]
pub struct Listing {
    database: Database,
}

/// Which reservations of a channel.
#[derive(Debug, Clone)]
pub struct Which {
    pub channel: ChannelCode,
    pub store: Option<LocationCode>,
    pub state: ReservationState,
    /// Position of the last one seen; 0 begins.
    pub after: i64,
    pub limit: usize,
}

/// A page, and the position to go on from where there is more.
#[derive(Debug)]
pub struct Page {
    pub reservations: Vec<ReservationView>,
    pub next: Option<i64>,
}

impl Listing {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Oldest first.
    ///
    /// # Errors
    /// The database is away.
    pub async fn page(&self, which: &Which) -> Result<Page, StoreError> {
        let query = sqlx::query_as(include_str!("sql/list_reservations.sql"));
        // Whether there is a next page is seen by asking for one row too many.
        let limit = i64::try_from(which.limit).unwrap_or(i64::MAX);
        let mut rows: Vec<(i64, Vec<u8>)> = query
            .bind(which.channel.as_str())
            .bind(which.after)
            .bind(which.store.as_ref().map_or("", LocationCode::as_str))
            .bind(i64::from(i32::from(which.state)))
            .bind(limit.saturating_add(1))
            .fetch_all(self.database.pool())
            .await?;
        let more = rows.len() > which.limit;
        rows.truncate(which.limit);
        let next = rows.last().filter(|_| more).map(|(position, _)| *position);
        let read = |(position, view): (i64, Vec<u8>)| {
            ReservationView::decode(&*view).map_err(|error| StoreError::Corrupt {
                number: u64::try_from(position).unwrap_or_default(),
                reason: error.to_string(),
            })
        };
        Ok(Page {
            reservations: rows.into_iter().map(read).collect::<Result<_, _>>()?,
            next,
        })
    }

    /// How many reservations of a customer have not ended.
    ///
    /// # Errors
    /// The database is away.
    pub async fn open_of(
        &self,
        channel: &ChannelCode,
        customer: &CustomerNumber,
    ) -> Result<usize, StoreError> {
        let query = sqlx::query_as(
            "SELECT COUNT(*) FROM reservations WHERE channel = $1 AND customer = $2 AND state IN ($3, $4)",
        );
        let (count,): (i64,) = query
            .bind(channel.as_str())
            .bind(customer.as_str())
            .bind(i64::from(i32::from(ReservationState::Requested)))
            .bind(i64::from(i32::from(ReservationState::Posted)))
            .fetch_one(self.database.pool())
            .await?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// Streams of what a store was to look for, or a customer to fetch, before the day `over`; or to fetch by the day `remind`, where
    /// nobody reminded yet.
    ///
    /// # Errors
    /// The database is away.
    pub async fn due(
        &self,
        store: &LocationCode,
        over: jiff::civil::Date,
        remind: jiff::civil::Date,
    ) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(String,)> = sqlx::query_as(include_str!("sql/due.sql"))
            .bind(store.as_str())
            .bind(i64::from(i32::from(ReservationState::Requested)))
            .bind(i64::from(i32::from(ReservationState::Posted)))
            .bind(over.to_string())
            .bind(remind.to_string())
            .bind(DUE)
            .fetch_all(self.database.pool())
            .await?;
        Ok(rows.into_iter().map(|(stream,)| stream).collect())
    }
}
