//! The OData dialect of Business Central, with its traps.
//!
//! `or` between different fields is refused, lambdas are ignored without a word, `$top` suppresses the next link, unknown
//! properties and unknown `$` options are refused, an etag is required to write.

pub mod filter;
pub mod page;
pub mod query;
pub mod schema;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub use self::query::Query;

/// The etag of a row, made from its row version as BC's is.
pub fn etag(version: i64) -> String {
    format!("W/\"{}\"", STANDARD.encode(format!("19;{version};")))
}
