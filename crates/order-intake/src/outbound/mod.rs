//! What goes out: orders into the ERP, new customers to their owner first.

mod attempt;
mod content;
pub mod customers;

pub use attempt::{Attempt, Figures};
