//! What comes in: calls, figures, and time.

mod figures;
mod grpc;
mod keeper;

pub use figures::{GROUP, InventoryRows, TOPICS};
pub use grpc::{Desk, ReservationApi};
pub use keeper::Keeper;
