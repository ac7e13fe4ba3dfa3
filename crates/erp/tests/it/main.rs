//! The Business Central adapter against the simulator, over real HTTP.

mod changes;
mod mirror;
mod orders;
mod refusals;
mod world;
