//! The ERP's figures as it said them last, one row per item.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use millrace_erp::stock::{Figure, StockObserved};
use millrace_event_store::{StoreError, Tx, places, places_of_rows};
use millrace_values::{ErpCode, LocationCode, Sku, SystemId, Timestamp, UnitCode, VariantCode};
use prost::Message;
use sqlx::{AnyConnection, AssertSqlSafe};

use super::{VALUES, broken, item, micros, quantity, time};
use crate::domain::{Contains, Figures, Part, Stamp};
use crate::wire::{parts, variant_text};

/// What a row holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    pub item: SystemId,
    pub number: Sku,
    pub unit: Option<UnitCode>,
    pub stamp: Stamp,
    pub sales_orders: bool,
    pub figures: Vec<Figure>,
}

/// The stored form of [`Known::figures`].
#[derive(Clone, PartialEq, Message)]
struct StoredFigures {
    #[prost(message, repeated, tag = "1")]
    figures: Vec<StoredFigure>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredFigure {
    #[prost(string, tag = "1")]
    variant: String,
    #[prost(string, tag = "2")]
    location: String,
    #[prost(sint64, tag = "3")]
    on_hand: i64,
    #[prost(sint64, tag = "4")]
    allocated: i64,
    #[prost(sint64, tag = "5")]
    reserved: i64,
    #[prost(sint64, tag = "6")]
    safety_stock: i64,
}

impl Known {
    pub fn new(observed: StockObserved, generation: i64, sales_orders: bool) -> Self {
        let mut figures = observed.figures;
        figures.sort_by(|a, b| (&a.variant, &a.location).cmp(&(&b.variant, &b.location)));
        Self {
            item: observed.item,
            number: observed.number,
            unit: observed.unit,
            stamp: Stamp {
                generation,
                boundary: observed.boundary,
                as_of: observed.as_of,
            },
            sales_orders,
            figures,
        }
    }

    pub fn variants(&self) -> BTreeSet<Option<VariantCode>> {
        self.figures
            .iter()
            .map(|figure| figure.variant.clone())
            .collect()
    }

    /// Whether a reader would see no difference, orders in flight apart.
    pub fn shows_the_same_as(&self, other: &Self) -> bool {
        self.number == other.number
            && self.unit == other.unit
            && self.sales_orders == other.sales_orders
            && self.figures == other.figures
    }

    /// `read_at`: everything the ERP had then is known. Without row versions, a figure that did not change until then contains
    /// what happened until then, less the margin.
    pub fn contains(&self, margin: Duration, read_at: Option<jiff::Timestamp>) -> Contains {
        let margin = jiff::SignedDuration::try_from(margin).unwrap_or(jiff::SignedDuration::MAX);
        let as_of = self.stamp.as_of.0;
        let valid_at = read_at.map_or(as_of, |read_at| read_at.max(as_of));
        let settled = valid_at.checked_sub(margin).unwrap_or(jiff::Timestamp::MIN);
        Contains {
            boundary: self.stamp.boundary,
            settled: Timestamp(settled),
            sales_orders: self.sales_orders,
        }
    }

    /// The figures of one variant; `None`: it has none.
    pub fn of_variant(&self, variant: Option<&VariantCode>, contains: Contains) -> Option<Figures> {
        let parts = self
            .figures
            .iter()
            .filter(|figure| figure.variant.as_ref() == variant)
            .map(|figure| Part {
                location: figure.location.clone(),
                on_hand: figure.on_hand,
                allocated: figure.allocated,
                reserved: figure.reserved,
                safety_stock: figure.safety_stock,
            });
        let parts: Vec<Part> = parts.collect();
        (!parts.is_empty()).then_some(Figures {
            parts,
            as_of: self.stamp.as_of,
            contains,
        })
    }

