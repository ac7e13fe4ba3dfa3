//! Keeps the rows of reservations in step with the log. An event carries the lines after it, and what else a row shows is folded
//! from the stream.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use millrace_event_store::{Projection, Recorded, StoreError, Tx};
use prost::Message;

use crate::reservations::{Loaded, Reservations};
use crate::wire;

/// Of the projection; stored for ever.
const NAME: &str = "reservations";

/// Reservations loaded at once.
const AT_ONCE: usize = 16;

pub struct ReservationRows {
    reservations: Reservations,
}

impl ReservationRows {
    #[must_use]
    pub fn new(reservations: Reservations) -> Arc<Self> {
        Arc::new(Self { reservations })
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
        for recorded in events {
            if recorded.stream.starts_with("reservation/") {
                changed.entry(&recorded.stream).or_default().push(recorded);
            }
        }
        let looks: Vec<_> = changed
            .into_iter()
            .map(|(stream, events)| self.look(stream.to_owned(), &events))
            .collect();
        let mut loads = stream::iter(looks).buffered(AT_ONCE);
        while let Some((loaded, requested)) = loads.try_next().await? {
            if let Some(loaded) = loaded {
                put(tx, &loaded, requested).await?;
            }
        }
        Ok(())
    }
}

async fn put(tx: &mut Tx, loaded: &Loaded, requested: u64) -> Result<(), StoreError> {
    let Loaded { stream, taken, .. } = loaded;
    let reservation = &taken.reservation;
    let view = wire::view(taken);
    sqlx::query(include_str!("sql/put_reservation.sql"))
        .bind(stream)
        .bind(reservation.channel.as_str())
        .bind(reservation.store.as_str())
        .bind(i64::from(view.state))
        // After the first event of a stream its row is there, and keeps its place.
        .bind(i64::try_from(requested).unwrap_or(i64::MAX))
        .bind(
            reservation
                .customer
                .as_ref()
                .map_or("", |number| number.as_str()),
        )
        .bind(&view.document_number)
        .bind(&view.collect_by)
        .bind(i64::from(taken.reminded))
        .bind(view.encode_to_vec())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
