//! The service in-process, called over gRPC, against the simulator.

#![cfg(test)]

mod bad_input;
mod faults;
mod held;
mod instance;
mod life;
mod lost;
mod operators;
mod people;
mod sale;
mod standard;
mod storms;
mod together;
mod world;
