//! The contract suite: what `EventLog` and `Database` promise, for PostgreSQL and SQLite alike.

mod append;
mod databases;
mod following;
mod leases;
mod projecting;
mod reading;
mod world;
