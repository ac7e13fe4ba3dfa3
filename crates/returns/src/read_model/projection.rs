//! Keeps the rows of returns in step with the log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use millrace_erp_poster::{Work, arrived};
use millrace_event_store::{Projection, Recorded, StoreError, Tx};
use prost::Message;
use tracing::error;

use super::subject;
use crate::domain::{HoldKind, Phase, Taken};
use crate::returns::{Loaded, Returns};
use crate::wire;

/// Of the projection; stored for ever.
pub const NAME: &str = "returns";

/// Returns loaded at once.
const AT_ONCE: usize = 16;

pub struct ReturnRows {
    returns: Returns,
    work: Work,
}

impl ReturnRows {
    #[must_use]
    pub fn new(returns: Returns, work: Work) -> Arc<Self> {
        Arc::new(Self { returns, work })
    }

    async fn load(
        &self,
        stream: String,
        submitted: Option<u64>,
    ) -> Result<(Option<Loaded>, Option<u64>), StoreError> {
        match self.returns.load(&stream).await {
            Ok(loaded) => Ok((loaded, submitted)),
            // One return that cannot be read (a newer binary wrote it) must not keep all others from being seen.
            Err(error @ StoreError::Corrupt { .. }) => {
                let cause = &error as &dyn std::error::Error;
                error!(
                    stream,
                    error = cause,
                    "a return cannot be read; its row stays as it was"
                );
                Ok((None, submitted))
            }
            Err(error) => Err(error),
        }
    }

    async fn write(
        &self,
        tx: &mut Tx,
        loaded: &Loaded,
        submitted: Option<u64>,
    ) -> Result<(), StoreError> {
        let Loaded { stream, taken, .. } = loaded;
        let goods = &taken.goods;
        // After the first event of a stream its row is there, and keeps its place.
        let position = i64::try_from(submitted.unwrap_or_default()).unwrap_or(i64::MAX);
        sqlx::query(include_str!("sql/put_return.sql"))
            .bind(stream)
            .bind(goods.channel.as_str())
            .bind(goods.order.as_str())
            .bind(i64::from(i32::from(wire::state_of(taken))))
            .bind(position)
            .bind(wire::view(taken).encode_to_vec())
            .execute(&mut **tx)
            .await?;
        let is_new = submitted.is_some();
        self.work.waits(tx, stream, is_new, awaited(taken)).await?;
        if is_to_be_looked_at(taken) {
            let channel = goods.channel.as_str();
            return self.work.wish(tx, stream, channel, Duration::ZERO).await;
        }
        self.work.wish_nothing(tx, stream).await
    }
}

/// What may make a held return go on.
fn awaited(taken: &Taken) -> BTreeSet<String> {
    let goods = &taken.goods;
    let order = || format!("order/{}/{}", goods.channel, goods.order);
    let mut subjects = BTreeSet::new();
    for reason in &taken.reasons {
        match reason.kind {
            HoldKind::OrderUnknown | HoldKind::NotDelivered => {
                subjects.insert(order());
            }
            HoldKind::TooMany => {
                subjects.insert(order());
                subjects.insert(goods.returnable());
            }
            HoldKind::ReasonUnknown => {
                subjects.insert(subject(&goods.erp));
            }
            // Settings change with a restart, which looks at every held return; the rest needs a person.
            HoldKind::CustomerMismatch
            | HoldKind::UnknownLine
            | HoldKind::PeriodOver
            | HoldKind::ReasonNotAllowed
            | HoldKind::WrongUnit
            | HoldKind::ErpRefused => {}
        }
    }
    subjects
}

/// Whether somebody has to look at a return that stands like this, or something else happens first.
fn is_to_be_looked_at(taken: &Taken) -> bool {
    match taken.phase {
        Phase::Cleared => true,
        // What it lacks may have come before anybody could see that it waits for it: one look after that.
        Phase::Held => taken
            .reasons
            .iter()
            .any(|reason| reason.kind.heals_by_itself()),
        Phase::Posted | Phase::Refused | Phase::Cancelled(_) => false,
    }
}

#[async_trait]
impl Projection for ReturnRows {
    fn name(&self) -> &str {
        NAME
    }

    /// Returns are written as they stand now, which may be later than these events: the rows never go back.
    async fn apply(&self, tx: &mut Tx, events: &[Recorded]) -> Result<(), StoreError> {
        let mut changed: BTreeMap<String, Option<u64>> = BTreeMap::new();
        let mut moved = BTreeSet::new();
        for recorded in events {
            if recorded.event.kind == wire::RETURNABLE_MOVED {
                moved.insert(recorded.stream.to_string());
                continue;
            }
            let submitted = changed.entry(recorded.stream.to_string()).or_default();
            if recorded.version == 1 {
                *submitted = Some(recorded.at.number);
            }
        }
        let looks = changed
            .into_iter()
            .map(|(stream, submitted)| self.load(stream, submitted));
        let mut returns = stream::iter(looks).buffered(AT_ONCE);
        while let Some((loaded, submitted)) = returns.try_next().await? {
            if let Some(loaded) = loaded {
                self.write(tx, &loaded, submitted).await?;
            }
        }
        if !moved.is_empty() {
            arrived(tx, &moved).await?;
        }
        Ok(())
    }
}
