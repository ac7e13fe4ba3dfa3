//! The service in-process against the real simulator: its database in memory, the embedded bus, a generated gRPC client
//! over loopback. A few on a real PostgreSQL and Kafka.

#![cfg(test)]

mod harness;
mod in_flight;
mod life;
mod lookups;
mod orders;
mod pods;
#[path = "../../../../tests/stories/raw.rs"]
mod raw;
mod refusals;
mod reservations;
#[path = "../../../erp-reader/tests/it/spoiled_erp.rs"]
mod spoiled_erp;
mod standard;
mod watching;
