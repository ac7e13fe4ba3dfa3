//! Rows: orders as they are shown, what they wait for, who has to look at them; and what is known of items and customers.

mod awaited;
mod document_work;
mod known;
mod listing;
mod projection;
mod returns;

pub use document_work::{TABLE as DOCUMENT_WORK, ask_all as ask_for_documents};
pub use known::{Knowledge, forget, keep_customer, keep_item};
pub use listing::{Held, Listing};
pub use projection::{NAME, OrderRows};
pub use returns::{forget_return, keep_return, returns_of};

use jiff::Timestamp;
use millrace_contract::order::v1::OrderState;
use millrace_erp_poster::Tables;

pub const TABLES: Tables = Tables {
    rows: "orders",
    waits: "order_waits",
    work: "order_work",
    held: &[OrderState::Held as i64],
};

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
