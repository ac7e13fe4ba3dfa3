//! What comes in: calls of shops and operators, orders from their owner, reasons and the state of returns from the ERP.

pub mod grpc;
pub mod orders;
pub mod reasons;
pub mod status;
