//! Raw rows of the log's table: what the baselines write. The same columns, indexes and contents as the store's own, without
//! everything the store does besides: no head row, no check of versions, no recognition of repeats.

use anyhow::Result;
use millrace_event_store::NewEvent;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::load::Caller;

pub struct Row {
    pub position: i64,
    pub version: i64,
    pub stream: String,
    pub event: NewEvent,
}

/// Rows of several callers taking turns, as a batch of the store holds them.
pub struct Rows {
    callers: Vec<Caller>,
    position: i64,
}

impl Rows {
    pub fn of(callers: u64) -> Rows {
        Rows {
            callers: (0..callers).map(Caller::new).collect(),
            position: 0,
        }
    }

    pub fn next(&mut self) -> Row {
        let caller = usize::try_from(self.position).unwrap_or_default() % self.callers.len();
        let (stream, version, event) = self.callers[caller].next();
        self.position += 1;
        Row {
            position: self.position,
            version: version.cast_signed(),
            stream,
            event,
        }
    }
}

/// One row, one statement, one commit.
pub async fn insert(connection: &mut PgConnection, row: Row) -> Result<()> {
    let at = row.event.occurred_at.as_microsecond();
    let query = sqlx::query(include_str!("insert.sql"));
    let query = query
        .bind(row.position)
        .bind(row.version)
        .bind(at)
        .bind(at)
        .bind(row.event.id)
        .bind(row.event.cause.correlation_id);
    let query = query
        .bind(row.event.cause.causation_id)
        .bind(row.event.deleted)
        .bind(row.stream)
        .bind(row.event.kind)
        .bind(None::<String>);
    let query = query
        .bind(row.event.erp)
        .bind(row.event.channel)
        .bind(row.event.cause.traceparent)
        .bind(row.event.cause.actor);
    query
        .bind(row.event.payload.as_ref())
        .execute(connection)
        .await?;
    Ok(())
}

/// A batch in one statement and one transaction.
pub async fn insert_batch(connection: &mut PgConnection, rows: Vec<Row>) -> Result<()> {
    let count = rows.len();
    let mut columns = Columns::with_capacity(count);
    for row in rows {
        columns.push(row);
    }
    let absent: Vec<Option<String>> = vec![None; count];
    let no_cause: Vec<Option<Uuid>> = vec![None; count];
    let mut tx = connection.begin().await?;
    let query = sqlx::query(include_str!("unnest.sql"));
    let query = query
        .bind(&columns.position)
        .bind(&columns.version)
        .bind(&columns.at)
        .bind(&columns.at)
        .bind(&columns.id);
    let query = query
        .bind(&columns.correlation)
        .bind(&no_cause)
        .bind(&columns.deleted)
        .bind(&columns.stream)
        .bind(&columns.kind);
    let query = query
        .bind(&absent)
        .bind(&columns.erp)
        .bind(&absent)
        .bind(&absent)
        .bind(&columns.actor)
        .bind(&columns.payload);
    query.execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

#[derive(Default)]
struct Columns {
    position: Vec<i64>,
    version: Vec<i64>,
    at: Vec<i64>,
    id: Vec<Uuid>,
    correlation: Vec<Uuid>,
    deleted: Vec<bool>,
    stream: Vec<String>,
    kind: Vec<String>,
    erp: Vec<Option<String>>,
    actor: Vec<String>,
    payload: Vec<Vec<u8>>,
}

impl Columns {
    fn with_capacity(count: usize) -> Columns {
        Columns {
            position: Vec::with_capacity(count),
            payload: Vec::with_capacity(count),
            ..Columns::default()
        }
    }

    fn push(&mut self, row: Row) {
        self.position.push(row.position);
        self.version.push(row.version);
        self.at.push(row.event.occurred_at.as_microsecond());
        self.id.push(row.event.id);
        self.correlation.push(row.event.cause.correlation_id);
        self.deleted.push(row.event.deleted);
        self.stream.push(row.stream);
        self.kind.push(row.event.kind);
        self.erp.push(row.event.erp);
        self.actor.push(row.event.cause.actor);
        self.payload.push(row.event.payload.to_vec());
    }
}
