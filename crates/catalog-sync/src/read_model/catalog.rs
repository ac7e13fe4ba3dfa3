//! Questions to the rows.

use std::time::Duration;

use millrace_event_store::{Database, StoreError, places, projected_up_to};
use millrace_values::{ErpCode, PriceGroup, Sku, SystemId};
use sqlx::AssertSqlSafe;

use crate::read_model::PROJECTION;

/// How long a question waits for the rows to reach the log.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
pub struct Catalog(pub(crate) Database);

/// An item's row: number, system id, released (0 or 1), version, recorded at (microseconds), `items.v1.Item`.
pub type ItemRow = (String, String, i64, i64, i64, Vec<u8>);

/// A price's row: number of its item, system id of the item, variant, group, unit, `prices.v1.Price`.
pub type PriceRow = (String, String, String, String, String, Vec<u8>);

/// Where a page of prices ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceAfter {
    pub number: String,
    pub system_id: String,
    pub variant: String,
    pub group: String,
    pub unit: String,
}

impl Catalog {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self(database)
    }

    /// Waits until the rows show everything up to `position`.
    pub(crate) async fn reached(&self, position: u64) -> Result<bool, StoreError> {
        projected_up_to(&self.0, PROJECTION, position, PATIENCE).await
    }

    pub(crate) async fn item_by_number(
        &self,
        erp: &ErpCode,
        number: &Sku,
    ) -> Result<Option<ItemRow>, StoreError> {
        let row = sqlx::query_as(include_str!("sql/item_by_number.sql"))
            .bind(erp.as_str())
            .bind(number.as_str());
        Ok(row.fetch_optional(self.0.pool()).await?)
    }

    pub(crate) async fn item_by_id(
        &self,
        erp: &ErpCode,
        id: SystemId,
    ) -> Result<Option<ItemRow>, StoreError> {
        let row = sqlx::query_as(include_str!("sql/item_by_id.sql"))
            .bind(erp.as_str())
            .bind(id.to_string());
        Ok(row.fetch_optional(self.0.pool()).await?)
    }

    /// Up to `limit` items after number and system id, by number.
    pub(crate) async fn items(
        &self,
        erp: &ErpCode,
        include_unreleased: bool,
        (number, system_id): (&str, &str),
        limit: usize,
    ) -> Result<Vec<ItemRow>, StoreError> {
        let rows = sqlx::query_as(include_str!("sql/list_items.sql"))
            .bind(erp.as_str())
            .bind(i64::from(include_unreleased))
            .bind(number.to_owned())
            .bind(system_id.to_owned())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        Ok(rows.fetch_all(self.0.pool()).await?)
    }

    /// Up to `limit` prices of released items, everybody's and those of `groups`.
    pub(crate) async fn prices(
        &self,
        erp: &ErpCode,
        groups: &[PriceGroup],
        item_number: &str,
        after: &PriceAfter,
        limit: usize,
    ) -> Result<Vec<PriceRow>, StoreError> {
        let groups: Vec<&str> = std::iter::once("")
            .chain(groups.iter().map(PriceGroup::as_str))
            .collect();
        let sql = include_str!("sql/list_prices.sql").replace("{groups}", &places(9, groups.len()));
        let mut rows = sqlx::query_as(AssertSqlSafe(sql))
            .bind(erp.as_str())
            .bind(item_number)
            .bind(&after.number)
            .bind(&after.system_id)
            .bind(&after.variant)
            .bind(&after.group)
            .bind(&after.unit)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        for group in groups {
            rows = rows.bind(group);
        }
        Ok(rows.fetch_all(self.0.pool()).await?)
    }

    pub(crate) async fn item_ids(&self, erp: &ErpCode) -> Result<Vec<SystemId>, StoreError> {
        self.ids("SELECT system_id FROM items WHERE erp = $1", erp)
            .await
    }

    /// Items with prices here that the full read, which has just ended, did not show.
    pub(crate) async fn priced_but_not_in_snapshot(
        &self,
        erp: &ErpCode,
    ) -> Result<Vec<SystemId>, StoreError> {
        self.ids(include_str!("sql/priced_but_not_in_snapshot.sql"), erp)
            .await
    }

    async fn ids(&self, sql: &'static str, erp: &ErpCode) -> Result<Vec<SystemId>, StoreError> {
        let rows: Vec<(String,)> = sqlx::query_as(sql)
            .bind(erp.as_str())
            .fetch_all(self.0.pool())
            .await?;
        Ok(rows
            .iter()
            .filter_map(|(id,)| SystemId::parse(id).ok())
            .collect())
    }
}
