//! What the joiner knows, as rows: the ERP's last figures, items by number, orders in flight, marks of what is to be
//! published. Every change of the first three leaves its mark in the same transaction; the publisher takes marks off after
//! it has published, so a crash repeats and never skips.

pub(crate) mod figures;
pub(crate) mod freshness;
pub(crate) mod in_flight;
pub(crate) mod items;
pub(crate) mod marks;

use millrace_event_store::StoreError;
use millrace_values::{Quantity, SystemId, Timestamp};

/// Values in one statement; SQLite takes 32,766, PostgreSQL 65,535.
const VALUES: usize = 8_000;

/// A stored value that cannot be read.
fn broken(what: &'static str) -> StoreError {
    StoreError::Database(sqlx::Error::Decode(
        format!("{what} in the read model cannot be read").into(),
    ))
}

fn micros(time: Timestamp) -> i64 {
    time.0.as_microsecond()
}

fn time(micros: i64) -> Result<Timestamp, StoreError> {
    jiff::Timestamp::from_microsecond(micros)
        .map(Timestamp)
        .map_err(|_| broken("time"))
}

fn quantity(parts: i64) -> Result<Quantity, StoreError> {
    crate::wire::quantity(parts).map_err(|_| broken("quantity"))
}

fn item(text: &str) -> Result<SystemId, StoreError> {
    SystemId::parse(text).map_err(|_| broken("item"))
}
