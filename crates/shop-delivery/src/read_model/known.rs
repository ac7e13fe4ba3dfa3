//! The latest record of every key, shown or not.

use bytes::Bytes;
use millrace_event_store::{Database, StoreError, Tx};

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

type Row = (
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

/// The records with these two keys, as far as they are known.
pub(crate) async fn pair(tx: &mut Tx, one: &str, other: &str) -> Result<Vec<Known>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(include_str!("sql/known_pair.sql"))
        .bind(one)
        .bind(other)
        .fetch_all(&mut **tx)
        .await?;
    Ok(rows.into_iter().map(Known::from).collect())
}

/// Everything that hangs on an item, without the item.
pub(crate) async fn of_item(tx: &mut Tx, item: &str) -> Result<Vec<Known>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(include_str!("sql/known_of_item.sql"))
        .bind(item)
        .fetch_all(&mut **tx)
        .await?;
    Ok(rows.into_iter().map(Known::from).collect())
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

pub(crate) async fn put(tx: &mut Tx, known: &Known) -> Result<(), sqlx::Error> {
    sqlx::query(include_str!("sql/put_known.sql"))
        .bind(&known.key)
        .bind(&known.item)
        .bind(&known.kind)
        .bind(known.payload.as_ref())
        .bind(i64::from(known.deleted))
        .bind(&known.epoch)
        .bind(known.position)
        .bind(known.shown.map(u64::cast_signed))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(crate) async fn set_shown(
    tx: &mut Tx,
    key: &str,
    shown: Option<Mark>,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE known SET shown = $2 WHERE key = $1")
        .bind(key)
        .bind(shown.map(u64::cast_signed))
        .execute(&mut **tx)
        .await?;
    Ok(())
}
