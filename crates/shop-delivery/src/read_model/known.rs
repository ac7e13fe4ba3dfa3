//! The latest record of every key, shown or not.

use bytes::Bytes;
use millrace_event_store::{Database, StoreError};

use crate::domain::shelf::Mark;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub key: String,
    /// Key of the item it belongs to; an item's own.
    pub item: String,
    pub kind: String,
    /// As it came; empty when deleted.
    pub payload: Bytes,
    pub deleted: bool,
    /// Where it stood in its log.
    pub epoch: String,
    pub position: i64,
    /// What readers were told.
    pub shown: Option<Mark>,
}

pub(super) type Row = (
    String,
    String,
    String,
    Vec<u8>,
    i64,
    String,
    i64,
    Option<i64>,
);

impl From<Row> for Known {
    fn from((key, item, kind, payload, deleted, epoch, position, shown): Row) -> Self {
        let shown = shown.map(i64::cast_unsigned);
        Self {
            key,
            item,
            kind,
            payload: payload.into(),
            deleted: deleted == 1,
            epoch,
            position,
            shown,
        }
    }
}

/// A page of items, by key.
pub(crate) async fn items_after(
    database: &Database,
    key: &str,
    limit: i64,
) -> Result<Vec<Known>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(include_str!("sql/known_items.sql"))
        .bind(key)
        .bind(limit)
        .fetch_all(database.pool())
        .await?;
    Ok(rows.into_iter().map(Known::from).collect())
}
