//! Between the contract's messages and the domain. From the wire is where things can fail, and every fault is told with
//! its field; onto the wire nothing fails.

mod erp;
mod event;
mod goods;
mod original;
mod photo;
mod remarks;
mod returnable;
mod status;
mod view;

pub use erp::{document_way, key, reason_of_refusal, seen};
pub use event::{Broken, occurred_at, read, write};
pub use goods::{MOST_LINES, content_hash, read_return};
pub use original::{apply, of_gift, sold};
pub use remarks::{open, read_remarks, seal};
pub use returnable::{KIND as RETURNABLE_MOVED, read_returnable, write_returnable};
pub use status::read_disposition;
pub use view::{state_of, view};
