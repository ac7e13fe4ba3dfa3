//! The rules of this service: what a channel may see, what its readers must be told so that they know exactly that, and when a
//! doorbell rings for what.

pub mod patience;
pub mod rhythm;
pub mod rings;
pub mod shelf;
pub mod view;
