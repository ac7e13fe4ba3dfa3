//! What goes out: returns into the ERP.

mod attempt;
mod content;
mod there;

pub use attempt::{Attempt, Figures};
