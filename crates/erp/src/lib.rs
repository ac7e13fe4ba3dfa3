//! The ERP port in our words, and its adapters. An adapter's own words (`systemModifiedAt`, `No_`) end in its `mapping`.
//! No decisions here: what an observation means is decided by the service that reads it.

pub mod business_central;
pub mod document;
pub mod master;
pub mod party;
mod port;
pub mod return_order;
pub mod stock;
pub mod transfer;

pub use port::{Capabilities, Cursor, Erp, ErpError, Flow, Observed, Page};
