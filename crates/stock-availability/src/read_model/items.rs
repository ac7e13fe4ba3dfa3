//! Numbers and base units of items, from the topic `items`.

use std::collections::HashMap;

use millrace_event_store::{StoreError, Tx, places};
use millrace_values::{ErpCode, Sku, SystemId, UnitCode};
use sqlx::{AnyConnection, AssertSqlSafe};

use super::{VALUES, broken, item};

/// Number and base unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub number: Sku,
    pub unit: Option<UnitCode>,
}

pub async fn of(
    db: &mut AnyConnection,
    erp: &ErpCode,
    items: &[SystemId],
) -> Result<HashMap<SystemId, Named>, StoreError> {
    let mut found = HashMap::with_capacity(items.len());
    for chunk in items.chunks(VALUES) {
        let sql = format!(
            "SELECT item, number, unit FROM items WHERE erp = $1 AND item IN ({})",
            places(2, chunk.len())
        );
        let mut query =
            sqlx::query_as::<_, (String, String, String)>(AssertSqlSafe(sql)).bind(erp.as_str());
        for item in chunk {
            query = query.bind(item.to_string());
        }
        for (id, number, unit) in query.fetch_all(&mut *db).await? {
            let number = Sku::parse(&number).map_err(|_| broken("number"))?;
            let unit = UnitCode::parse_optional(&unit).map_err(|_| broken("unit"))?;
            found.insert(item(&id)?, Named { number, unit });
        }
    }
    Ok(found)
}

/// Which item has this number; the ERP sees to it that there is one at most.
pub async fn with_number(
    db: &mut AnyConnection,
    erp: &ErpCode,
    number: &Sku,
) -> Result<Option<SystemId>, StoreError> {
    let sql = "SELECT item FROM items WHERE erp = $1 AND number = $2 LIMIT 1";
    let found: Option<(String,)> = sqlx::query_as(sql)
        .bind(erp.as_str())
        .bind(number.as_str())
        .fetch_optional(db)
        .await?;
    found.map(|(id,)| item(&id)).transpose()
}

pub async fn put(
    tx: &mut Tx,
    erp: &ErpCode,
    item: SystemId,
    named: &Named,
) -> Result<(), StoreError> {
    sqlx::query(include_str!("items_upsert.sql"))
        .bind(erp.as_str())
        .bind(item.to_string())
        .bind(named.number.as_str())
        .bind(named.unit.as_ref().map_or("", UnitCode::as_str))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub async fn delete(tx: &mut Tx, erp: &ErpCode, item: SystemId) -> Result<(), StoreError> {
    let sql = "DELETE FROM items WHERE erp = $1 AND item = $2";
    sqlx::query(sql)
        .bind(erp.as_str())
        .bind(item.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
