//! customer-sync: mirrors the ERP's customers and creates those that a shop brings, once.
//!
//! Writes topic `customers`. Reads no topic; reads the ERP's flow of customers. Serves `customer.v1.CustomerService`. Owns
//! table `customers` and, in its log, the streams `customer/<erp>/<system id>` and `registration/<channel>/<shop number>`.
//! Names, addresses, mails and phones stand sealed in events and tables, one key per person.

pub mod config;
pub mod domain;
mod inbound;
mod read_model;
mod service;
mod wire;

use millrace_event_store::{Migrations, migrations};

pub use config::Config;
pub use service::{Ports, Service};

/// This service's tables.
pub static MIGRATIONS: Migrations = migrations!("customer-sync");

/// Name of its database and log.
pub const NAME: &str = "customer-sync";
