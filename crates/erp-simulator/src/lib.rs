//! A pretend Business Central over HTTP, with switchable faults.
//!
//! A product of its own: whoever integrates with Business Central can test against it. It speaks Microsoft's API v2.0 as
//! far as commerce touches it, with the dialect's traps, and the API of Millrace's companion extension
//! (`deploy/business-central/companion-v1.0.openapi.yaml`). It computes prices, tax, totals, stock and postings by itself
//! and shares no arithmetic with the rest of Millrace. `/_office` does what people in the ERP do, `/_faults` makes it
//! misbehave. The README shows its business rules by example.

mod companion;
pub mod company;
mod config;
pub mod database;
mod entities;
pub mod faults;
mod http;
mod numbers;
mod odata;
mod office;
mod refusal;
mod sales;
mod simulator;
mod webhooks;

pub use company::CompanyData;
pub use config::{Args, Budget, Client, Config};
pub use refusal::Refusal;
pub use simulator::{Simulator, StartError};
