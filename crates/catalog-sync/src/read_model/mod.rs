//! Items and prices as rows: what calls read, and what the readers of the ERP remember of their work.

mod catalog;
mod progress;
mod projection;

pub use catalog::{Catalog, ItemRow, PriceAfter};
pub(crate) use projection::{CatalogProjection, PROJECTION};
