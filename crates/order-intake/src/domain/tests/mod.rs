//! The rules, read aloud: given, when, then. The builders stand at the end.

mod acts;
mod checks;
mod history;
mod life;
mod money;
pub mod sales;
