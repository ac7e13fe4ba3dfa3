//! How many may be sold, and where.
//!
//! Reads the ERP's stock figures and the topics `items`, `webshop-orders` and `reservations`; writes `inventories`. Serves
//! `millrace.stock.v1.StockService`. Owns the tables `erp_figures` (what the ERP said last), `items` (numbers and base
//! units), `in_flight` (order lines the figures do not contain yet), `marks` (what is to be published), `freshness`.
//!
//! Two halves. The *joiner* runs on one pod at a time, by lease: it brings figures and orders into the tables and publishes
//! what differs. The *index* runs on every pod: it mirrors `inventories` into memory and answers from there.
//! Reservations join when there are any.
//!
//! A bench builds the answering half alone: [`index::Shown`], filled by [`index::Shown::put`], a
//! [`grpc::Desk`] over it and a [`grpc::StockServer`] in any tonic router.

mod config;
mod counts;
pub mod domain;
mod freshness;
mod inbound;
pub mod index;
mod publisher;
mod read_model;
mod service;
mod wake;
mod wire;

pub use config::Config;
pub use freshness::Freshness;
pub use inbound::grpc;
pub use service::{MIGRATIONS, Ports, Service, ServiceError};

/// Topics that this service reads.
#[must_use]
pub fn reads() -> Vec<&'static str> {
    [
        inbound::orders::TOPICS.as_slice(),
        &[inbound::mirror::TOPIC],
    ]
    .concat()
}
