//! Where all consumers of a database stand, for who compares them with the logs and topics they read.

use millrace_event_store::{Database, StoreError};
use uuid::Uuid;

use crate::topics::{self, Topic};

/// How far one consumer has come in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub consumer: String,
    pub topic: &'static Topic,
    pub partition: i32,
    /// The log it reads, in the embedded bus; empty for Kafka.
    pub source: String,
    /// The first offset that was not taken yet; -1: the beginning.
    pub next: i64,
    /// The log of the last event taken, its epoch and its position there; none yet: `None`.
    pub seen: Option<(String, Uuid, u64)>,
    /// It waits for a person.
    pub stalled: bool,
}

type Row = (
    String,
    String,
    i64,
    String,
    i64,
    String,
    String,
    i64,
    String,
);

/// Every place that is remembered in `database`.
///
/// # Errors
/// The database did not do its part.
pub async fn standings(database: &Database) -> Result<Vec<Standing>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(include_str!("sql/standings.sql"))
        .fetch_all(database.pool())
        .await?;
    let known = rows.into_iter().filter_map(
        |(consumer, topic, partition, source, next, log, epoch, position, stalled)| {
            let epoch = Uuid::parse_str(&epoch).ok();
            Some(Standing {
                consumer,
                topic: topics::named(&topic)?,
                partition: i32::try_from(partition).ok()?,
                source,
                next,
                seen: epoch.map(|epoch| (log, epoch, u64::try_from(position).unwrap_or_default())),
                stalled: !stalled.is_empty(),
            })
        },
    );
    Ok(known.collect())
}
