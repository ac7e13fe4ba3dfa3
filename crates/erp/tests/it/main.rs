//! The Business Central adapter against the simulator, over real HTTP.

mod changes;
mod hooks;
mod mirror;
mod orders;
mod plans;
mod refusals;
mod standard;
mod world;
