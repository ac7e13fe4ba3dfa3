//! The rules of this service: what a channel may see, and what its readers must be told so that they know exactly that.

pub mod shelf;
pub mod view;
