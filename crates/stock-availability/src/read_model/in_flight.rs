//! Lines of shop orders and reservations that the figures do not contain yet.

use millrace_event_store::{Dialect, StoreError, Tx, places, places_of_rows};
use millrace_values::{
    ChannelCode, ErpCode, LocationCode, OrderNumber, ReservationNumber, Sku, SystemId, Timestamp,
    VariantCode,
};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, FromRow, Row};

use super::{VALUES, broken, item, micros, quantity, time};
use crate::domain::{Claim, Document, Goods, InFlight, ItemRef};
use crate::wire::{parts, variant_text};

const COLUMNS: &str = include_str!("in_flight_columns.sql");
/// Of a row: these and the ERP.
const PLACES: usize = 18;

struct Line(InFlight);

impl FromRow<'_, AnyRow> for Line {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        line(row).map(Line).map_err(|error| match error {
            StoreError::Database(error) => error,
            other => sqlx::Error::Decode(other.into()),
        })
    }
}

fn line(row: &AnyRow) -> Result<InFlight, StoreError> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let number = |column: &str| row.try_get::<i64, _>(column);
    let optional = |column: &str| row.try_get::<Option<i64>, _>(column);
    let id = text("item")?;
    let document = match optional("document_at")? {
        None => None,
        Some(at) => {
            let row_version =
                optional("row_version")?.and_then(|version| u64::try_from(version).ok());
            Some(Document {
                row_version,
                at: time(at)?,
            })
        }
    };
    let returned = match optional("returned_at")? {
        None => None,
        Some(at) => Some(Document {
            row_version: optional("returned_version")?
                .and_then(|version| u64::try_from(version).ok()),
            at: time(at)?,
        }),
    };
    Ok(InFlight {
        channel: ChannelCode::parse(&text("channel")?).map_err(|_| broken("channel"))?,
        claim: claim(&text("order_number")?)?,
        line: u32::try_from(number("line")?).map_err(|_| broken("line"))?,
        item: ItemRef {
            number: Sku::parse(&text("item_number")?).map_err(|_| broken("item number"))?,
            id: if id.is_empty() {
                None
            } else {
                Some(item(&id)?)
            },
        },
        variant: VariantCode::parse_optional(&text("variant")?).map_err(|_| broken("variant"))?,
        location: LocationCode::parse_optional(&text("location")?)
            .map_err(|_| broken("location"))?,
        ordered: quantity(number("ordered")?)?,
        cancelled: quantity(number("cancelled")?)?,
        shipped: Goods {
            total: quantity(number("shipped")?)?,
            before: quantity(number("shipped_before")?)?,
            at: optional("shipped_at")?.map(time).transpose()?,
        },
        placed_at: time(number("placed_at")?)?,
        document,
        returned,
    })
}

/// No number of an order begins like this.
const RESERVATION: char = '\u{1f}';

/// As it stands in the column for an order's number.
fn claim_text(claim: &Claim) -> String {
    match claim {
        Claim::Order(number) => number.to_string(),
        Claim::Reservation(number) => format!("{RESERVATION}{number}"),
    }
}

fn claim(text: &str) -> Result<Claim, StoreError> {
    match text.strip_prefix(RESERVATION) {
        Some(number) => ReservationNumber::parse(number)
            .map(Claim::Reservation)
            .map_err(|_| broken("reservation number")),
        None => OrderNumber::parse(text)
            .map(Claim::Order)
            .map_err(|_| broken("order number")),
    }
}

/// A claim's lines.
pub async fn of_claim(
    db: &mut AnyConnection,
    channel: &ChannelCode,
    claim: &Claim,
) -> Result<Vec<InFlight>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM in_flight WHERE channel = $1 AND order_number = $2 ORDER BY line"
    );
    let query = sqlx::query_as::<_, Line>(AssertSqlSafe(sql))
        .bind(channel.as_str())
        .bind(claim_text(claim));
    Ok(query
        .fetch_all(db)
        .await?
        .into_iter()
        .map(|line| line.0)
        .collect())
}

/// The lines of these items, of all orders.
pub async fn of_items(
    db: &mut AnyConnection,
    erp: &ErpCode,
    items: &[SystemId],
) -> Result<Vec<InFlight>, StoreError> {
    let mut found = Vec::new();
    for chunk in items.chunks(VALUES) {
        let sql = format!(
            "SELECT {COLUMNS} FROM in_flight WHERE erp = $1 AND item IN ({})",
            places(2, chunk.len())
        );
        let mut query = sqlx::query_as::<_, Line>(AssertSqlSafe(sql)).bind(erp.as_str());
        for item in chunk {
            query = query.bind(item.to_string());
        }
        found.extend(
            query
                .fetch_all(&mut *db)
                .await?
                .into_iter()
                .map(|line| line.0),
        );
    }
    Ok(found)
}

