//! Outside in: the topics this service reads, and what shops ask.

pub(crate) mod deliver;
pub(crate) mod grpc;
pub(crate) mod kinds;
mod reader;
pub(crate) mod review;
mod subscribe;
pub(crate) mod tell;
mod token;
