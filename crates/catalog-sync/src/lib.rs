//! catalog-sync: items, variants and prices of the ERP, as a shop may know them.
//!
//! * Reads: the ERP's items and prices (one process at a time, by lease); no topic.
//! * Writes: topics `items` and `prices`. Streams `item/<erp>/<id>` and `price/<erp>/<item id>/<variant>/<group>/<unit>`, which
//!   are the keys too; for itself `price-keys/<erp>/<item id>`.
//! * Serves: `catalog.v1.CatalogService`.
//! * Owns: tables `items`, `prices`, `priced_in_snapshot`; records of the ERP that cannot be read stand in the table of
//!   `operations`.
//!
//! An item is released in a channel when the ERP blocks neither it nor its sale; a variant's block is marked on the variant.
//! Prices are told whether or not their item was told before: who needs the item waits for it.

pub mod config;
pub mod domain;
mod inbound;
mod read_model;
pub mod service;
pub mod wire;

pub use config::Config;
pub use inbound::grpc::CatalogApi;
pub use service::{MIGRATIONS, Ports, Service, ServiceError};
