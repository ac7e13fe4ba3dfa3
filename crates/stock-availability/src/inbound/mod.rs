//! What comes in: the ERP's figures, the events of items and orders, the published inventories, and questions.

pub(crate) mod erp_figures;
pub(crate) mod freshness;
pub mod grpc;
pub(crate) mod live_figures;
pub(crate) mod mirror;
pub(crate) mod orders;
