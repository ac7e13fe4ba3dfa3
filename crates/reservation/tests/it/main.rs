//! The service as its callers see it: over gRPC, on a real database, told of figures over the bus.

#![cfg(test)]

mod bad_input;
mod calls;
mod erp;
mod erp_faults;
mod life;
mod races;
mod shelves;
mod world;
