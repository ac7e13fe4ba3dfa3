//! The contract suite: what `EventLog` and `Database` promise, for PostgreSQL and SQLite alike.

mod append;
mod world;
