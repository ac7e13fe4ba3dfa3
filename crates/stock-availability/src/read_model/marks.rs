//! Marks: items and variants whose published figure may be out of date. One may have several.

use millrace_event_store::{Cause, StoreError, Tx, places, places_of_rows};
use millrace_values::{ErpCode, SystemId, VariantCode};
use sqlx::{AnyConnection, AssertSqlSafe};
use uuid::Uuid;

use super::{VALUES, broken, item};
use crate::wire::variant_text;

/// Who writes in the name of the service.
pub const ACTOR: &str = "stock-availability";

/// One mark, as it was read.
#[derive(Debug, Clone)]
pub struct Mark {
    pub erp: ErpCode,
    pub item: SystemId,
    pub variant: Option<VariantCode>,
    id: i64,
    pub cause: Cause,
}

type Row = (
    i64,
    String,
    String,
    String,
    String,
    Option<String>,
    Option<String>,
);

/// Marks items and variants, because of `cause`.
pub async fn put(
    tx: &mut Tx,
    erp: &ErpCode,
    marks: impl IntoIterator<Item = (SystemId, Option<VariantCode>)>,
    cause: &Cause,
) -> Result<(), StoreError> {
    let mut all: Vec<(String, String)> = marks
        .into_iter()
        .map(|(item, variant)| (item.to_string(), variant_text(variant.as_ref()).to_owned()))
        .collect();
    all.sort_unstable();
    all.dedup();
    for chunk in all.chunks(VALUES / 6) {
        let sql = format!(
            "INSERT INTO marks (erp, item, variant, correlation, causation, traceparent) VALUES {}",
            places_of_rows(chunk.len(), 6),
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (item, variant) in chunk {
            query = query
                .bind(erp.as_str())
                .bind(item.as_str())
                .bind(variant.as_str())
                .bind(cause.correlation_id.to_string())
                .bind(cause.causation_id.map(|id| id.to_string()))
                .bind(cause.traceparent.clone());
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

/// The oldest marks.
pub async fn some(db: &mut AnyConnection, limit: i64) -> Result<Vec<Mark>, StoreError> {
    let sql = "SELECT id, erp, item, variant, correlation, causation, traceparent FROM marks ORDER BY id LIMIT $1";
    let found: Vec<Row> = sqlx::query_as(sql).bind(limit).fetch_all(db).await?;
    found.into_iter().map(mark).collect()
}

fn mark(
    (id, erp, system_id, variant, correlation, causation, traceparent): Row,
) -> Result<Mark, StoreError> {
    Ok(Mark {
        erp: ErpCode::parse(&erp).map_err(|_| broken("erp"))?,
        item: item(&system_id)?,
        variant: VariantCode::parse_optional(&variant).map_err(|_| broken("variant"))?,
        id,
        cause: Cause {
            correlation_id: Uuid::parse_str(&correlation).map_err(|_| broken("correlation"))?,
            causation_id: causation.and_then(|id| Uuid::parse_str(&id).ok()),
            traceparent,
            actor: ACTOR.to_owned(),
        },
    })
}

/// Takes marks off. One that was put on meanwhile stays.
pub async fn take_off(tx: &mut Tx, marks: &[Mark]) -> Result<(), StoreError> {
    for chunk in marks.chunks(VALUES) {
        let sql = format!("DELETE FROM marks WHERE id IN ({})", places(1, chunk.len()));
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for mark in chunk {
            query = query.bind(mark.id);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}
