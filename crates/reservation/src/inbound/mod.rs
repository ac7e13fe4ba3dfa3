//! What comes in: calls, figures, and time.

mod figures;
mod grpc;
mod keeper;
mod shortfalls;
mod transfers;

pub use figures::{GROUP, InventoryRows, TOPICS};
pub use grpc::{Desk, ReservationApi, Underway};
pub use keeper::Keeper;
pub use shortfalls::Shortfalls;
pub use transfers::Transfers;
