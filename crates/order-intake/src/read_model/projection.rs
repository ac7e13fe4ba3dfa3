//! Keeps the rows of orders in step with the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use millrace_erp_poster::Work;
use millrace_event_store::{Projection, Recorded, StoreError, Tx};
use prost::Message;
use tracing::error;

use super::awaited::Awaited;
use super::signed;
use crate::domain::{HoldReason, Phase, Taken};
use crate::orders::{Loaded, Orders};
use crate::wire;

/// Of the projection; stored for ever.
pub const NAME: &str = "orders";

/// Orders loaded at once.
const AT_ONCE: usize = 16;

/// The answer to our own request may be on its way.
const SECOND_LOOK: Duration = Duration::from_secs(2);

pub struct OrderRows {
    orders: Orders,
    work: Work,
}

impl OrderRows {
    #[must_use]
    pub fn new(orders: Orders, work: Work) -> Arc<Self> {
        Arc::new(Self { orders, work })
    }

    async fn load(
        &self,
        stream: String,
        accepted: Option<u64>,
    ) -> Result<(Option<Loaded>, Option<u64>), StoreError> {
        match self.orders.load(&stream).await {
            Ok(loaded) => Ok((loaded, accepted)),
            // One order that cannot be read (a newer binary wrote it) must not keep all others from being seen.
            Err(error @ StoreError::Corrupt { .. }) => {
                let cause = &error as &dyn std::error::Error;
                error!(
                    stream,
                    error = cause,
                    "an order cannot be read; its row stays as it was"
                );
                Ok((None, accepted))
            }
            Err(error) => Err(error),
        }
    }

    async fn write(
        &self,
        tx: &mut Tx,
        loaded: &Loaded,
        accepted: Option<u64>,
    ) -> Result<(), StoreError> {
        let Loaded { stream, taken, .. } = loaded;
        // After the first event of a stream its row is there, and keeps its place.
        let position = accepted.unwrap_or_default();
        sqlx::query(include_str!("sql/put_order.sql"))
            .bind(stream)
            .bind(taken.order.channel.as_str())
            .bind(i64::from(i32::from(wire::state_of(taken))))
            .bind(signed(position))
            .bind(signed(taken.version))
            .bind(wire::view(taken).encode_to_vec())
            .execute(&mut **tx)
            .await?;
        let subjects = Awaited::by(taken).subjects();
        let is_new = accepted.is_some();
        self.work.waits(tx, stream, is_new, subjects).await?;
        match self.wish(taken) {
            Some(pause) => {
                let channel = taken.order.channel.as_str();
                self.work.wish(tx, stream, channel, pause).await
            }
            None => self.work.wish_nothing(tx, stream).await,
        }
    }

    /// When somebody has to look at an order that stands like this; `None`: when something else happens.
    fn wish(&self, taken: &Taken) -> Option<Duration> {
        match taken.phase {
            Phase::Cleared => Some(Duration::ZERO),
            Phase::Held => {
                // What it lacks may have come before anybody could see that it waits for it: one look after that.
                let heals = taken.reasons.iter().any(HoldReason::heals_by_itself);
                heals.then_some(Duration::ZERO)
            }
            Phase::Posted => taken.is_unconfirmed().then_some(SECOND_LOOK),
            Phase::Dropped => None,
        }
    }
}

#[async_trait]
impl Projection for OrderRows {
    fn name(&self) -> &str {
        NAME
    }

    /// Orders are written as they stand now, which may be later than these events: the rows never go back.
    async fn apply(&self, tx: &mut Tx, events: &[Recorded]) -> Result<(), StoreError> {
        let mut changed: BTreeMap<String, Option<u64>> = BTreeMap::new();
        for recorded in events {
            let accepted = changed.entry(recorded.stream.to_string()).or_default();
            if recorded.version == 1 {
                *accepted = Some(recorded.at.number);
            }
        }
        let looks = changed
            .into_iter()
            .map(|(stream, accepted)| self.load(stream, accepted));
        let mut orders = stream::iter(looks).buffered(AT_ONCE);
        while let Some((loaded, accepted)) = orders.try_next().await? {
            if let Some(loaded) = loaded {
                self.write(tx, &loaded, accepted).await?;
            }
        }
        Ok(())
    }
}
