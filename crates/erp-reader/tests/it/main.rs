//! A reader on a database in memory, with an ERP and a service that do what the test says.

#![cfg(test)]

mod reading;
mod scripted_erp;
mod world;
