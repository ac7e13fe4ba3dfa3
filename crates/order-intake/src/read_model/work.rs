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
/// Held orders looked at again at once, so that many of them do not keep new orders waiting.
const SHARE: i64 = 200;

/// Stream, wishes, attempts, trouble.
type Due = (String, i64, i64, String);

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
    /// Why it came to nothing the last time; empty: it did not.
    pub trouble: String,
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

    /// Takes up to `most` orders that are due. Channels take turns, in each the longest due comes first.
    ///
    /// # Errors
    /// The database is away.
    pub async fn take(&self, most: usize) -> Result<Vec<Claim>, StoreError> {
        let now = self.clock.now();
        let query = sqlx::query_as(include_str!("sql/due_work.sql")).bind(micros(now));
        let limit = i64::try_from(most * SPARE).unwrap_or(i64::MAX);
        let due: Vec<Due> = query.bind(limit).fetch_all(self.database.pool()).await?;
        let mut claims = Vec::with_capacity(most);
        for candidates in due.chunks(most.max(1)) {
            if claims.len() >= most {
                break;
            }
            match self.claim(candidates, now, most, &mut claims).await {
                Ok(()) => {}
                // What was claimed before is looked at; who asks next learns that the database is away.
                Err(_) if !claims.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(claims)
    }

    async fn claim(
        &self,
        candidates: &[Due],
        now: Timestamp,
        most: usize,
        claims: &mut Vec<Claim>,
    ) -> Result<(), StoreError> {
        // Processes that want the same rows take them in the same order, so that none waits for the other for ever.
        let mut candidates: Vec<_> = candidates.iter().collect();
        candidates.sort();
        let mut claimed = Vec::with_capacity(candidates.len());
        let mut tx = self.database.begin().await?;
        for (stream, asked, attempts, trouble) in candidates.into_iter().take(most - claims.len()) {
            let done = sqlx::query(include_str!("sql/claim.sql"))
                .bind(stream)
                .bind(micros(now))
                .bind(&*self.holder)
                .bind(self.until(now))
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 1 {
                let attempts = u32::try_from(*attempts).unwrap_or(u32::MAX);
                claimed.push(Claim {
                    stream: stream.clone(),
                    attempts,
                    trouble: trouble.clone(),
                    asked: *asked,
                });
            }
        }
        tx.commit().await?;
        claims.extend(claimed);
        Ok(())
    }

    /// Keeps the claims of `streams`, which this process looks at, for another while. A claim nobody works on any more (the
    /// database was away when its look ended) is left to expire.
    ///
    /// # Errors
    /// The database is away.
    pub async fn renew(&self, mut streams: Vec<String>) -> Result<(), StoreError> {
        let until = self.until(self.clock.now());
        streams.sort();
        let mut tx = self.database.begin().await?;
        for stream in &streams {
            sqlx::query(
                "UPDATE order_work SET claimed_until = $3 WHERE stream = $1 AND claimed_by = $2",
            )
            .bind(stream)
            .bind(&*self.holder)
            .bind(until)
            .execute(&mut *tx)
            .await?;
        }
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
    pub async fn ask_now(&self, channel: &str, streams: &[String]) -> Result<(), StoreError> {
        let mut tx = self.database.begin().await?;
        for stream in streams {
            ask(&mut tx, stream, channel, micros(self.clock.now())).await?;
        }
        tx.commit().await
    }

    /// Has every held order looked at: settings may have changed.
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

    /// Has a share of the held orders looked at, those that come after `after`: a net under what wakes them otherwise. Answers
    /// where to go on; empty begins again.
    ///
    /// # Errors
    /// The database is away.
    pub async fn ask_some_held(&self, after: &str) -> Result<String, StoreError> {
        let held = i64::from(i32::from(millrace_contract::order::v1::OrderState::Held));
        let query = sqlx::query_as(include_str!("sql/some_held.sql"));
        let some: Vec<(String, String)> = query
            .bind(held)
            .bind(after)
            .bind(SHARE)
            .fetch_all(self.database.pool())
            .await?;
        let mut tx = self.database.begin().await?;
        for (stream, channel) in &some {
            ask(&mut tx, stream, channel, micros(self.clock.now())).await?;
        }
        tx.commit().await?;
        let is_whole = i64::try_from(some.len()).is_ok_and(|count| count == SHARE);
        let last = some.into_iter().last().filter(|_| is_whole);
        Ok(last.map(|(stream, _)| stream).unwrap_or_default())
    }

    /// What was put off is due now: what it waited for is back.
    ///
    /// # Errors
    /// The database is away.
    pub async fn all_due(&self) -> Result<(), StoreError> {
        let mut tx = self.database.begin().await?;
        sqlx::query("UPDATE order_work SET due_at = $1 WHERE due_at > $1 AND attempts > 0")
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
pub(super) async fn ask(
    tx: &mut Tx,
    stream: &str,
    channel: &str,
    due_at: i64,
) -> Result<(), StoreError> {
    sqlx::query(include_str!("sql/ask.sql"))
        .bind(stream)
        .bind(due_at)
        .bind(channel)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(super) fn later(now: Timestamp, pause: Duration) -> i64 {
    let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
    micros(now.saturating_add(pause).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use millrace_event_store::DatabaseSettings;
    use millrace_service_kit::ManualClock;

    use super::*;

    struct Desk {
        database: Database,
        clock: ManualClock,
    }

    impl Desk {
        async fn new() -> Self {
            let clock = ManualClock::at("2026-11-22T10:00:00Z".parse().unwrap());
            let settings = DatabaseSettings::new("sqlite::memory:", "order-intake");
            let shared: Arc<dyn Clock> = Arc::new(clock.clone());
            let database = Database::open(&settings, shared, Ids::seeded(1))
                .await
                .unwrap();
            let owners = [millrace_operations::migrations(), &crate::MIGRATIONS];
            database.migrate(&owners).await.unwrap();
            Self { database, clock }
        }

        /// One more process on the same database.
        fn process(&self, seed: u64) -> Work {
            let clock = Arc::new(self.clock.clone());
            Work::new(
                self.database.clone(),
                clock,
                &Ids::seeded(seed),
                Duration::from_secs(30),
            )
        }
    }

    fn streams(claims: &[Claim]) -> Vec<&str> {
        claims.iter().map(|claim| claim.stream.as_str()).collect()
    }

    #[tokio::test]
    async fn an_order_is_looked_at_by_one_process_at_a_time() {
        let desk = Desk::new().await;
        let (one, two) = (desk.process(1), desk.process(2));
        one.ask_now("a", &["order/a/1".into()]).await.unwrap();
        let claims = one.take(4).await.unwrap();
        assert_eq!(streams(&claims), ["order/a/1"]);
        assert_eq!(two.take(4).await.unwrap(), []);
        one.settle(&claims[0]).await.unwrap();
        assert_eq!(two.take(4).await.unwrap(), []);
        assert_eq!(two.waiting().await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_claim_that_is_not_renewed_expires() {
        let desk = Desk::new().await;
        let (one, two) = (desk.process(1), desk.process(2));
        one.ask_now("a", &["order/a/1".into()]).await.unwrap();
        let claims = one.take(1).await.unwrap();
        desk.clock.advance(SignedDuration::from_secs(29));
        one.renew(vec!["order/a/1".into()]).await.unwrap();
        desk.clock.advance(SignedDuration::from_secs(29));
        assert_eq!(two.take(1).await.unwrap(), [], "renewed");
        desk.clock.advance(SignedDuration::from_secs(2));
        assert_eq!(streams(&two.take(1).await.unwrap()), ["order/a/1"]);
        // The one that came too late settles nothing of somebody else's.
        one.settle(&claims[0]).await.unwrap();
        assert_eq!(two.waiting().await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_claim_whose_look_is_over_expires_while_others_are_kept() {
        let desk = Desk::new().await;
        let (one, two) = (desk.process(1), desk.process(2));
        let both = ["order/a/1".into(), "order/a/2".into()];
        one.ask_now("a", &both).await.unwrap();
        assert_eq!(one.take(2).await.unwrap().len(), 2);
        for _ in 0..3 {
            desk.clock.advance(SignedDuration::from_secs(11));
            one.renew(vec!["order/a/2".into()]).await.unwrap();
        }
        assert_eq!(streams(&two.take(2).await.unwrap()), ["order/a/1"]);
    }

    #[tokio::test]
    async fn held_orders_are_asked_for_in_shares_until_all_had_their_turn() {
        let desk = Desk::new().await;
        let work = desk.process(1);
        let mut tx = desk.database.begin().await.unwrap();
        for number in 0..SHARE + 1 {
            sqlx::query("INSERT INTO orders (stream, channel, state, position, version, view) VALUES ($1, 'a', 2, $2, 1, $3)")
                .bind(format!("order/a/{number:03}"))
                .bind(number)
                .bind(Vec::<u8>::new())
                .execute(&mut *tx)
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
        let after = work.ask_some_held("").await.unwrap();
        assert_eq!(work.waiting().await.unwrap(), SHARE);
        assert_eq!(work.ask_some_held(&after).await.unwrap(), "");
        assert_eq!(work.waiting().await.unwrap(), SHARE + 1);
    }

    #[tokio::test]
    async fn a_wish_that_comes_during_a_look_is_looked_at_afterwards() {
        let desk = Desk::new().await;
        let work = desk.process(1);
        work.ask_now("a", &["order/a/1".into()]).await.unwrap();
        let claims = work.take(1).await.unwrap();
        work.ask_now("a", &["order/a/1".into()]).await.unwrap();
        assert_eq!(work.take(1).await.unwrap(), [], "one look at a time");
        work.settle(&claims[0]).await.unwrap();
        assert_eq!(streams(&work.take(1).await.unwrap()), ["order/a/1"]);
    }

    #[tokio::test]
    async fn what_was_put_off_comes_back_after_its_pause_or_when_somebody_asks() {
        let desk = Desk::new().await;
        let work = desk.process(1);
        for _ in 0..2 {
            work.ask_now("a", &["order/a/1".into()]).await.unwrap();
            let claims = work.take(1).await.unwrap();
            work.put_off(&claims[0], Duration::from_secs(60), "the erp is away")
                .await
                .unwrap();
            assert_eq!(work.take(1).await.unwrap(), []);
        }
        desk.clock.advance(SignedDuration::from_secs(60));
        let claims = work.take(1).await.unwrap();
        assert_eq!(claims[0].attempts, 2);
    }

    /// I7.
    #[tokio::test]
    async fn channels_take_turns() {
        let desk = Desk::new().await;
        let work = desk.process(1);
        let many: Vec<String> = (0..100)
            .map(|number| format!("order/a/{number:03}"))
            .collect();
        work.ask_now("a", &many).await.unwrap();
        desk.clock.advance(SignedDuration::from_secs(1));
        work.ask_now("b", &["order/b/1".into(), "order/b/2".into()])
            .await
            .unwrap();
        let claims = work.take(4).await.unwrap();
        assert_eq!(
            streams(&claims),
            ["order/a/000", "order/a/001", "order/b/1", "order/b/2"]
        );
    }
}
