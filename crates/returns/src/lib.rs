//! returns: goods that customers send back are taken, checked, handed to the ERP once, and followed line by line to the refund.
//!
//! * Reads: topic `webshop-orders`; the ERP's return reasons and the state of its return orders (one process at a time, by lease).
//! * Writes: topic `returns`. Streams `return/<channel>/<number>`, which are the keys too, and, not published,
//!   `returnable/<channel>/<order>`: what all returns of an order have taken of it.
//! * Serves: `returns.v1.ReturnService`, `returns.v1.ReturnAdminService`.
//! * Owns: tables `returns`, `return_waits`, `return_work`, `arrivals`, `known_orders`, `return_reasons`; the keys of its customers.
//!
//! What customers write and photograph stands sealed in events, under the customer's key (a gift's under the return's own), and is
//! compared opened when the same return comes again; everything else of a return is no secret. It is told to the ERP and to
//! whoever has the scope for it.
//!
//! An ERP without return orders (a standard tenant of Business Central) gets a draft of a credit memo, and only once somebody said
//! with `ReceiveReturn` that the goods are here: from then on it keeps what it has of its order, also where the ERP refuses it, and is
//! retried as it is, but neither given up, mended nor refused.
//! Whether it has them is asked at every step; accepted returns are looked at again at the start and now and then, so that none is
//! forgotten that was accepted under one answer and goes out under another. Such an ERP tells no shipments either: the rule that goods
//! must have been delivered has to be switched off for its channels (`not-delivered`), else it holds every return.
//!
//! What the feed may have left out is asked for: when it begins anew, every return that has not ended is compared with what the ERP
//! has. What it has lost it gets anew, unless something was received or credited there already: that needs a person.
//!
//! Deliberately absent: moving money, labels and carriers, and orders older than topic `webshop-orders` keeps: their returns are held
//! until somebody refuses them.

mod config;
pub mod domain;
mod inbound;
mod judge;
mod outbound;
mod read_model;
mod returns;
mod service;
mod wire;

use millrace_event_store::{Migrations, migrations};

pub use config::{ChannelRules, ChannelSettings, Config, ReasonSettings, RulesError};
pub use inbound::grpc::{ReturnAdminApi, ReturnApi};
pub use service::{Ports, Service, ServiceError};

/// This service's tables.
pub static MIGRATIONS: Migrations = migrations!("returns");

/// Name of its database and log.
pub const NAME: &str = "returns";

/// Topics that this service reads.
#[must_use]
pub fn reads() -> Vec<&'static str> {
    inbound::orders::TOPICS.to_vec()
}
