//! The service in-process: topics from logs the test writes, a real gRPC client over loopback. On SQLite with the embedded bus,
//! and where it says so on real Kafka and PostgreSQL.

#![cfg(test)]

mod convergence;
mod doorbells;
mod feed;
mod harness;
mod kafka;
mod operator;
mod reading;
mod ringing;
mod rung;
mod source;
