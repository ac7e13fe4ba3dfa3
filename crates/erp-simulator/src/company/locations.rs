//! Locations, and what the companion adds to them: which are stores, and where a store puts aside what is reserved.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{LocationData, code, codes};
use crate::database::{Record, Tables, Transaction};
use crate::sales::stock::{self, Shelf};

const IS_STORE: &str = "isStore";
const WAREHOUSE: &str = "reservationWarehouseCode";
/// Of a reservation warehouse: its store.
const KEEPS_FOR: &str = "reservationStoreCode";

/// What the companion knows of a location.
pub(crate) struct Location<'a> {
    pub is_store: bool,
    /// Code of its reservation warehouse; empty = none.
    pub warehouse: &'a str,
}

impl<'a> Location<'a> {
    pub fn find(tables: &'a Tables, code: &str) -> Option<Self> {
        let record = tables.records.by_key(&format!("locations/{code}"))?;
        Some(Self::of(record))
    }

    pub fn of(record: &'a Record) -> Self {
        Self {
            is_store: record.fields.get(IS_STORE).and_then(Value::as_bool) == Some(true),
            warehouse: text(record, WAREHOUSE),
        }
    }

    /// Whether it is the reservation warehouse of a store.
    pub fn keeps_reservations(tables: &Tables, code: &str) -> bool {
        tables
            .records
            .by_key(&format!("locations/{code}"))
            .is_some_and(|record| record.fields.contains_key(KEEPS_FOR))
    }
}

fn text<'a>(record: &'a Record, field: &str) -> &'a str {
    record
        .fields
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Writes the locations; then every reservation warehouse learns whose it is.
pub(super) fn write(tx: &mut Transaction<'_>, locations: &[LocationData]) {
    for location in locations {
        write_one(tx, location);
    }
    for store in locations {
        let Some(warehouse) = code(tx, "locations", &store.reservation_warehouse).cloned() else {
            continue;
        };
        let mut fields = warehouse.fields.clone();
        fields.insert(KEEPS_FOR.to_owned(), Value::from(store.code.clone()));
        if fields == warehouse.fields {
            continue;
        }
        tx.put(Record {
            fields,
            ..(*warehouse).clone()
        });
        // What lies there already is somebody's from now on.
        let shelves: Vec<Shelf> = tx
            .tables()
            .figures
            .iter()
            .filter(|figure| figure.location == warehouse.code)
            .map(|figure| Shelf::of(figure))
            .collect();
        for shelf in shelves {
            stock::adjust(tx, &shelf, |_| {});
        }
    }
}

fn write_one(tx: &mut Transaction<'_>, data: &LocationData) {
    let address = &data.address;
    let mut fields = json!({
        "displayName": data.name,
        "contact": address.contact,
        "addressLine1": address.address_line1,
        "addressLine2": address.address_line2,
        "city": address.city,
        "state": address.state,
        "country": address.country,
        "postalCode": address.postal_code,
        "phoneNumber": data.phone,
        "email": data.email,
    });
    fields[IS_STORE] = Value::from(data.store);
    fields[WAREHOUSE] = Value::from(data.reservation_warehouse.clone());
    // One that is written anew still keeps what its store put there.
    if let Some(known) = code(tx, "locations", &data.code)
        && let Some(store) = known.fields.get(KEEPS_FOR)
    {
        fields[KEEPS_FOR] = store.clone();
    }
    let id = codes::location(tx, &data.code, fields);
    tx.tell("location", "created", id, Uuid::nil(), data.code.clone());
}
