//! Between the words of the domain and the messages of the contract.

mod contact;
mod event;
mod reservation;
mod view;

pub use contact::{open, read_contact, seal};
pub use event::{read, write};
pub use reservation::{MOST_LINES, content_hash, read_quantity, read_reservation};
pub use view::view;
