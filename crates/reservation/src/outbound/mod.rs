//! What becomes of reservations in the ERP.

mod carrier;
mod erp_side;
mod warehouses;

pub use carrier::Carrier;
pub use erp_side::{CarryError, ErpSide};
pub use warehouses::Warehouses;
