//! Rows: orders as they are shown, what they wait for, who has to look at them; and what is known of items and customers.

mod arrivals;
mod awaited;
mod document_work;
mod known;
mod listing;
mod projection;
mod work;

pub use arrivals::{arrived, ask_for_arrived};
pub use document_work::{DocumentWork, DueDocuments};
pub use known::{Knowledge, forget, keep_customer, keep_item};
pub use listing::{Held, Listing};
pub use projection::{NAME, OrderRows};
pub use work::{Claim, Work};

use jiff::Timestamp;

/// Times stand in rows as microseconds since 1970.
fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// Places of a list in a query, from `$first` on, and how many there are: a few lengths instead of every length, since the
/// database plans each text once.
fn places(wanted: usize, first: usize) -> (String, usize) {
    let count = wanted.next_power_of_two();
    (millrace_event_store::places(first, count), count)
}

/// Positions and versions are counted from 1 and fit.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
