//! Rows made of the log and of topic `inventories`.

mod erp_work;
mod figures;
mod listing;
mod projection;
mod shelves;

pub use erp_work::{TABLE as ERP_WORK, Which as WorkOf, ask_all};
pub use figures::{Figures, Shown, asked, forget, put};
pub use listing::{Listing, OpenLine, Which};
pub use projection::{NAME, ReservationRows};
pub use shelves::ShelfRows;
