//! What comes in: customers from the ERP, calls from shops and services.

mod grpc;
mod mirror;
mod register;

pub use grpc::Customers;
pub use mirror::MirrorSink;
pub use register::Register;
