//! The contract suite: what `EventLog` and `Database` promise, for PostgreSQL and SQLite alike.

mod append;
mod breaking;
mod crashes;
mod databases;
mod executing;
mod following;
mod interleavings;
mod leases;
mod personal;
mod projecting;
mod proxy;
mod reading;
mod world;
