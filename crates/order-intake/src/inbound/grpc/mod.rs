//! `order.v1.OrderService` and `order.v1.OrderAdminService`.

mod admin_service;
mod desk;
mod order_service;
mod refusal;
mod watch;

pub use admin_service::OrderAdminApi;
pub use desk::Desk;
pub use order_service::OrderApi;