/// Which lines leave when enough time has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Older {
    All,
    Reservations,
}

/// Items and variants with lines whose document or goods are older than `settled`.
pub async fn older_than(
    db: &mut AnyConnection,
    erp: &ErpCode,
    settled: Timestamp,
    which: Older,
) -> Result<Vec<(SystemId, Option<VariantCode>)>, StoreError> {
    let beginning = match which {
        Older::All => String::new(),
        Older::Reservations => RESERVATION.to_string(),
    };
    let sql = include_str!("in_flight_older_than.sql");
    let rows: Vec<(String, String)> = sqlx::query_as(sql)
        .bind(erp.as_str())
        .bind(micros(settled))
        .bind(beginning)
        .fetch_all(db)
        .await?;
    let row = |(id, variant): (String, String)| {
        let variant = VariantCode::parse_optional(&variant).map_err(|_| broken("variant"))?;
        Ok((item(&id)?, variant))
    };
    rows.into_iter().map(row).collect()
}

/// Lines of this number that had no item belong to this one.
pub async fn resolve(
    tx: &mut Tx,
    erp: &ErpCode,
    number: &Sku,
    item: SystemId,
) -> Result<(), StoreError> {
    let sql = "UPDATE in_flight SET item = $1 WHERE erp = $2 AND item_number = $3 AND item = ''";
    let query = sqlx::query(sql)
        .bind(item.to_string())
        .bind(erp.as_str())
        .bind(number.as_str());
    query.execute(&mut **tx).await?;
    Ok(())
}

/// The claim has these lines now.
pub async fn replace(
    tx: &mut Tx,
    erp: &ErpCode,
    channel: &ChannelCode,
    claim: &Claim,
    lines: &[InFlight],
) -> Result<(), StoreError> {
    let sql = "DELETE FROM in_flight WHERE channel = $1 AND order_number = $2";
    sqlx::query(sql)
        .bind(channel.as_str())
        .bind(claim_text(claim))
        .execute(&mut **tx)
        .await?;
    for chunk in lines.chunks(VALUES / PLACES) {
        let sql = format!(
            "INSERT INTO in_flight (erp, {COLUMNS}) VALUES {}",
            places_of_rows(chunk.len(), PLACES)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for line in chunk {
            let (document, returned) = (line.document.as_ref(), line.returned.as_ref());
            query = query
                .bind(erp.as_str())
                .bind(channel.as_str())
                .bind(claim_text(claim))
                .bind(i64::from(line.line))
                .bind(line.item.number.as_str())
                .bind(line.item.id.map(|id| id.to_string()).unwrap_or_default())
                .bind(variant_text(line.variant.as_ref()))
                .bind(line.location.as_ref().map_or("", LocationCode::as_str))
                .bind(parts(line.ordered))
                .bind(parts(line.cancelled))
                .bind(parts(line.shipped.total))
                .bind(parts(line.shipped.before))
                .bind(line.shipped.at.map(micros))
                .bind(micros(line.placed_at))
                .bind(document.and_then(|document| i64::try_from(document.row_version?).ok()))
                .bind(document.map(|document| micros(document.at)))
                .bind(returned.and_then(|document| i64::try_from(document.row_version?).ok()))
                .bind(returned.map(|document| micros(document.at)));
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

/// Forgets lines that a figure contains; they never count again. A line somebody else is writing stays until the next time:
/// two transactions over many lines would wait for each other.
pub async fn forget(tx: &mut Tx, settled: &[InFlight], dialect: Dialect) -> Result<(), StoreError> {
    for chunk in settled.chunks(VALUES / 3) {
        let mut chosen = format!(
            "(channel, order_number, line) IN (VALUES {})",
            places_of_rows(chunk.len(), 3)
        );
        if dialect == Dialect::Postgres {
            let free = "(channel, order_number, line) IN (SELECT channel, order_number, line FROM in_flight WHERE";
            chosen = format!("{free} {chosen} FOR UPDATE SKIP LOCKED)");
        }
        let sql = format!("DELETE FROM in_flight WHERE {chosen}");
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for line in chunk {
            query = query
                .bind(line.channel.as_str())
                .bind(claim_text(&line.claim))
                .bind(i64::from(line.line));
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}
