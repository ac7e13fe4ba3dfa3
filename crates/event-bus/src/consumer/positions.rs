//! Where a consumer stands, in its own database.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use millrace_event_store::{Database, StoreError, Tx};
use uuid::Uuid;

use crate::subscription::{Mark, Partition, Positions, Seen};
use crate::topics;

/// The positions of one consumer.
pub(super) struct StoredPositions {
    pub consumer: Arc<str>,
    pub database: Database,
}

type Row = (i64, String, String, i64, i64, i64, i64, String, String);

impl StoredPositions {
    /// Where every partition stands that was ever stored: its next offset.
    pub(super) async fn all(&self) -> Result<HashMap<Partition, i64>, StoreError> {
        let rows: Vec<(String, i64, String, i64)> =
            sqlx::query_as(include_str!("sql/next_offsets.sql"))
                .bind(&*self.consumer)
                .fetch_all(self.database.pool())
                .await?;
        let known = rows
            .into_iter()
            .filter_map(|(topic, number, source, next)| {
                let partition = Partition {
                    topic: topics::named(&topic)?.name,
                    number: i32::try_from(number).ok()?,
                    source: source.into(),
                };
                Some((partition, next))
            });
        Ok(known.collect())
    }
}

#[async_trait]
impl Positions for StoredPositions {
    async fn load(&self, partition: &Partition) -> Result<Option<Mark>, StoreError> {
        let row: Option<Row> = sqlx::query_as(include_str!("sql/load_position.sql"))
            .bind(&*self.consumer)
            .bind(partition.topic)
            .bind(i64::from(partition.number))
            .bind(&*partition.source)
            .fetch_optional(self.database.pool())
            .await?;
        Ok(row.map(
            |(next, log, epoch, shard, number, since, old_until, stalled, passed)| Mark {
                next,
                passed: Uuid::parse_str(&passed).ok(),
                seen: Uuid::parse_str(&epoch).ok().map(|epoch| Seen {
                    log: log.into(),
                    epoch,
                    shard: u16::try_from(shard).unwrap_or_default(),
                    number: u64::try_from(number).unwrap_or_default(),
                }),
                since,
                old_until,
                stalled: Some(stalled).filter(|stalled| !stalled.is_empty()),
            },
        ))
    }
}

/// Moves a partition from `old` to `new` if it still stands at `old`; otherwise somebody else has it, and nothing of the
/// transaction may stay. `old` is `None` for a partition never stored.
pub(super) async fn claim(
    tx: &mut Tx,
    consumer: &str,
    partition: &Partition,
    old: Option<&Mark>,
    new: &Mark,
) -> Result<bool, sqlx::Error> {
    let sql = if old.is_some() {
        include_str!("sql/move_position.sql")
    } else {
        include_str!("sql/first_position.sql")
    };
    let (log, epoch, shard, number) = match &new.seen {
        Some(seen) => (&*seen.log, seen.epoch.to_string(), seen.shard, seen.number),
        None => ("", String::new(), 0, 0),
    };
    let query = sqlx::query(sql)
        .bind(consumer)
        .bind(partition.topic)
        .bind(i64::from(partition.number))
        .bind(&*partition.source)
        .bind(new.next)
        .bind(log)
        .bind(epoch)
        .bind(i64::from(shard))
        .bind(i64::try_from(number).unwrap_or(i64::MAX))
        .bind(new.since)
        .bind(new.old_until)
        .bind(new.stalled.as_deref().unwrap_or_default())
        .bind(new.passed.map(|id| id.to_string()).unwrap_or_default());
    let query = match old {
        Some(old) => query.bind(old.next),
        None => query,
    };
    Ok(query.execute(&mut **tx).await?.rows_affected() == 1)
}
