//! order-intake: shop orders are taken once, checked, posted once, and followed line by line.
//!
//! * Reads: topics `items`, `customers` and `returns`; the ERP's documents (one process at a time, by lease).
//! * Writes: topic `webshop-orders`. Streams `order/<channel>/<number>`, which are the keys too.
//! * Serves: `order.v1.OrderService`, `order.v1.OrderAdminService`.
//! * Calls: `customer.v1.CustomerService` for new customers, before their orders.
//! * Owns: tables `orders`, `order_waits`, `order_work`, `known_items`, `known_customers`, `arrivals`, `order_returns`,
//!   `document_work`; the keys of its buyers.
//!
//! An acknowledged order is durable. It becomes at most one document of the ERP: a claim in the database keeps it to one attempt
//! at a time, and the ERP's order buffer makes a repeat harmless when the outcome of an attempt is unknown.
//! Deliberately absent: prices, stock and credit. The shop's amounts stand, and the ERP minds the rest.

mod config;
pub mod domain;
mod inbound;
mod orders;
mod outbound;
mod read_model;
mod service;
mod wire;

pub use config::Config;
pub use inbound::grpc::{OrderAdminApi, OrderApi};
pub use outbound::customers::{Customers, GrpcCustomers, Newcomer, RegisterError};
pub use service::{MIGRATIONS, Ports, Service, ServiceError};

/// Topics that this service reads.
#[must_use]
pub fn reads() -> Vec<&'static str> {
    [
        inbound::master_data::TOPICS.as_slice(),
        &inbound::returns::TOPICS,
    ]
    .concat()
}
