//! Pages of reservations, and the few questions that are not about one by its number.

use std::collections::HashMap;

use millrace_contract::reservation::v1::{ReservationState, ReservationView};
use millrace_event_store::{Database, StoreError, places};
use millrace_values::{
    ChannelCode, CustomerNumber, ErpCode, LocationCode, Quantity, SystemId, VariantCode,
};
use prost::Message;
use sqlx::AssertSqlSafe;

use crate::domain::shelf::ShelfKey;
use crate::wire;

/// Reservations looked at in one go for what is due.
const DUE: i64 = 10_000;

#[derive(Clone)]
pub struct Listing {
    database: Database,
}

/// Which reservations.
#[derive(Debug, Clone)]
pub struct Which {
    /// `None`: of all.
    pub channel: Option<String>,
    pub store: Option<LocationCode>,
    pub state: ReservationState,
    /// Position of the last one seen; 0 begins.
    pub after: i64,
    pub limit: usize,
}

/// A line nobody in the store has looked for yet.
#[derive(Debug, Clone)]
pub struct OpenLine {
    pub stream: String,
    pub line: u32,
    pub shelf: ShelfKey,
    pub held: Quantity,
    pub short: Quantity,
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
            .bind(which.channel.as_deref().unwrap_or_default())
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

    /// How many reservations of a customer have not ended; those of `begun` that rows do not show yet have not.
    ///
    /// # Errors
    /// The database is away.
    pub async fn open_of(
        &self,
        channel: &ChannelCode,
        customer: &CustomerNumber,
        begun: &[String],
    ) -> Result<usize, StoreError> {
        let mut sql = "SELECT stream, state FROM reservations WHERE (channel = $1 AND customer = $2 AND state IN ($3, $4))".to_owned();
        if !begun.is_empty() {
            sql += &format!(" OR stream IN ({})", places(5, begun.len()));
        }
        let open = [ReservationState::Requested, ReservationState::Posted]
            .map(|state| i64::from(i32::from(state)));
        let mut query = sqlx::query_as::<_, (String, i64)>(AssertSqlSafe(sql))
            .bind(channel.as_str())
            .bind(customer.as_str())
            .bind(open[0])
            .bind(open[1]);
        for stream in begun {
            query = query.bind(stream);
        }
        let shown: HashMap<String, i64> = query
            .fetch_all(self.database.pool())
            .await?
            .into_iter()
            .collect();
        let of_rows = shown.values().filter(|state| open.contains(state)).count();
        let on_their_way = begun.iter().filter(|stream| !shown.contains_key(*stream));
        Ok(of_rows + on_their_way.count())
    }

    /// Stores with reservations nobody has looked for yet of which the shop was told that something is missing.
    ///
    /// # Errors
    /// The database is away.
    pub async fn short_stores(&self) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT DISTINCT store FROM reservations WHERE short <> 0 AND state = $1";
        let rows: Vec<(String,)> = sqlx::query_as(sql)
            .bind(i64::from(i32::from(ReservationState::Requested)))
            .fetch_all(self.database.pool())
            .await?;
        Ok(rows.into_iter().map(|(store,)| store).collect())
    }

    /// Lines of reservations nobody in this store has looked for yet, the newest first. What cannot be read is left out.
    ///
    /// # Errors
    /// The database is away.
    pub async fn open_lines(&self, store: &str) -> Result<Vec<OpenLine>, StoreError> {
        let sql = "SELECT stream, view FROM reservations WHERE store = $1 AND state = $2 ORDER BY position DESC";
        let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(sql)
            .bind(store)
            .bind(i64::from(i32::from(ReservationState::Requested)))
            .fetch_all(self.database.pool())
            .await?;
        let views = rows
            .into_iter()
            .filter_map(|(stream, view)| Some((stream, ReservationView::decode(&*view).ok()?)));
        Ok(views
            .flat_map(|(stream, view)| open_lines_of(&stream, view))
            .collect())
    }

    /// Stream of the reservation whose goods were put aside under this number; of several, the one whose goods wait.
    ///
    /// # Errors
    /// The database is away.
    pub async fn with_document(
        &self,
        channel: &ChannelCode,
        store: &LocationCode,
        document_number: &str,
    ) -> Result<Option<String>, StoreError> {
        let sql = "SELECT stream FROM reservations WHERE channel = $1 AND store = $2 AND document_number = $3 AND document_number <> '' ORDER BY state = $4 DESC, position DESC LIMIT 1";
        let row: Option<(String,)> = sqlx::query_as(sql)
            .bind(channel.as_str())
            .bind(store.as_str())
            .bind(document_number)
            .bind(i64::from(i32::from(ReservationState::Posted)))
            .fetch_optional(self.database.pool())
            .await?;
        Ok(row.map(|(stream,)| stream))
    }

    /// Stores that have reservations which have not ended.
    ///
    /// # Errors
    /// The database is away.
    pub async fn busy_stores(&self) -> Result<Vec<(LocationCode, ErpCode)>, StoreError> {
        let sql =
            "SELECT store, MAX(view) FROM reservations WHERE state IN ($1, $2) GROUP BY store";
        let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(sql)
            .bind(i64::from(i32::from(ReservationState::Requested)))
            .bind(i64::from(i32::from(ReservationState::Posted)))
            .fetch_all(self.database.pool())
            .await?;
        let stores = rows.into_iter().filter_map(|(store, view)| {
            let reservation = ReservationView::decode(&*view).ok()?.reservation?;
            Some((
                LocationCode::parse(&store).ok()?,
                ErpCode::parse(&reservation.erp).ok()?,
            ))
        });
        Ok(stores.collect())
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

fn open_lines_of(stream: &str, view: ReservationView) -> Vec<OpenLine> {
    let Some(reservation) = view.reservation else {
        return vec![];
    };
    let (Ok(erp), Ok(location)) = (
        ErpCode::parse(&reservation.erp),
        LocationCode::parse(&reservation.store),
    ) else {
        return vec![];
    };
    let lines = reservation.lines.iter().zip(view.lines);
    let open = lines.filter_map(|(line, status)| {
        let variant = VariantCode::parse_optional(&line.variant_code).ok()?;
        Some(OpenLine {
            stream: stream.to_owned(),
            line: status.line_number,
            shelf: ShelfKey {
                erp: erp.clone(),
                location: location.clone(),
                item: SystemId::parse(&status.item_system_id).ok()?,
                variant,
            },
            held: wire::read_total(status.requested)?,
            short: wire::read_total(Some(status.short.unwrap_or_default()))?,
        })
    });
    open.collect()
}
