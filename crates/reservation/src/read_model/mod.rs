//! Rows made of the log and of topic `inventories`.

mod figures;
mod listing;
mod projection;

pub use figures::{Figures, Shown, asked, forget, put};
pub use listing::{Listing, Which};
pub use projection::ReservationRows;
