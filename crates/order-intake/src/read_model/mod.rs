//! Rows: orders as they are shown, what they wait for, who has to look at them; and what is known of items and customers.

mod known;
mod listing;
mod projection;
mod work;

pub use known::{Knowledge, forget, keep_customer, keep_item};
pub use listing::{Held, Listing};
pub use projection::{NAME, OrderRows};
pub use work::{Claim, Work};

use jiff::Timestamp;

/// Times stand in rows as microseconds since 1970.
fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// Positions and versions are counted from 1 and fit.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
