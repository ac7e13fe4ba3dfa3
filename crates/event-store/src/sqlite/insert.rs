//! Many rows per statement: in sqlx every statement crosses to the connection's thread and back, which costs more than a row.

use std::sync::{Arc, LazyLock};

use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection};

use crate::row::{finer_key, signed};
use crate::writer::{Batch, Row};

/// Rows per statement, largest first; each is prepared once per connection.
const SIZES: [usize; 4] = [64, 16, 4, 1];
static STATEMENTS: LazyLock<[Arc<str>; 4]> = LazyLock::new(|| SIZES.map(statement));

fn statement(rows: usize) -> Arc<str> {
    let row = format!("({})", vec!["?"; 16].join(", "));
    format!(
        "{}{}",
        include_str!("insert_events.sql"),
        vec![row.as_str(); rows].join(", ")
    )
    .into()
}

/// Rows `base + 1 …`, in the transaction the connection is in.
pub(super) async fn events(
    connection: &mut SqliteConnection,
    base: u64,
    batch: &Batch<'_>,
) -> Result<(), sqlx::Error> {
    let mut position = signed(base);
    let mut rows = batch.rows.as_slice();
    for (size, statement) in SIZES.iter().zip(STATEMENTS.iter()) {
        while rows.len() >= *size {
            let (now, later) = rows.split_at(*size);
            let mut query = sqlx::query(AssertSqlSafe(statement.clone()));
            for row in now {
                position += 1;
                query = bind(query, position, batch.recorded_at, row);
            }
            query.execute(&mut *connection).await?;
            rows = later;
        }
    }
    Ok(())
}

fn bind<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    position: i64,
    recorded_at: i64,
    row: &'q Row<'_>,
) -> Query<'q, Sqlite, SqliteArguments> {
    let event = row.event;
    query
        .bind(position)
        .bind(signed(row.version))
        .bind(event.occurred_at.as_microsecond())
        .bind(recorded_at)
        .bind(event.id)
        .bind(event.cause.correlation_id)
        .bind(event.cause.causation_id)
        .bind(event.deleted)
        .bind(row.stream)
        .bind(event.kind.as_str())
        .bind(finer_key(row.stream, event))
        .bind(event.erp.as_deref())
        .bind(event.channel.as_deref())
        .bind(event.cause.traceparent.as_deref())
        .bind(event.cause.actor.as_str())
        .bind(event.payload.as_ref())
}
