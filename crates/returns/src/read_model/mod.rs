//! Rows: returns as they are shown, what they wait for, who has to look at them; and what is known of orders and reasons.

mod known;
mod listing;
mod projection;
mod reasons;

pub use known::{Knowledge, keep_order};
pub use listing::{Held, Listing, Which};
pub use projection::{NAME, ReturnRows};
pub use reasons::{Reason, Reasons, subject};

use millrace_contract::returns::v1::ReturnState;
use millrace_erp_poster::Tables;

pub const TABLES: Tables = Tables {
    rows: "returns",
    waits: "return_waits",
    work: "return_work",
    // An accepted one may wait for goods, and for an ERP that has return orders again.
    held: &[ReturnState::Held as i64, ReturnState::Accepted as i64],
};
