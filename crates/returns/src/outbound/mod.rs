//! What goes out: returns into the ERP.

mod attempt;
mod content;

pub use attempt::{Attempt, Figures};
