//! A handler that does what the payload says.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use millrace_event_bus::{HandleError, Handler, Outcome};
use millrace_event_store::{
    Cause, Database, Expected, NewEvent, Recorded, StoreError, StreamAppend, Tx,
};
use uuid::Uuid;

/// `needs:<topic>/<key>` waits until that key was taken; `poison` is parked until there is an antidote; `write then park` writes
/// first; `broken` fails while the world is broken; `append` also appends to the consumer's log. Everything else is just taken.
#[derive(Default)]
pub struct Obedient {
    pub antidote: AtomicBool,
    pub broken: AtomicBool,
    pub calls: AtomicU64,
    /// Transactions begun.
    pub pages: AtomicU64,
    /// Fails every call with this number modulo ten, once.
    pub stumbles: Mutex<std::collections::HashSet<Uuid>>,
    pub stumbling: bool,
    /// Knows repeats by event id, as a handler of facts does that may be read again.
    pub idempotent: bool,
}

/// Creates the table that [`Obedient`] writes.
pub async fn prepare(database: &Database) {
    let mut tx = database.begin().await.expect("a transaction");
    sqlx::raw_sql("CREATE TABLE taken (place BIGINT NOT NULL, id TEXT PRIMARY KEY, topic TEXT NOT NULL, record_key TEXT NOT NULL, position BIGINT NOT NULL, body TEXT NOT NULL)")
        .execute(&mut *tx)
        .await
        .expect("a table");
    tx.commit().await.expect("committed");
}

/// What was taken, in the order it was taken: key and body.
pub async fn taken(database: &Database) -> Vec<(String, String)> {
    sqlx::query_as("SELECT record_key, body FROM taken ORDER BY place, position")
        .fetch_all(database.pool())
        .await
        .expect("rows")
}

#[async_trait]
impl Handler for Obedient {
    async fn foresee(&self, _: &mut Tx, _: &[&Recorded]) -> Result<(), StoreError> {
        self.pages.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn handle(&self, tx: &mut Tx, recorded: &Recorded) -> Result<Outcome, HandleError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let event = &recorded.event;
        let body = if event.deleted {
            "deleted".to_owned()
        } else {
            String::from_utf8_lossy(&event.payload).into_owned()
        };
        if self.stumbling
            && event.id.as_bytes()[15].is_multiple_of(4)
            && self.stumbles.lock().expect("unpoisoned").insert(event.id)
        {
            return Err(HandleError::failed("stumbled"));
        }
        if let Some(need) = body.strip_prefix("needs:") {
            let (_, key) = need.split_once('/').expect("topic/key");
            let found: Option<(i64,)> =
                sqlx::query_as("SELECT place FROM taken WHERE record_key = $1")
                    .bind(key)
                    .fetch_optional(&mut **tx)
                    .await?;
            if found.is_none() {
                return Ok(Outcome::Unresolved {
                    waits_for: need.to_owned(),
                });
            }
        }
        if body == "poison" && !self.antidote.load(Ordering::Relaxed) {
            return Ok(Outcome::parked("poison"));
        }
        if body == "broken" && self.broken.load(Ordering::Relaxed) {
            return Err(HandleError::failed("the world is broken"));
        }
        let (place,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM taken")
            .fetch_one(&mut **tx)
            .await?;
        // The primary key objects to an effect that happens twice.
        let once = "INSERT INTO taken (place, id, topic, record_key, position, body) VALUES ($1, $2, $3, $4, $5, $6)";
        let again = "INSERT INTO taken (place, id, topic, record_key, position, body) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING";
        sqlx::query(if self.idempotent { again } else { once })
            .bind(place)
            .bind(event.id.to_string())
            .bind(event.kind.as_str())
            .bind(event.key.as_str())
            .bind(i64::try_from(recorded.at.number).expect("small"))
            .bind(body.as_str())
            .execute(&mut **tx)
            .await?;
        if body == "write then park" {
            return Ok(Outcome::parked("changed its mind"));
        }
        if body == "append" {
            return Ok(Outcome::Append(vec![echo(recorded)]));
        }
        Ok(Outcome::Done)
    }
}

fn echo(recorded: &Recorded) -> StreamAppend {
    let id = Uuid::new_v5(&recorded.event.id, b"echo");
    let cause = Cause {
        causation_id: Some(recorded.event.id),
        ..recorded.event.cause.clone()
    };
    let event = NewEvent {
        id,
        kind: "millrace.test.v1.Echoed".to_owned(),
        cause,
        ..recorded.event.clone()
    };
    StreamAppend {
        stream: recorded.stream.to_string(),
        expected: Expected::Any,
        events: vec![event],
    }
}
