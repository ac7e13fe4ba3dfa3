//! Records kept aside in the consumer's database: parked, unresolved, or waiting behind one of those.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use millrace_event_store::{Database, Recorded, StoreError, Tx};

use crate::cloud_event;
use crate::handler::Outcome;
use crate::subscription::{Partition, Taken};
use crate::topics;

/// How a record is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Status {
    Parked {
        reason: String,
    },
    Unresolved {
        waits_for: String,
    },
    /// Behind an earlier record of its key.
    Waiting,
}

impl Status {
    /// `None`: the outcome keeps nothing aside.
    pub(super) fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Done | Outcome::Append(_) => None,
            Outcome::Unresolved { waits_for } => Some(Self::Unresolved {
                waits_for: waits_for.clone(),
            }),
            Outcome::Parked { reason } => Some(Self::Parked {
                reason: reason.clone(),
            }),
        }
    }

    fn columns(&self) -> (&'static str, String, &str) {
        match self {
            Self::Parked { reason } => ("parked", reason.clone(), ""),
            Self::Unresolved { waits_for } => {
                ("unresolved", format!("waits for {waits_for}"), waits_for)
            }
            Self::Waiting => (
                "waiting",
                "waits behind an earlier record of its key".to_owned(),
                "",
            ),
        }
    }
}

/// A record that is due to be tried again.
pub(super) struct Due {
    pub id: i64,
    pub partition: Partition,
    pub offset: i64,
    pub key: String,
    pub attempts: i64,
    /// Why it was parked, if it was.
    pub parked: Option<String>,
    pub event: Result<Recorded, String>,
}

impl Due {
    /// It is kept as it was before: nobody has to be told.
    pub(super) fn is_still(&self, status: &Status) -> bool {
        matches!(status, Status::Parked { reason } if self.parked.as_ref() == Some(reason))
    }
}

/// Pause before an unresolved record is tried without anybody having said that what it needs is there.
pub(super) fn recheck_pause(attempts: i64) -> SignedDuration {
    SignedDuration::from_secs((5_i64 << attempts.clamp(0, 7)).min(600))
}

