//! What stock-availability says is there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use millrace_contract::inventories::v1::Inventory;
use millrace_event_store::{Database, StoreError, Tx, places};
use millrace_values::{
    ErpCode, LocationCode, Quantity, Sku, SystemId, Timestamp, UnitCode, VariantCode,
};
use prost::Message;
use sqlx::AssertSqlSafe;

use crate::domain::shelf::Figure;

/// Keys in one query.
const KEYS: usize = 200;

/// An item, or a variant of it, as a shop asks for it.
#[must_use]
pub fn asked(erp: &ErpCode, item: &Sku, variant: Option<&VariantCode>) -> String {
    // No code holds a control character.
    let variant = variant.map_or("", VariantCode::as_str);
    format!("{erp}\u{1f}{item}\u{1f}{variant}")
}

/// One item, or variant, in all places.
#[derive(Debug, Clone)]
pub struct Shown {
    pub item: SystemId,
    pub unit: Option<UnitCode>,
    there: HashMap<String, Quantity>,
    boundary: Option<u64>,
    settled: Option<Timestamp>,
}

impl Shown {
    /// `None`: nobody knows.
    #[must_use]
    pub fn figure(&self, location: &LocationCode) -> Option<Figure> {
        Some(Figure {
            there: *self.there.get(location.as_str())?,
            boundary: self.boundary,
            settled: self.settled,
        })
    }

    fn of(inventory: Inventory) -> Option<Self> {
        let there = inventory.locations.into_iter().filter_map(|figure| {
            let available = Quantity::try_from(figure.available?).ok()?;
            // What reservations take is subtracted by whoever decides, and not twice.
            let taken = Quantity::try_from(figure.reservations.unwrap_or_default()).ok()?;
            Some((figure.location_code, available + taken))
        });
        Some(Self {
            item: SystemId::parse(&inventory.item_system_id).ok()?,
            unit: UnitCode::parse_optional(&inventory.unit).ok()?,
            there: there.collect(),
            boundary: inventory.boundary.parse().ok(),
            settled: inventory
                .settled
                .and_then(|settled| Timestamp::try_from(settled).ok()),
        })
    }
}

/// What a number stands for. It rarely stands for something else later; whoever decides looks again.
#[derive(Debug, Clone)]
pub struct Thing {
    pub item: SystemId,
    pub unit: Option<UnitCode>,
}

/// Things kept in memory.
const MOST_THINGS: usize = 100_000;

#[derive(Clone)]
pub struct Figures {
    database: Database,
    things: Arc<Mutex<HashMap<String, Thing>>>,
}

impl Figures {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            database,
            things: Arc::default(),
        }
    }

    /// What each of `asked` stands for, by the rows, or, unless `anew`, as it was known last.
    ///
    /// # Errors
    /// The database is away.
    pub async fn things(
        &self,
        asked: &[String],
        anew: bool,
    ) -> Result<HashMap<String, Thing>, StoreError> {
        if !anew && let Some(known) = self.known(asked) {
            return Ok(known);
        }
        let shown = self.of(asked).await?.into_iter();
        let found: HashMap<String, Thing> = shown
            .map(|(key, Shown { item, unit, .. })| (key, Thing { item, unit }))
            .collect();
        let mut things = self.things.lock().expect("no holder of this lock panics");
        if things.len() > MOST_THINGS {
            things.clear();
        }
        things.extend(
            found
                .iter()
                .map(|(key, thing)| (key.clone(), thing.clone())),
        );
        Ok(found)
    }

    fn known(&self, asked: &[String]) -> Option<HashMap<String, Thing>> {
        let things = self.things.lock().expect("no holder of this lock panics");
        asked
            .iter()
            .map(|key| Some((key.clone(), things.get(key)?.clone())))
            .collect()
    }

    /// What is known of each; what is not in the answer is unknown.
    ///
    /// # Errors
    /// The database is away.
    pub async fn of(&self, asked: &[String]) -> Result<HashMap<String, Shown>, StoreError> {
        self.find("asked", asked).await
    }

    /// As [`Self::of`], of [`crate::domain::shelf::thing`]s.
    ///
    /// # Errors
    /// The database is away.
    pub async fn of_things(&self, things: &[String]) -> Result<HashMap<String, Shown>, StoreError> {
        self.find("thing", things).await
    }

    async fn find(
        &self,
        column: &str,
        wanted: &[String],
    ) -> Result<HashMap<String, Shown>, StoreError> {
        let mut found = HashMap::with_capacity(wanted.len());
        for keys in wanted.chunks(KEYS) {
            let sql = format!(
                "SELECT {column}, inventory FROM inventories WHERE {column} IN ({})",
                places(1, keys.len())
            );
            let mut query = sqlx::query_as::<_, (String, Vec<u8>)>(AssertSqlSafe(sql));
            for key in keys {
                query = query.bind(key);
            }
            let rows = query.fetch_all(self.database.pool()).await?;
            found.extend(rows.into_iter().filter_map(|(key, inventory)| {
                Some((key, Shown::of(Inventory::decode(&*inventory).ok()?)?))
            }));
        }
        Ok(found)
    }
}

/// # Errors
/// The database is away.
pub async fn put(
    tx: &mut Tx,
    key: &str,
    asked: &str,
    thing: &str,
    inventory: &Inventory,
) -> Result<(), StoreError> {
    sqlx::query(include_str!("sql/put_inventory.sql"))
        .bind(key)
        .bind(asked)
        .bind(thing)
        .bind(inventory.encode_to_vec())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// # Errors
/// The database is away.
pub async fn forget(tx: &mut Tx, key: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM inventories WHERE key = $1")
        .bind(key)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
