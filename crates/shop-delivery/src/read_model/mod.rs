//! What the feed knows beside its log: the latest record of every key, and how far its readers have come.

mod consumers;
mod known;
mod memory;

pub(crate) use consumers::{acknowledge, acknowledged};
pub(crate) use known::{Known, items_after};
pub(crate) use memory::Memory;
