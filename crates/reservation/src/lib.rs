//! reservation: click and reserve. Goods that a store has wait there for a customer, who looks at them and pays at the till.
//!
//! Writes topic `reservations`. Reads topic `inventories`. Serves `reservation.v1.ReservationService`. Owns tables
//! `reservations`, `inventories` and `erp_work` and, in its log, the streams `reservation/<channel>/<number>` and
//! `shelf/<erp>/<location>/<item>/<variant>`. Contacts stand sealed in events, one key per person.
//!
//! Where the ERP has transfer requests, a reservation becomes one: asked for, posted, taken back, whoever does it there. Where it has
//! none, reservations live in Millrace alone, and answers say so. Nothing here is about payment.

mod config;
pub mod domain;
mod inbound;
mod outbound;
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

/// Topics that this service reads.
#[must_use]
pub fn reads() -> Vec<&'static str> {
    inbound::TOPICS.to_vec()
}
