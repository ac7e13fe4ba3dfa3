//! Between the contract's messages and the domain. From the wire is where things can fail, and every fault is told with
//! its field; onto the wire nothing fails.

mod document;
mod event;
mod goods_back;
mod order;
mod personal;
mod status;
mod view;

pub use document::{observed, reason_of_refusal};
pub use event::{occurred_at, read, write};
pub use goods_back::{ReturnTold, read_return};
pub use order::{content_hash, is_of_new_customer, read_order};
pub use personal::{open, parties, read_personal, seal};
pub use view::{state_of, view};
