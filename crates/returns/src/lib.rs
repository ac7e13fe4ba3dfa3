//! returns
pub mod domain;
