//! Outside in: the topics this service reads, and what shops and operators ask.

mod bell_status;
pub(crate) mod deliver;
pub(crate) mod doorbells;
pub(crate) mod grpc;
pub(crate) mod kinds;
mod reader;
pub(crate) mod review;
pub(crate) mod standings;
mod subscribe;
pub(crate) mod tell;
pub(crate) mod token;
