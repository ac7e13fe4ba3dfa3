//! How far a doorbell has come. Written by the one process that rings it, read by all.

use jiff::Timestamp;
use millrace_event_store::{Database, StoreError, Tx};
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row};

use crate::domain::patience::Trouble;
use crate::domain::rings::Together;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bell {
    /// Everything in the feed up to here was rung; `None`: it waits for the channel to be opened.
    pub place: Option<u64>,
    pub window: Option<Window>,
    /// Version of its stream up to which it was heeded.
    pub heeded: u64,
    pub off: Option<Off>,
    pub trouble: Option<Trouble>,
    pub last_failure: Option<(String, Timestamp)>,
    pub last_success: Option<Timestamp>,
}

/// Rings under way. Its end is written down before the first of them goes out: begun again, they are the same rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub up_to: u64,
    /// Those that begin up to here are done.
    pub rung: u64,
    /// How they were made; other settings make other rings.
    pub together: Together,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Off {
    pub reason: String,
    pub since: Timestamp,
}

/// A stretch that is rung again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Replay {
    /// Version of the event that asked for it.
    pub asked: u64,
    pub next: u64,
    pub last: u64,
}

impl Bell {
    /// What it has not rung begins behind this; `None` before the channel is opened.
    pub(crate) fn rung_up_to(&self) -> Option<u64> {
        let place = self.place?;
        Some(self.window.map_or(place, |window| window.rung))
    }
}

pub(crate) async fn load_bell(database: &Database, name: &str) -> Result<Option<Bell>, StoreError> {
    let query = sqlx::query_as(include_str!("sql/load_bell.sql")).bind(name);
    Ok(query.fetch_optional(database.pool()).await?)
}

pub(crate) async fn save_bell(tx: &mut Tx, name: &str, bell: &Bell) -> Result<(), StoreError> {
    let (trouble, off) = (bell.trouble.as_ref(), bell.off.as_ref());
    let failure = bell.last_failure.as_ref();
    sqlx::query(include_str!("sql/save_bell.sql"))
        .bind(name)
        .bind(bell.place.map(number))
        .bind(bell.window.map(|window| number(window.up_to)))
        .bind(bell.window.map(|window| number(window.rung)))
        .bind(bell.window.map(|window| word(window.together)))
        .bind(number(bell.heeded))
        .bind(off.map(|off| off.reason.as_str()))
        .bind(off.map(|off| off.since.as_microsecond()))
        .bind(trouble.map(|trouble| i64::from(trouble.attempts)))
        .bind(trouble.map(|trouble| trouble.since.as_microsecond()))
        .bind(trouble.map(|trouble| trouble.next_try.as_microsecond()))
        .bind(failure.map(|(reason, _)| reason.as_str()))
        .bind(failure.map(|(_, at)| at.as_microsecond()))
        .bind(bell.last_success.map(Timestamp::as_microsecond))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// In the order in which they were asked for.
pub(crate) async fn load_replays(
    database: &Database,
    name: &str,
) -> Result<Vec<Replay>, StoreError> {
    let sql = "SELECT asked, next, last FROM doorbell_replays WHERE doorbell = $1 ORDER BY asked";
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(sql)
        .bind(name)
        .fetch_all(database.pool())
        .await?;
    let replays = rows.into_iter().map(|(asked, next, last)| Replay {
        asked: asked.unsigned_abs(),
        next: next.unsigned_abs(),
        last: last.unsigned_abs(),
    });
    Ok(replays.collect())
}

pub(crate) async fn save_replay(
    tx: &mut Tx,
    name: &str,
    replay: &Replay,
) -> Result<(), StoreError> {
    sqlx::query(include_str!("sql/save_replay.sql"))
        .bind(name)
        .bind(number(replay.asked))
        .bind(number(replay.next))
        .bind(number(replay.last))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(crate) async fn forget_replay(tx: &mut Tx, name: &str, asked: u64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM doorbell_replays WHERE doorbell = $1 AND asked = $2")
        .bind(name)
        .bind(number(asked))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

impl<'r> FromRow<'r, AnyRow> for Bell {
    fn from_row(row: &'r AnyRow) -> sqlx::Result<Self> {
        let count = |column: &str| -> sqlx::Result<Option<u64>> {
            let value: Option<i64> = row.try_get(column)?;
            Ok(value.map(i64::unsigned_abs))
        };
        let moment = |column: &str| -> sqlx::Result<Option<Timestamp>> {
            let value: Option<i64> = row.try_get(column)?;
            Ok(value.and_then(|value| Timestamp::from_microsecond(value).ok()))
        };
        let together = row.try_get::<Option<String>, _>("together")?;
        let window = count("up_to")?.zip(count("rung")?);
        let window = window.zip(together.as_deref().and_then(together_of));
        let off = row.try_get::<Option<String>, _>("off_reason")?;
        let failing = moment("failing_since")?.zip(moment("next_try_at")?);
        let attempts = u32::try_from(count("attempts")?.unwrap_or_default());
        let failure = row.try_get::<Option<String>, _>("last_failure")?;
        Ok(Self {
            place: count("place")?,
            window: window.map(|((up_to, rung), together)| Window {
                up_to,
                rung,
                together,
            }),
            heeded: count("heeded")?.unwrap_or_default(),
            off: off
                .zip(moment("off_at")?)
                .map(|(reason, since)| Off { reason, since }),
            trouble: failing.map(|(since, next_try)| Trouble {
                since,
                attempts: attempts.unwrap_or(u32::MAX),
                next_try,
            }),
            last_failure: failure.zip(moment("last_failure_at")?),
            last_success: moment("last_success_at")?,
        })
    }
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

const WORDS: [(Together, &str); 4] = [
    (Together::Never, "never"),
    (Together::ByKey, "by-key"),
    (Together::ByKind, "by-kind"),
    (Together::All, "all"),
];

fn word(together: Together) -> &'static str {
    let found = WORDS.iter().find(|(known, _)| *known == together);
    found.map_or("", |(_, word)| word)
}

/// `None`: a newer binary's; its rings are made anew.
fn together_of(word: &str) -> Option<Together> {
    let found = WORDS.iter().find(|(_, known)| *known == word);
    found.map(|(together, _)| *together)
}
