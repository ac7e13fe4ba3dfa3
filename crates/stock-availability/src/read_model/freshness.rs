//! When everything the ERP had was known: one pod writes it, all read it.

use millrace_event_store::{Database, StoreError};
use millrace_values::ErpCode;

use super::broken;

pub async fn put(
    database: &Database,
    erp: &ErpCode,
    at: jiff::Timestamp,
) -> Result<(), StoreError> {
    let mut tx = database.begin().await?;
    sqlx::query(include_str!("freshness_upsert.sql"))
        .bind(erp.as_str())
        .bind(at.as_microsecond())
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

pub async fn all(database: &Database) -> Result<Vec<(ErpCode, jiff::Timestamp)>, StoreError> {
    let rows: Vec<(String, i64)> = sqlx::query_as("SELECT erp, read_at FROM freshness")
        .fetch_all(database.pool())
        .await?;
    let row = |(erp, at): (String, i64)| {
        let erp = ErpCode::parse(&erp).map_err(|_| broken("erp"))?;
        let at = jiff::Timestamp::from_microsecond(at).map_err(|_| broken("time"))?;
        Ok((erp, at))
    };
    rows.into_iter().map(row).collect()
}
