//! The service in-process: the real simulator over HTTP, a real gRPC client over loopback, its database in memory.

#![cfg(test)]

mod calls;
mod harness;
mod mirror;
mod real;
mod registering;
#[path = "../../../erp-reader/tests/it/spoiled_erp.rs"]
mod spoiled_erp;
