//! How many may be sold, and where.
//!
//! Reads the ERP's stock figures and the topics `items` and `webshop-orders`; writes `inventories`. Serves
//! `millrace.stock.v1.StockService`. Owns the tables of `migrations/`: the ERP's last figures, orders in flight, marks of
//! what is to be published, freshness.
//!
//! Two halves. The *joiner* runs on one pod at a time, by lease: it brings figures and orders into the tables and publishes
//! what differs. The *index* runs on every pod: it mirrors `inventories` into memory and answers from there.
//! Reservations join when there are any.

pub mod domain;
pub mod index;
