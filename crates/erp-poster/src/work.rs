//! Documents somebody has to look at. A claim with an expiry keeps it to one look at a time over all processes, so that one attempt
//! to hand a document over is in flight; what a look means is not known here.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use millrace_event_store::{Database, StoreError, Tx};
use millrace_service_kit::{Clock, Ids};
use sqlx::AssertSqlSafe;
use std::sync::Arc;

/// Candidates read for one claim: others may take some of them meanwhile.
const SPARE: usize = 4;
/// Held documents looked at again at once, so that many of them do not keep new ones waiting.
const SHARE: i64 = 200;

/// Stream, wishes, attempts, trouble.
type Due = (String, i64, i64, String);

/// Names of a service's tables.
#[derive(Debug, Clone, Copy)]
pub struct Tables {
    /// Documents as they are shown.
    pub rows: &'static str,
    /// What held ones wait for.
    pub waits: &'static str,
    /// Those somebody has to look at.
    pub work: &'static str,
    /// Numbers of the states in which a document waits for what may have come unseen: it is looked at at the start, and now and then.
    pub held: &'static [i64],
}

/// The statements about a service's tables.
#[derive(Debug)]
pub(crate) struct Statements {
    ask: String,
    ask_all: String,
    claim: String,
    due_work: String,
    put_off: String,
    release: String,
    some_held: String,
    renew: String,
    settle: String,
    all_due: String,
    waiting: String,
    unasked: String,
    asked: String,
    trouble: String,
    no_longer_waits: String,
    waits: String,
    pub(crate) waiting_for: String,
}

impl Statements {
    fn of(tables: Tables) -> Self {
        let held: Vec<String> = tables.held.iter().map(i64::to_string).collect();
        let named = |text: &str| {
            text.replace("{rows}", tables.rows)
                .replace("{waits}", tables.waits)
                .replace("{work}", tables.work)
        };
        Self {
            ask: named(include_str!("sql/ask.sql")),
            ask_all: named(include_str!("sql/ask_all.sql")),
            claim: named(include_str!("sql/claim.sql")),
            due_work: named(include_str!("sql/due_work.sql")),
            put_off: named(include_str!("sql/put_off.sql")),
            release: named(include_str!("sql/release.sql")),
            some_held: named(include_str!("sql/some_held.sql")).replace("{held}", &held.join(", ")),
            renew: named(include_str!("sql/renew.sql")),
            settle: named(include_str!("sql/settle.sql")),
            all_due: named(include_str!("sql/all_due.sql")),
            waiting: named("SELECT count(*) FROM {work}"),
            unasked: named("DELETE FROM {work} WHERE stream = $1 AND claimed_by = ''"),
            asked: named("SELECT asked, attempts, trouble FROM {work} WHERE stream = $1"),
            trouble: named("SELECT trouble FROM {work} WHERE stream = $1"),
            no_longer_waits: named("DELETE FROM {waits} WHERE stream = $1"),
            waits: named("INSERT INTO {waits} (subject, stream) VALUES ($1, $2)"),
            waiting_for: named(include_str!("sql/waiting_for.sql")),
        }
    }
}

#[derive(Clone)]
pub struct Work {
    pub(crate) database: Database,
    clock: Arc<dyn Clock>,
    /// This process.
    holder: Arc<str>,
    claim: Duration,
    held: &'static [i64],
    pub(crate) sql: Arc<Statements>,
}

