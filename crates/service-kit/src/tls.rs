//! TLS between processes: certificates come from files and are read again when these change, without a restart. rustls
//! with aws-lc-rs, TLS 1.2 and 1.3. Deliberately absent: who may do what. A certificate opens the connection, the token
//! on each call says who is calling.

mod client;
mod files;
mod server;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use client::{Server, ServerError, TlsClientSettings};
pub use files::TlsError;
pub use server::{Protocol, TlsServer, TlsServerSettings};

/// What gRPC speaks, agreed on in the handshake.
const HTTP2: &[u8] = b"h2";
/// What JSON is spoken over.
const HTTP1: &[u8] = b"http/1.1";

/// Named, never the process's default: whoever else brings another one changes nothing here.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
