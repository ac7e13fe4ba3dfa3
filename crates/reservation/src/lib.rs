//! reservation: click and reserve. Goods that a store has wait there for a customer, who looks at them and pays at the till.
//!
//! Writes topic `reservations`. Reads topic `inventories`. Serves `reservation.v1.ReservationService`. Owns tables
//! `reservations` and `inventories` and, in its log, the streams `reservation/<channel>/<number>` and
//! `shelf/<erp>/<location>/<item>/<variant>`. Contacts stand sealed in events, one key per person.
//!
//! Reservations live in Millrace alone so far: the ERP has no part in them, and answers say so. What is not here yet: a figure that
//! falls below what is held is not told (only nothing more is taken); between a customer's visit and the inventory that follows it,
//! what he took may be taken from the shelf again.

mod config;
pub mod domain;
mod inbound;
mod read_model;
mod reservations;
mod service;
mod shelves;
mod wire;

use millrace_event_store::{Migrations, migrations};

pub use config::{Config, StoreSettings, Stores, StoresError};
pub use service::{Ports, Service, ServiceError};

/// This service's tables.
pub static MIGRATIONS: Migrations = migrations!("reservation");

/// Name of its database and log.
pub const NAME: &str = "reservation";
