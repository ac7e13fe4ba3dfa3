//! What the readers of the ERP remember between two pages.

use jiff::Timestamp;
use millrace_erp::Cursor;
use millrace_event_store::{Database, StoreError, save_cursor};
use millrace_values::{ErpCode, SystemId};

/// Where a reader stands, and what can be forgotten with it.
pub(crate) struct Progress {
    name: String,
    cursor: String,
    /// The full read of this ERP's prices has ended.
    pub forget_snapshot_of: Option<ErpCode>,
}

impl Progress {
    pub(crate) fn at(name: &str, cursor: &Cursor) -> Self {
        Self {
            name: name.to_owned(),
            cursor: cursor.0.clone(),
            forget_snapshot_of: None,
        }
    }

    /// From the beginning again.
    pub(crate) fn restart(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            cursor: String::new(),
            forget_snapshot_of: None,
        }
    }

    pub(crate) fn compared(name: &str, at: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            cursor: at.to_string(),
            forget_snapshot_of: None,
        }
    }
}

pub(crate) async fn save_progress(
    database: &Database,
    progress: Progress,
) -> Result<(), StoreError> {
    let mut tx = database.begin().await?;
    save_cursor(&mut tx, &progress.name, &progress.cursor).await?;
    if let Some(erp) = &progress.forget_snapshot_of {
        sqlx::query("DELETE FROM priced_in_snapshot WHERE erp = $1")
            .bind(erp.as_str())
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}

pub(crate) async fn forget_snapshot(database: &Database, erp: &ErpCode) -> Result<(), StoreError> {
    let mut tx = database.begin().await?;
    sqlx::query("DELETE FROM priced_in_snapshot WHERE erp = $1")
        .bind(erp.as_str())
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// A full read has shown prices of these items.
pub(crate) async fn seen_in_snapshot(
    database: &Database,
    erp: &ErpCode,
    items: &[SystemId],
) -> Result<(), StoreError> {
    let mut tx = database.begin().await?;
    for item in items {
        sqlx::query("INSERT INTO priced_in_snapshot (erp, system_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(erp.as_str())
            .bind(item.to_string())
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}

/// A record the ERP sent that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnreadableRecord {
    pub entity: &'static str,
    pub system_id: Option<SystemId>,
    pub reason: String,
}

/// Keeps `unreadable`, forgets what is `readable` again. Answers those that are news.
pub(crate) async fn note_unreadable(
    database: &Database,
    erp: &ErpCode,
    unreadable: Vec<UnreadableRecord>,
    readable: &[SystemId],
    now: Timestamp,
) -> Result<Vec<UnreadableRecord>, StoreError> {
    let known: Vec<(String, String, String)> =
        sqlx::query_as("SELECT entity, system_id, reason FROM unreadable_records WHERE erp = $1")
            .bind(erp.as_str())
            .fetch_all(database.pool())
            .await?;
    if unreadable.is_empty() && known.is_empty() {
        return Ok(vec![]);
    }
    let mut news = Vec::new();
    let mut tx = database.begin().await?;
    for id in readable.iter().map(ToString::to_string) {
        if known.iter().any(|(_, system_id, _)| *system_id == id) {
            sqlx::query("DELETE FROM unreadable_records WHERE erp = $1 AND system_id = $2")
                .bind(erp.as_str())
                .bind(id)
                .execute(&mut *tx)
                .await?;
        }
    }
    for record in unreadable {
        let id = record
            .system_id
            .map(|id| id.to_string())
            .unwrap_or_default();
        sqlx::query(include_str!("sql/note_unreadable.sql"))
            .bind(erp.as_str())
            .bind(record.entity)
            .bind(&id)
            .bind(&record.reason)
            .bind(now.as_microsecond())
            .execute(&mut *tx)
            .await?;
        if !known.iter().any(|(entity, system_id, reason)| {
            (entity.as_str(), system_id, reason) == (record.entity, &id, &record.reason)
        }) {
            news.push(record);
        }
    }
    tx.commit().await?;
    Ok(news)
}
