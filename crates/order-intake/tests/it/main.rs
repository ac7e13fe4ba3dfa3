//! The service in-process, called over gRPC, against the simulator.

#![cfg(test)]

mod bad_input;
mod canary;
mod faults;
mod goods_back;
mod history;
mod instance;
mod newcomers;
mod operators;
mod outages;
mod posting;
mod sale;
mod shop;
mod status;
mod storms;
mod waiting;
mod world;