    fn encoded(&self) -> Vec<u8> {
        let stored = |figure: &Figure| StoredFigure {
            variant: variant_text(figure.variant.as_ref()).to_owned(),
            location: figure.location.to_string(),
            on_hand: parts(figure.on_hand),
            allocated: parts(figure.allocated),
            reserved: parts(figure.reserved),
            safety_stock: parts(figure.safety_stock),
        };
        StoredFigures {
            figures: self.figures.iter().map(stored).collect(),
        }
        .encode_to_vec()
    }
}

fn decoded(bytes: &[u8]) -> Result<Vec<Figure>, StoreError> {
    let stored = StoredFigures::decode(bytes).map_err(|_| broken("figures"))?;
    let figure = |figure: StoredFigure| {
        Ok(Figure {
            variant: VariantCode::parse_optional(&figure.variant).map_err(|_| broken("variant"))?,
            location: LocationCode::parse(&figure.location).map_err(|_| broken("location"))?,
            on_hand: quantity(figure.on_hand)?,
            allocated: quantity(figure.allocated)?,
            reserved: quantity(figure.reserved)?,
            safety_stock: quantity(figure.safety_stock)?,
        })
    };
    stored.figures.into_iter().map(figure).collect()
}

type Row = (String, String, String, i64, Option<i64>, i64, i64, Vec<u8>);

const COLUMNS: &str = "item, number, unit, as_of, boundary, sales_orders, generation, figures";

/// Those of `items` that have figures.
pub async fn of(
    db: &mut AnyConnection,
    erp: &ErpCode,
    items: &[SystemId],
) -> Result<HashMap<SystemId, Known>, StoreError> {
    let mut found = HashMap::with_capacity(items.len());
    for chunk in items.chunks(VALUES) {
        let sql = format!(
            "SELECT {COLUMNS} FROM erp_figures WHERE erp = $1 AND item IN ({})",
            places(2, chunk.len())
        );
        let mut query = sqlx::query_as::<_, Row>(AssertSqlSafe(sql)).bind(erp.as_str());
        for item in chunk {
            query = query.bind(item.to_string());
        }
        for row in query.fetch_all(&mut *db).await? {
            let known = known(row)?;
            found.insert(known.item, known);
        }
    }
    Ok(found)
}

fn known(
    (id, number, unit, as_of, boundary, sales_orders, generation, figures): Row,
) -> Result<Known, StoreError> {
    Ok(Known {
        item: item(&id)?,
        number: Sku::parse(&number).map_err(|_| broken("number"))?,
        unit: UnitCode::parse_optional(&unit).map_err(|_| broken("unit"))?,
        stamp: Stamp {
            generation,
            boundary: boundary.and_then(|boundary| u64::try_from(boundary).ok()),
            as_of: time(as_of)?,
        },
        sales_orders: sales_orders != 0,
        figures: decoded(&figures)?,
    })
}

/// Which item had this number when its figures were read.
pub async fn with_number(
    db: &mut AnyConnection,
    erp: &ErpCode,
    number: &Sku,
) -> Result<Option<SystemId>, StoreError> {
    let sql = "SELECT item FROM erp_figures WHERE erp = $1 AND number = $2 LIMIT 1";
    let found: Option<(String,)> = sqlx::query_as(sql)
        .bind(erp.as_str())
        .bind(number.as_str())
        .fetch_optional(db)
        .await?;
    found.map(|(id,)| item(&id)).transpose()
}

/// Writes rows, new or changed.
pub async fn put(tx: &mut Tx, erp: &ErpCode, all: &[Known]) -> Result<(), StoreError> {
    for chunk in all.chunks(VALUES / 9) {
        let sql = format!(
            "INSERT INTO erp_figures (erp, {COLUMNS}) VALUES {} {}",
            places_of_rows(chunk.len(), 9),
            include_str!("figures_upsert.sql")
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for known in chunk {
            query = query
                .bind(erp.as_str())
                .bind(known.item.to_string())
                .bind(known.number.as_str())
                .bind(known.unit.as_ref().map_or("", UnitCode::as_str))
                .bind(micros(known.stamp.as_of))
                .bind(
                    known
                        .stamp
                        .boundary
                        .and_then(|boundary| i64::try_from(boundary).ok()),
                )
                .bind(i64::from(known.sales_orders))
                .bind(known.stamp.generation)
                .bind(known.encoded());
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

/// The full read `generation` has shown these items, with figures that cannot be read: those that are known stay.
pub async fn still_there(
    tx: &mut Tx,
    erp: &ErpCode,
    items: &[SystemId],
    generation: i64,
) -> Result<(), StoreError> {
    for item in items {
        sqlx::query("UPDATE erp_figures SET generation = $3 WHERE erp = $1 AND item = $2 AND generation < $3")
            .bind(erp.as_str())
            .bind(item.to_string())
            .bind(generation)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// Items with figures that the full read `generation` did not show.
pub async fn unseen(
    db: &mut AnyConnection,
    erp: &ErpCode,
    generation: i64,
    limit: i64,
) -> Result<Vec<SystemId>, StoreError> {
    let sql = "SELECT item FROM erp_figures WHERE erp = $1 AND generation < $2 LIMIT $3";
    let found: Vec<(String,)> = sqlx::query_as(sql)
        .bind(erp.as_str())
        .bind(generation)
        .bind(limit)
        .fetch_all(db)
        .await?;
    found.iter().map(|(id,)| item(id)).collect()
}

pub async fn delete(tx: &mut Tx, erp: &ErpCode, items: &[SystemId]) -> Result<(), StoreError> {
    for chunk in items.chunks(VALUES) {
        let sql = format!(
            "DELETE FROM erp_figures WHERE erp = $1 AND item IN ({})",
            places(2, chunk.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(erp.as_str());
        for item in chunk {
            query = query.bind(item.to_string());
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}
