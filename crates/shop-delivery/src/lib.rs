//! shop-delivery: one ordered change queue per channel, with its own gapless positions.
//!
//! * Reads: topics `items`, `prices`, `inventories`, `webshop-orders`, `reservations`, `returns` (one process per channel, by lease).
//! * Writes: one log per channel, `feed-<channel>`, and from it the outward topics `shop.<channel>.<topic>`. Streams, keys, bytes
//!   and event ids are those of the source, unless the channel may see only a part.
//! * Rings: the doorbells of the channels (one process per channel, by lease), and says in the feed what becomes of them, which is
//!   the outward topic `doorbells`.
//! * Serves: `changes.v1.ChangeFeedService`, `changes.v1.DoorbellService`.
//! * Owns, in each feed's database: tables `known`, `consumers`, `doorbells`, `doorbell_replays`.
//!
//! A channel sees the items of its ERP that are not blocked, their prices in its price groups and everybody's, their stock in
//! its location group, and its own documents. What hangs on an item is told only while the item is: an item that is blocked is
//! withdrawn with everything, and comes back with everything as it is by then. What arrives before its item waits for it.

pub mod config;
pub mod domain;
mod doorbells;
mod inbound;
mod read_model;
pub mod service;
pub mod wire;

pub use config::Config;
pub use doorbells::{Doorbells, DoorbellsError};
pub use inbound::doorbells::DoorbellApi;
pub use inbound::grpc::ChangeFeedApi;
pub use service::{MIGRATIONS, Ports, Service, ServiceError, database_name};

/// Topics that this service reads.
#[must_use]
pub fn reads() -> Vec<&'static str> {
    inbound::deliver::TOPICS.to_vec()
}
