//! `ParkedService` and the overview over real consumer databases.

mod access;
mod acting;
mod erp;
mod listing;
mod overview;
mod stalled;
mod world;
