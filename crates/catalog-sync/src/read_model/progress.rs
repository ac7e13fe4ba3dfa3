//! What the readers of the ERP remember between two pages.

use millrace_event_store::StoreError;
use millrace_values::{ErpCode, SystemId};

use crate::read_model::Catalog;

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
}
