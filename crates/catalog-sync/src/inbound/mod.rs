//! Outside in: what the ERP shows, and what shops ask.

pub(crate) mod grpc;
pub(crate) mod items;
mod page_token;
pub(crate) mod poller;
pub(crate) mod prices;
pub(crate) mod recorder;
