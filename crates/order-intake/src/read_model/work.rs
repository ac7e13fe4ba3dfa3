//! Orders somebody has to look at. A claim with an expiry keeps it to one look at a time over all processes, so that one
//! attempt to post an order is in flight; what a look means is not known here.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use millrace_event_store::{Database, StoreError, Tx};
use millrace_service_kit::{Clock, Ids};
use std::sync::Arc;

use super::micros;

/// Candidates read for one claim: others may take some of them meanwhile.
const SPARE: usize = 4;

#[derive(Clone)]
pub struct Work {
    database: Database,
    clock: Arc<dyn Clock>,
    /// This process.
    holder: Arc<str>,
    claim: Duration,
}

/// An order that is ours to look at, for as long as the claim is renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub stream: String,
    /// How often it came to nothing before.
    pub attempts: u32,
    asked: i64,
}

impl Work {
    #[must_use]
    pub fn new(database: Database, clock: Arc<dyn Clock>, ids: &Ids, claim: Duration) -> Self {
        let holder = ids.uuid_at(clock.now()).to_string();
        Self {
            database,
            clock,
            holder: holder.into(),
            claim,
        }
    }

    /// Takes up to `most` orders that are due, longest due first.
    ///
    /// # Errors
    /// The database is away.
    pub async fn take(&self, most: usize) -> Result<Vec<Claim>, StoreError> {
        let now = self.clock.now();
        let query = sqlx::query_as(include_str!("sql/due_work.sql")).bind(micros(now));
        let limit = i64::try_from(most * SPARE).unwrap_or(i64::MAX);
        let due: Vec<(String, i64, i64)> =
            query.bind(limit).fetch_all(self.database.pool()).await?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let until = self.until(now);
        let mut claims = Vec::with_capacity(most);
        let mut tx = self.database.begin().await?;
        for (stream, asked, attempts) in due {
            if claims.len() == most {
                break;
            }
            let claimed = sqlx::query(include_str!("sql/claim.sql"))
                .bind(&stream)
                .bind(micros(now))
                .bind(&*self.holder)
                .bind(until)
                .execute(&mut *tx)
                .await?;
            if claimed.rows_affected() == 1 {
                claims.push(Claim {
                    stream,
                    asked,
                    attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
                });
            }
        }
        tx.commit().await?;
        Ok(claims)
    }

    /// Keeps every claim of this process for another while.
    ///
    /// # Errors
    /// The database is away.
    pub async fn renew(&self) -> Result<(), StoreError> {
        let until = self.until(self.clock.now());
        let mut tx = self.database.begin().await?;
        sqlx::query("UPDATE order_work SET claimed_until = $2 WHERE claimed_by = $1")
            .bind(&*self.holder)
            .bind(until)
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// Nothing is left to do, unless somebody asked since the claim was taken.
    ///
    /// # Errors
    /// The database is away.
    pub async fn settle(&self, claim: &Claim) -> Result<(), StoreError> {
        let mut tx = self.database.begin().await?;
        let settled = sqlx::query(
            "DELETE FROM order_work WHERE stream = $1 AND claimed_by = $2 AND asked = $3",
        )
        .bind(&claim.stream)
        .bind(&*self.holder)
        .bind(claim.asked)
        .execute(&mut *tx)
        .await?;
        if settled.rows_affected() == 0 {
            let release = sqlx::query(include_str!("sql/release.sql"));
            release
                .bind(&claim.stream)
                .bind(&*self.holder)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await
    }

    /// It came to nothing, and is due again after `pause`. `why` is shown; never personal.
    ///
    /// # Errors
    /// The database is away.
    pub async fn put_off(
        &self,
        claim: &Claim,
        pause: Duration,
        why: &str,
    ) -> Result<(), StoreError> {
        let due = later(self.clock.now(), pause);
        let mut tx = self.database.begin().await?;
        sqlx::query(include_str!("sql/put_off.sql"))
            .bind(&claim.stream)
            .bind(&*self.holder)
            .bind(i64::from(claim.attempts) + 1)
            .bind(due)
            .bind(why)
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// Somebody has to look at `stream` now.
    ///
    /// # Errors
    /// The database is away.
    pub async fn ask_now(&self, streams: &[String]) -> Result<(), StoreError> {
        let mut tx = self.database.begin().await?;
        for stream in streams {
            ask(&mut tx, stream, micros(self.clock.now())).await?;
        }
        tx.commit().await
    }

    /// Has every held order looked at: settings may have changed, or something slipped through.
    ///
    /// # Errors
    /// The database is away.
    pub async fn ask_all_held(&self) -> Result<(), StoreError> {
        let held = i64::from(i32::from(millrace_contract::order::v1::OrderState::Held));
        let mut tx = self.database.begin().await?;
        sqlx::query(include_str!("sql/ask_all_held.sql"))
            .bind(held)
            .bind(micros(self.clock.now()))
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// How many orders wait for a look, and whether one of them has been in trouble.
    ///
    /// # Errors
    /// The database is away.
    pub async fn waiting(&self) -> Result<i64, StoreError> {
        let (count,): (i64,) = sqlx::query_as("SELECT count(*) FROM order_work")
            .fetch_one(self.database.pool())
            .await?;
        Ok(count)
    }

    fn until(&self, now: Timestamp) -> i64 {
        later(now, self.claim)
    }
}

/// Writes the wish in the transaction of what caused it.
pub(super) async fn ask(tx: &mut Tx, stream: &str, due_at: i64) -> Result<(), StoreError> {
    sqlx::query(include_str!("sql/ask.sql"))
        .bind(stream)
        .bind(due_at)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Everybody who waits for `subject`.
pub(super) async fn ask_those_waiting(
    tx: &mut Tx,
    subject: &str,
    due_at: i64,
) -> Result<(), StoreError> {
    sqlx::query(include_str!("sql/ask_those_waiting.sql"))
        .bind(subject)
        .bind(due_at)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(super) fn later(now: Timestamp, pause: Duration) -> i64 {
    let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
    micros(now.saturating_add(pause).unwrap_or(Timestamp::MAX))
}
