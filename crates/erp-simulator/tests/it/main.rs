//! The simulator over real HTTP: what it promises to those who test their integrations with it.

#![cfg(test)]

mod companion;
mod description;
mod facts;
mod faults;
mod history;
mod keeping;
mod limits;
mod odata;
mod promises;
mod reservations;
mod return_trouble;
mod returns;
mod rig;
mod rules;
mod standard;
mod transfers;
mod webhooks;
