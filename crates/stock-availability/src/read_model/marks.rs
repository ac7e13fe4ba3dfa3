//! Marks: items and variants whose published figure may be out of date.

use millrace_event_store::{Cause, StoreError, Tx};
use millrace_values::{ErpCode, SystemId, VariantCode};
use sqlx::{AnyConnection, AssertSqlSafe};
use uuid::Uuid;

use super::{VALUES, broken, item, rows};
use crate::wire::variant_text;

/// Who writes in the name of the service.
pub const ACTOR: &str = "stock-availability";

/// One mark, as it was read.
#[derive(Debug, Clone)]
pub struct Mark {
    pub erp: ErpCode,
    pub item: SystemId,
    pub variant: Option<VariantCode>,
    times: i64,
    pub cause: Cause,
}

type Row = (
    String,
    String,
    String,
    i64,
    String,
    Option<String>,
    Option<String>,
);

/// Marks items and variants, because of `cause`. One that is marked already keeps its first cause.
pub async fn put(
    tx: &mut Tx,
    erp: &ErpCode,
    marks: impl IntoIterator<Item = (SystemId, Option<VariantCode>)>,
    cause: &Cause,
) -> Result<(), StoreError> {
    // In one order everywhere, so that two transactions never wait for each other.
    let mut all: Vec<(String, String)> = marks
        .into_iter()
        .map(|(item, variant)| (item.to_string(), variant_text(variant.as_ref()).to_owned()))
        .collect();
    all.sort_unstable();
    all.dedup();
    for chunk in all.chunks(VALUES / 7) {
        let sql = format!(
            "INSERT INTO marks (erp, item, variant, times, correlation, causation, traceparent) VALUES {} {}",
            rows(chunk.len(), 7),
            "ON CONFLICT (erp, item, variant) DO UPDATE SET times = marks.times + 1",
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (item, variant) in chunk {
            query = query
                .bind(erp.as_str())
                .bind(item.as_str())
                .bind(variant.as_str())
                .bind(1_i64)
                .bind(cause.correlation_id.to_string())
                .bind(cause.causation_id.map(|id| id.to_string()))
                .bind(cause.traceparent.clone());
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

/// Some marks, in no particular order.
pub async fn some(db: &mut AnyConnection, limit: i64) -> Result<Vec<Mark>, StoreError> {
    let sql =
        "SELECT erp, item, variant, times, correlation, causation, traceparent FROM marks LIMIT $1";
    let found: Vec<Row> = sqlx::query_as(sql).bind(limit).fetch_all(db).await?;
    found.into_iter().map(mark).collect()
}

fn mark(
    (erp, id, variant, times, correlation, causation, traceparent): Row,
) -> Result<Mark, StoreError> {
    Ok(Mark {
        erp: ErpCode::parse(&erp).map_err(|_| broken("erp"))?,
        item: item(&id)?,
        variant: VariantCode::parse_optional(&variant).map_err(|_| broken("variant"))?,
        times,
        cause: Cause {
            correlation_id: Uuid::parse_str(&correlation).map_err(|_| broken("correlation"))?,
            causation_id: causation.and_then(|id| Uuid::parse_str(&id).ok()),
            traceparent,
            actor: ACTOR.to_owned(),
        },
    })
}

/// Takes marks off, unless they were renewed since they were read.
pub async fn take_off(tx: &mut Tx, marks: &[Mark]) -> Result<(), StoreError> {
    for chunk in marks.chunks(VALUES / 4) {
        let sql = format!(
            "DELETE FROM marks WHERE (erp, item, variant, times) IN (VALUES {})",
            rows(chunk.len(), 4)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for mark in chunk {
            query = query
                .bind(mark.erp.as_str())
                .bind(mark.item.to_string())
                .bind(variant_text(mark.variant.as_ref()))
                .bind(mark.times);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}