/// A document that is ours to look at, for as long as the claim is renewed.
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
    pub fn new(
        tables: Tables,
        database: Database,
        clock: Arc<dyn Clock>,
        ids: &Ids,
        claim: Duration,
    ) -> Self {
        let holder = ids.uuid_at(clock.now()).to_string();
        Self {
            database,
            clock,
            holder: holder.into(),
            claim,
            held: tables.held,
            sql: Arc::new(Statements::of(tables)),
        }
    }

    /// As times stand in the rows: microseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        micros(self.clock.now())
    }

    /// Takes up to `most` documents that are due. Channels take turns, in each the longest due comes first.
    ///
    /// # Errors
    /// The database is away.
    pub async fn take(&self, most: usize) -> Result<Vec<Claim>, StoreError> {
        let now = self.clock.now();
        let query = sqlx::query_as(AssertSqlSafe(self.sql.due_work.as_str())).bind(micros(now));
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
            let done = sqlx::query(AssertSqlSafe(self.sql.claim.as_str()))
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
            sqlx::query(AssertSqlSafe(self.sql.renew.as_str()))
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
        let settled = sqlx::query(AssertSqlSafe(self.sql.settle.as_str()))
            .bind(&claim.stream)
            .bind(&*self.holder)
            .bind(claim.asked)
            .execute(&mut *tx)
            .await?;
        if settled.rows_affected() == 0 {
            let release = sqlx::query(AssertSqlSafe(self.sql.release.as_str()));
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
        self.end(claim, due, 0, why).await
    }

    /// As [`Work::put_off`], but nobody takes it before, whatever news comes.
    ///
    /// # Errors
    /// The database is away.
    pub async fn close(&self, claim: &Claim, pause: Duration, why: &str) -> Result<(), StoreError> {
        let due = later(self.clock.now(), pause);
        self.end(claim, due, due, why).await
    }

    /// `closed`: until then it is as good as claimed.
    async fn end(&self, claim: &Claim, due: i64, closed: i64, why: &str) -> Result<(), StoreError> {
        let mut tx = self.database.begin().await?;
        sqlx::query(AssertSqlSafe(self.sql.put_off.as_str()))
            .bind(&claim.stream)
            .bind(&*self.holder)
            .bind(i64::from(claim.attempts) + 1)
            .bind(due)
            .bind(why)
            .bind(closed)
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// Takes one document for something else than a look, whether or not it is due. `None`: somebody looks at it, or nobody may.
    /// To be put off or settled like any other.
    ///
    /// # Errors
    /// The database is away.
    pub async fn take_one(&self, channel: &str, stream: &str) -> Result<Option<Claim>, StoreError> {
        let now = self.clock.now();
        let mut tx = self.database.begin().await?;
        self.ask(&mut tx, stream, channel, micros(now)).await?;
        let done = sqlx::query(AssertSqlSafe(self.sql.claim.as_str()))
            .bind(stream)
            .bind(micros(now))
            .bind(&*self.holder)
            .bind(self.until(now))
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(None);
        }
        let query = sqlx::query_as(AssertSqlSafe(self.sql.asked.as_str()));
        let (asked, attempts, trouble): (i64, i64, String) =
            query.bind(stream).fetch_one(&mut *tx).await?;
        tx.commit().await?;
        Ok(Some(Claim {
            stream: stream.to_owned(),
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
            trouble,
            asked,
        }))
    }

    /// Somebody has to look at `stream` now.
    ///
    /// # Errors
    /// The database is away.
    pub async fn ask_now(&self, channel: &str, streams: &[String]) -> Result<(), StoreError> {
        let mut tx = self.database.begin().await?;
        for stream in streams {
            self.ask(&mut tx, stream, channel, self.now()).await?;
        }
        tx.commit().await
    }

    /// Has every held document looked at: settings may have changed.
    ///
    /// # Errors
    /// The database is away.
    pub async fn ask_all_held(&self) -> Result<(), StoreError> {
        self.ask_all(self.held).await
    }

    /// Has every document looked at that is in one of the `states`.
    ///
    /// # Errors
    /// The database is away.
    pub async fn ask_all(&self, states: &[i64]) -> Result<(), StoreError> {
        let mut tx = self.database.begin().await?;
        for state in states {
            sqlx::query(AssertSqlSafe(self.sql.ask_all.as_str()))
                .bind(state)
                .bind(micros(self.clock.now()))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await
    }

    /// Has a share of the held documents looked at, those that come after `after`: a net under what wakes them otherwise. Answers
    /// where to go on; empty begins again.
    ///
    /// # Errors
    /// The database is away.
    pub async fn ask_some_held(&self, after: &str) -> Result<String, StoreError> {
        let query = sqlx::query_as(AssertSqlSafe(self.sql.some_held.as_str()));
        let some: Vec<(String, String)> = query
            .bind(after)
            .bind(SHARE)
            .fetch_all(self.database.pool())
            .await?;
        let mut tx = self.database.begin().await?;
        for (stream, channel) in &some {
            self.ask(&mut tx, stream, channel, self.now()).await?;
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
        sqlx::query(AssertSqlSafe(self.sql.all_due.as_str()))
            .bind(micros(self.clock.now()))
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// How many documents wait for a look.
    ///
    /// # Errors
    /// The database is away.
    pub async fn waiting(&self) -> Result<i64, StoreError> {
        let (count,): (i64,) = sqlx::query_as(AssertSqlSafe(self.sql.waiting.as_str()))
            .fetch_one(self.database.pool())
            .await?;
        Ok(count)
    }

    /// Somebody has to look at `stream` after `pause`; written in the transaction of what caused it.
    ///
    /// # Errors
    /// The database is away.
    pub async fn wish(
        &self,
        tx: &mut Tx,
        stream: &str,
        channel: &str,
        pause: Duration,
    ) -> Result<(), StoreError> {
        self.ask(tx, stream, channel, later(self.clock.now(), pause))
            .await
    }

    /// Nobody has to look at `stream` any more. A look that is on its way settles its own claim.
    ///
    /// # Errors
    /// The database is away.
    pub async fn wish_nothing(&self, tx: &mut Tx, stream: &str) -> Result<(), StoreError> {
        sqlx::query(AssertSqlSafe(self.sql.unasked.as_str()))
            .bind(stream)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// What `stream` waits for from now on. `is_new`: it has waited for nothing before.
    ///
    /// # Errors
    /// The database is away.
    pub async fn waits(
        &self,
        tx: &mut Tx,
        stream: &str,
        is_new: bool,
        subjects: impl IntoIterator<Item = String>,
    ) -> Result<(), StoreError> {
        if !is_new {
            sqlx::query(AssertSqlSafe(self.sql.no_longer_waits.as_str()))
                .bind(stream)
                .execute(&mut **tx)
                .await?;
        }
        for subject in subjects {
            sqlx::query(AssertSqlSafe(self.sql.waits.as_str()))
                .bind(subject)
                .bind(stream)
                .execute(&mut **tx)
                .await?;
        }
        Ok(())
    }

    /// Why the last look at a document came to nothing; empty: none did.
    ///
    /// # Errors
    /// The database is away.
    pub async fn trouble(&self, stream: &str) -> Result<String, StoreError> {
        let query = sqlx::query_as(AssertSqlSafe(self.sql.trouble.as_str()));
        let row: Option<(String,)> = query
            .bind(stream)
            .fetch_optional(self.database.pool())
            .await?;
        Ok(row.map(|(trouble,)| trouble).unwrap_or_default())
    }

    pub(crate) async fn ask(
        &self,
        tx: &mut Tx,
        stream: &str,
        channel: &str,
        due_at: i64,
    ) -> Result<(), StoreError> {
        sqlx::query(AssertSqlSafe(self.sql.ask.as_str()))
            .bind(stream)
            .bind(due_at)
            .bind(channel)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    fn until(&self, now: Timestamp) -> i64 {
        later(now, self.claim)
    }
}

fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

fn later(now: Timestamp, pause: Duration) -> i64 {
    let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
    micros(now.saturating_add(pause).unwrap_or(Timestamp::MAX))
}
