//! The Business Central adapter against the simulator, over real HTTP.

#![cfg(test)]

mod changes;
mod examination;
mod history;
mod hooks;
mod ids;
mod mirror;
mod orders;
mod plans;
mod refusals;
mod return_faults;
mod returns;
mod scale;
mod standard;
mod standard_returns;
mod together;
mod transfer_faults;
mod transfers;
mod world;
