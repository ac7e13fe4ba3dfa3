//! Keeps the rows of reservations and shelves in step with the log. An event carries the lines after it, and what else a row shows is
//! folded from the stream; a shelf's event carries all of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use millrace_contract::reservation::v1::{ReservationState, ReservationView};
use millrace_erp_poster::Errands;
use millrace_event_store::{Projection, Recorded, StoreError, Tx, places_of_rows};
use millrace_values::ErpCode;
use prost::Message;
use sqlx::AssertSqlSafe;
use tokio::sync::Notify;

use crate::domain::Taken;
use crate::read_model::shelves;
use crate::reservations::{Loaded, Reservations};
use crate::wire;

/// Of the projection; stored for ever.
pub const NAME: &str = "reservations and shelves";

/// Reservations loaded at once.
const AT_ONCE: usize = 16;
/// Rows in one statement, and columns in a row.
const ROWS: usize = 50;
const COLUMNS: usize = 12;

pub struct ReservationRows {
    reservations: Reservations,
    work: Errands,
    /// Whose reservations may concern an ERP, and who is told that some do.
    carrying: Option<(ErpCode, Arc<Notify>)>,
}

impl ReservationRows {
    #[must_use]
    pub fn new(
        reservations: Reservations,
        work: Errands,
        carrying: Option<(ErpCode, Arc<Notify>)>,
    ) -> Arc<Self> {
        Arc::new(Self {
            reservations,
            work,
            carrying,
        })
    }

    /// Whether an ERP is to be asked something because of it.
    fn concerns_the_erp(&self, taken: &Taken) -> bool {
        let erp = self.carrying.as_ref().map(|(erp, _)| erp);
        erp == Some(&taken.reservation.erp) && taken.concerns_the_erp()
    }

    /// The reservation with its place among all, which is known from its first event. Most are seen from there: nothing has to be
    /// read for them.
    fn look(
        &self,
        stream: String,
        events: &[&Recorded],
    ) -> impl Future<Output = Result<(Option<Loaded>, u64), StoreError>> + Send + use<'_> {
        let first = events.first().filter(|first| first.version == 1);
        let requested = first.map_or(0, |first| first.at.number);
        let folded = first.map(|_| Loaded::fold(&stream, events));
        async move {
            let loaded = match folded {
                Some(folded) => folded?,
                None => self.reservations.load(&stream).await?,
            };
            Ok((loaded, requested))
        }
    }
}

#[async_trait]
impl Projection for ReservationRows {
    fn name(&self) -> &str {
        NAME
    }

    /// Reservations are written as they stand now, which may be later than these events: the rows never go back.
    async fn apply(&self, tx: &mut Tx, events: &[Recorded]) -> Result<(), StoreError> {
        let mut changed: BTreeMap<&str, Vec<&Recorded>> = BTreeMap::new();
        let mut moved: BTreeMap<&str, &Recorded> = BTreeMap::new();
        for recorded in events {
            if recorded.stream.starts_with("shelf/") {
                moved.insert(&recorded.stream, recorded);
            } else if recorded.stream.starts_with("reservation/") {
                changed.entry(&recorded.stream).or_default().push(recorded);
            }
        }
        let looks: Vec<_> = changed
            .into_iter()
            .map(|(stream, events)| self.look(stream.to_owned(), &events))
            .collect();
        let mut loads = stream::iter(looks).buffered(AT_ONCE);
        let mut rows = Vec::new();
        let mut asking = Vec::new();
        while let Some((loaded, requested)) = loads.try_next().await? {
            let Some(loaded) = loaded else { continue };
            rows.push(Row::of(&loaded, requested));
            if self.concerns_the_erp(&loaded.taken) {
                asking.push(loaded.stream);
            }
        }
        for rows in rows.chunks(ROWS) {
            put(tx, rows).await?;
        }
        for moved in moved.into_values() {
            shelves::put(tx, moved).await?;
        }
        if let Some(last) = events.last() {
            self.work.ask(tx, &asking, last.recorded_at).await?;
        }
        if let Some((_, wake)) = self.carrying.as_ref().filter(|_| !asking.is_empty()) {
            // Before the rows are there; who is woken looks again a moment later.
            wake.notify_one();
        }
        Ok(())
    }
}

/// A reservation as its row shows it.
struct Row {
    stream: String,
    channel: String,
    store: String,
    position: i64,
    customer: String,
    reminded: bool,
    in_erp: bool,
    view: ReservationView,
}

impl Row {
    fn of(loaded: &Loaded, requested: u64) -> Self {
        let Loaded { stream, taken, .. } = loaded;
        let reservation = &taken.reservation;
        let customer = reservation.customer.as_ref();
        Self {
            stream: stream.clone(),
            channel: reservation.channel.to_string(),
            store: reservation.store.to_string(),
            // After the first event of a stream its row is there, and keeps its place.
            position: i64::try_from(requested).unwrap_or(i64::MAX),
            customer: customer.map(ToString::to_string).unwrap_or_default(),
            reminded: taken.reminded,
            in_erp: taken.transfer.is_some() && !taken.is_settled(),
            view: wire::view(taken),
        }
    }

    /// Whether the shop was told that something is missing.
    fn short(&self) -> bool {
        let mut lines = self.view.lines.iter();
        lines.any(|line| wire::read_total(line.short.clone()).is_some_and(|short| !short.is_zero()))
    }

    /// By when something has to happen.
    fn due(&self) -> &str {
        match self.view.state() {
            ReservationState::Requested => &self.view.answer_by,
            _ => &self.view.collect_by,
        }
    }
}

/// All of them in one statement.
async fn put(tx: &mut Tx, rows: &[Row]) -> Result<(), StoreError> {
    let places = places_of_rows(rows.len(), COLUMNS);
    let sql = include_str!("sql/put_reservations.sql").replace("{rows}", &places);
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for row in rows {
        query = query
            .bind(&row.stream)
            .bind(&row.channel)
            .bind(&row.store)
            .bind(i64::from(row.view.state))
            .bind(row.position)
            .bind(&row.customer)
            .bind(&row.view.document_number)
            .bind(row.due())
            .bind(i64::from(row.reminded))
            .bind(i64::from(row.in_erp))
            .bind(i64::from(row.short()))
            .bind(row.view.encode_to_vec());
    }
    query.execute(&mut **tx).await?;
    Ok(())
}
