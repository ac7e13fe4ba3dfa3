//! Shop orders: taken once, checked, posted once, followed line by line.

pub mod domain;
mod wire;
