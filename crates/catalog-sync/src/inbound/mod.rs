//! Outside in: what the ERP shows, and what shops ask.

pub(crate) mod grpc;
pub(crate) mod item_sink;
pub(crate) mod items;
mod page_token;
pub(crate) mod price_sink;
pub(crate) mod prices;
pub(crate) mod recorder;
