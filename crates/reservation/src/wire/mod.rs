//! Between the words of the domain and the messages of the contract.

mod contact;
mod event;
mod reservation;
mod shelf;
mod transfer;
mod view;

pub use contact::{open, read_contact, seal};
pub use event::{read, write};
pub use reservation::{MOST_LINES, content_hash, read_quantity, read_reservation, read_total};
pub use shelf::{read_shelf, shelf_moved};
pub use transfer::{count_request, key, new_transfer, observed};
pub use view::view;
