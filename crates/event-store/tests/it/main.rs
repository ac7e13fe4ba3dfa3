//! The contract suite: what `EventLog` and `Database` promise, for PostgreSQL and SQLite alike.

#![expect(
    clippy::unwrap_used,
    reason = "the suite is a test from end to end; clippy only knows test functions"
)]

mod append;
mod breaking;
mod crashes;
mod databases;
mod encrypted;
mod executing;
mod following;
mod full_disk;
mod holding;
mod interleavings;
mod leases;
mod personal;
mod projecting;
mod proxy;
mod reading;
mod sizes;
mod world;
