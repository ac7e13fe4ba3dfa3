//! What the readers of the ERP remember between two pages. A reader that was replaced writes nothing here any more: its notes would
//! end its successor's full read with the wrong prices gone.

use millrace_erp_reader::SinkError;
use millrace_event_store::{LeaseEpoch, StoreError, Tx, still_held};
use millrace_values::{ErpCode, SystemId};

use crate::read_model::Catalog;

/// Stands where an item's system id would.
const NAMELESS: &str = "";

impl Catalog {
    /// A full read of the prices begins: what one before has shown is void.
    pub(crate) async fn forget_snapshot(
        &self,
        erp: &ErpCode,
        lease: &LeaseEpoch,
    ) -> Result<(), SinkError> {
        let mut tx = self.fenced(lease).await?;
        sqlx::query("DELETE FROM priced_in_snapshot WHERE erp = $1")
            .bind(erp.as_str())
            .execute(&mut *tx)
            .await
            .map_err(StoreError::from)?;
        Ok(tx.commit().await?)
    }

    /// A full read has shown prices of these items, and perhaps some of which nobody knows whose they are.
    pub(crate) async fn seen_in_snapshot(
        &self,
        erp: &ErpCode,
        items: &[SystemId],
        nameless: bool,
        lease: &LeaseEpoch,
    ) -> Result<(), SinkError> {
        let mut tx = self.fenced(lease).await?;
        let items = items.iter().map(ToString::to_string);
        for item in items.chain(nameless.then(|| NAMELESS.to_owned())) {
            sqlx::query("INSERT INTO priced_in_snapshot (erp, system_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(erp.as_str())
                .bind(item)
                .execute(&mut *tx)
                .await
                .map_err(StoreError::from)?;
        }
        Ok(tx.commit().await?)
    }

    /// Whether the full read has shown prices of which nobody knows whose they are.
    pub(crate) async fn nameless_in_snapshot(&self, erp: &ErpCode) -> Result<bool, StoreError> {
        let sql = "SELECT erp FROM priced_in_snapshot WHERE erp = $1 AND system_id = $2";
        let found: Option<(String,)> = sqlx::query_as(sql)
            .bind(erp.as_str())
            .bind(NAMELESS)
            .fetch_optional(self.0.pool())
            .await?;
        Ok(found.is_some())
    }

    async fn fenced(&self, lease: &LeaseEpoch) -> Result<Tx, SinkError> {
        let mut tx = self.0.begin().await?;
        if still_held(&mut tx, lease).await? {
            return Ok(tx);
        }
        Err(SinkError::Superseded)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use millrace_event_store::{Database, DatabaseSettings};
    use millrace_service_kit::{Ids, SystemClock};
    use millrace_test_rig::until;

    use super::*;

    #[tokio::test]
    async fn a_reader_that_was_replaced_leaves_its_successors_notes_alone() {
        let database = Database::open(
            &DatabaseSettings::new("sqlite::memory:", "catalog-sync"),
            Arc::new(SystemClock),
            Ids::random(),
        )
        .await
        .unwrap();
        let owners = [millrace_operations::migrations(), &crate::MIGRATIONS];
        database.migrate(&owners).await.unwrap();
        let (log, catalog) = (
            database.log().await.unwrap(),
            Catalog::new(database.clone()),
        );
        let take = async |holder: &str| {
            let brief = Duration::from_millis(1);
            let held = until(Duration::from_secs(10), "the lease is taken", async || {
                log.take_lease("prices/bc-main", holder, brief)
                    .await
                    .unwrap()
            });
            held.await.lease
        };
        let (old, new) = (take("old").await, take("new").await);
        let erp = ErpCode::parse("bc-main").unwrap();
        let item = SystemId(database.new_id());
        catalog
            .seen_in_snapshot(&erp, &[item], false, &new)
            .await
            .unwrap();

        let stale = [
            catalog.forget_snapshot(&erp, &old).await,
            catalog
                .seen_in_snapshot(&erp, &[SystemId(database.new_id())], true, &old)
                .await,
        ];
        assert!(
            stale
                .iter()
                .all(|done| matches!(done, Err(SinkError::Superseded)))
        );
        let notes: Vec<(String,)> = sqlx::query_as("SELECT system_id FROM priced_in_snapshot")
            .fetch_all(database.pool())
            .await
            .unwrap();
        assert_eq!(notes, [(item.to_string(),)]);
    }
}
