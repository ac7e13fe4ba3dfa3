//! The rules of this service: an observation of the ERP against what was known; the differences are the events.

pub mod item;
pub mod prices;
