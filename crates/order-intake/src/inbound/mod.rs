//! What comes in: calls of shops and operators, items and customers from their owners, documents from the ERP.

pub mod archivist;
pub mod documents;
pub mod grpc;
pub mod master_data;
pub mod returns;
