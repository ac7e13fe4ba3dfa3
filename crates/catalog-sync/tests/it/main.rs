//! The service in-process: its database in memory, the embedded bus, a real gRPC client over loopback.

#![cfg(test)]

mod calls;
mod harness;
mod records;
#[path = "../../../erp-reader/tests/it/scripted_erp.rs"]
mod scripted_erp;
mod simulator;
mod sync;
mod takeover;
mod truth;