/// Keeps `taken` aside.
pub(super) async fn hold(
    tx: &mut Tx,
    consumer: &str,
    taken: &Taken,
    status: &Status,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let (name, reason, waits_for) = status.columns();
    let (kind, headers, payload, epoch) = match &taken.event {
        Ok(recorded) => {
            let payload = (!recorded.event.deleted).then(|| recorded.event.payload.to_vec());
            (
                recorded.event.kind.clone(),
                cloud_event::to_text(recorded),
                payload,
                Some(recorded.at.epoch),
            )
        }
        Err(unread) => (
            String::new(),
            unread.headers.clone(),
            unread.payload.as_ref().map(|payload| payload.to_vec()),
            cloud_event::epoch_of(&unread.headers),
        ),
    };
    let attempts = i64::from(*status != Status::Waiting);
    sqlx::query(include_str!("sql/hold.sql"))
        .bind(consumer)
        .bind(taken.partition.topic)
        .bind(i64::from(taken.partition.number))
        .bind(&*taken.partition.source)
        .bind(taken.offset)
        .bind(taken.key())
        .bind(kind)
        .bind(name)
        .bind(reason)
        .bind(waits_for)
        .bind(attempts)
        .bind(now.as_microsecond())
        .bind((now + recheck_pause(attempts)).as_microsecond())
        .bind(headers)
        .bind(payload)
        .bind(epoch.map(|epoch| epoch.to_string()).unwrap_or_default())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// How many records of this key are kept aside.
pub(super) async fn of_key(
    tx: &mut Tx,
    consumer: &str,
    topic: &str,
    key: &str,
) -> Result<i64, sqlx::Error> {
    let (count,): (i64,) = sqlx::query_as(include_str!("sql/held_of_key.sql"))
        .bind(consumer)
        .bind(topic)
        .bind(key)
        .fetch_one(&mut **tx)
        .await?;
    Ok(count)
}

/// A newer record of a state topic's key has taken the place of what was kept. Answers whether that was parked.
pub(super) async fn superseded(
    tx: &mut Tx,
    consumer: &str,
    topic: &str,
    key: &str,
) -> Result<bool, sqlx::Error> {
    let gone: Vec<(String,)> = sqlx::query_as(include_str!("sql/superseded.sql"))
        .bind(consumer)
        .bind(topic)
        .bind(key)
        .fetch_all(&mut **tx)
        .await?;
    Ok(gone.iter().any(|(status,)| status == "parked"))
}

/// What waited for `topic/key` may be tried now. Answers how many.
pub(super) async fn heal(
    tx: &mut Tx,
    consumer: &str,
    topic: &str,
    key: &str,
) -> Result<u64, sqlx::Error> {
    let need = format!("{topic}/{key}");
    Ok(sqlx::query(include_str!("sql/heal.sql"))
        .bind(consumer)
        .bind(need)
        .execute(&mut **tx)
        .await?
        .rows_affected())
}

/// Is anything kept aside for this consumer that may come back by itself or hold back its key?
pub(super) async fn any(database: &Database, consumer: &str) -> Result<bool, StoreError> {
    let found: Option<(i64,)> = sqlx::query_as(
        "SELECT id FROM bus_held WHERE consumer = $1 AND status <> 'dropped' LIMIT 1",
    )
    .bind(consumer)
    .fetch_optional(database.pool())
    .await?;
    Ok(found.is_some())
}

type DueRow = (
    i64,
    String,
    i64,
    String,
    i64,
    String,
    i64,
    String,
    String,
    String,
    Option<Vec<u8>>,
);

/// What may be tried again now.
pub(super) struct DuePage {
    pub due: Vec<Due>,
    /// The entry to go on after, if there may be more.
    pub next: Option<i64>,
}

/// What may be tried again now, oldest first, after the entry `after`. Entries of a topic that this binary does not know are passed over.
pub(super) async fn due(
    database: &Database,
    consumer: &str,
    now: Timestamp,
    after: i64,
    limit: i64,
) -> Result<DuePage, StoreError> {
    let rows: Vec<DueRow> = sqlx::query_as(include_str!("sql/due.sql"))
        .bind(consumer)
        .bind(now.as_microsecond())
        .bind(after)
        .bind(limit)
        .fetch_all(database.pool())
        .await?;
    // Rows are counted, not what is left of them: a page of which nothing is left has others behind it.
    let next = match i64::try_from(rows.len()) {
        Ok(count) if count < limit => None,
        _ => rows.last().map(|row| row.0),
    };
    let due = rows.into_iter().filter_map(
        |(
            id,
            topic,
            number,
            source,
            offset,
            key,
            attempts,
            reason,
            waits_for,
            headers,
            payload,
        )| {
            let topic = topics::named(&topic)?.name;
            let partition = Partition {
                topic,
                number: i32::try_from(number).ok()?,
                source: source.into(),
            };
            let event = cloud_event::from_text(&headers, payload.map(Bytes::from))
                .map_err(|unreadable| unreadable.reason);
            Some(Due {
                id,
                partition,
                offset,
                key,
                attempts,
                // What only waited behind another record was not tried yet.
                parked: (waits_for.is_empty() && attempts > 0).then_some(reason),
                event,
            })
        },
    );
    Ok(DuePage {
        due: due.collect(),
        next,
    })
}

/// Takes the entry for this transaction; `false`: it is gone or was changed meanwhile.
pub(super) async fn take(tx: &mut Tx, due: &Due) -> Result<bool, sqlx::Error> {
    let sql = "UPDATE bus_held SET attempts = attempts WHERE id = $1 AND attempts = $2 AND status IN ('ready', 'unresolved')";
    Ok(sqlx::query(sql)
        .bind(due.id)
        .bind(due.attempts)
        .execute(&mut **tx)
        .await?
        .rows_affected()
        == 1)
}

/// It was tried again and stays.
pub(super) async fn attempted(
    tx: &mut Tx,
    due: &Due,
    status: &Status,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let (name, reason, waits_for) = status.columns();
    write_attempt(tx, due, name, &reason, waits_for, now).await
}

/// It could not be tried, because the world is broken: later again.
pub(super) async fn postponed(tx: &mut Tx, due: &Due, now: Timestamp) -> Result<(), sqlx::Error> {
    write_attempt(
        tx,
        due,
        "ready",
        "its last attempt failed and is repeated",
        "",
        now,
    )
    .await
}

async fn write_attempt(
    tx: &mut Tx,
    due: &Due,
    status: &str,
    reason: &str,
    waits_for: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(include_str!("sql/attempted.sql"))
        .bind(due.id)
        .bind(status)
        .bind(reason)
        .bind(waits_for)
        .bind(now.as_microsecond())
        .bind((now + recheck_pause(due.attempts)).as_microsecond())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// It is done: gone, and the next of its key may be tried. Answers whether there is one.
pub(super) async fn released(tx: &mut Tx, consumer: &str, due: &Due) -> Result<bool, sqlx::Error> {
    sqlx::query("DELETE FROM bus_held WHERE id = $1")
        .bind(due.id)
        .execute(&mut **tx)
        .await?;
    ready_next(tx, consumer, due.partition.topic, &due.key).await
}

/// Lets the first record of a key be tried if it only waited. Answers whether there was one.
pub(super) async fn ready_next(
    tx: &mut Tx,
    consumer: &str,
    topic: &str,
    key: &str,
) -> Result<bool, sqlx::Error> {
    let next = sqlx::query(include_str!("sql/ready_next.sql"))
        .bind(consumer)
        .bind(topic)
        .bind(key)
        .execute(&mut **tx)
        .await?;
    Ok(next.rows_affected() > 0)
}
