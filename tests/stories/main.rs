//! Journeys across services: the real binary in processes of its own, the simulator as the ERP, real clients. A file per
//! sentence.

mod refarch;
mod refarch_reaches_the_shop;
mod shop;
mod world;
