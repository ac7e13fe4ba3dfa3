//! What the readers of the ERP remember between two pages.

use jiff::Timestamp;
use millrace_event_store::StoreError;
use millrace_values::{ErpCode, SystemId};

use crate::read_model::Catalog;

/// A record the ERP sent that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnreadableRecord {
    pub entity: &'static str,
    pub system_id: Option<SystemId>,
    pub reason: String,
}

impl Catalog {
    /// A full read of the prices begins: what one before has shown is void.
    pub(crate) async fn forget_snapshot(&self, erp: &ErpCode) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        sqlx::query("DELETE FROM priced_in_snapshot WHERE erp = $1")
            .bind(erp.as_str())
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// A full read has shown prices of these items.
    pub(crate) async fn seen_in_snapshot(
        &self,
        erp: &ErpCode,
        items: &[SystemId],
    ) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        for item in items {
            sqlx::query("INSERT INTO priced_in_snapshot (erp, system_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(erp.as_str())
                .bind(item.to_string())
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await
    }

    /// Keeps `unreadable`, forgets what is `readable` again. Answers those that are news.
    pub(crate) async fn note_unreadable(
        &self,
        erp: &ErpCode,
        unreadable: Vec<UnreadableRecord>,
        readable: &[SystemId],
        now: Timestamp,
    ) -> Result<Vec<UnreadableRecord>, StoreError> {
        let known: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT entity, system_id, reason FROM unreadable_records WHERE erp = $1",
        )
        .bind(erp.as_str())
        .fetch_all(self.0.pool())
        .await?;
        if unreadable.is_empty() && known.is_empty() {
            return Ok(vec![]);
        }
        let mut news = Vec::new();
        let mut tx = self.0.begin().await?;
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
}
