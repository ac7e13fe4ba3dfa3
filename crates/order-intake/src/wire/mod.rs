//! Between the contract's messages and the domain. From the wire is where things can fail, and every fault is told with
//! its field; onto the wire nothing fails.

mod document;
mod event;
mod faults;
mod order;
mod personal;
mod view;

pub use document::{document_kind, observed, reason_of_refusal};
pub use event::{Broken, read, write};
pub use faults::Faults;
pub use order::{content_hash, read_order, write_order};
pub use personal::{parties, read_personal};
pub use view::{state_of, view};
