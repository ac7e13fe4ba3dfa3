//! What goes out: orders into the ERP, new customers to their owner first.

mod attempt;
mod content;
pub mod customers;
mod gate;
mod looks;
mod poster;

pub use attempt::{Attempt, Figures};
pub use poster::Poster;
