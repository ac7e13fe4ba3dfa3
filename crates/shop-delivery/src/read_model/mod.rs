//! What the feed knows beside its log: the latest record of every key, how far its readers have come, and its doorbells.

mod bells;
mod consumers;
mod known;
mod memory;

pub(crate) use bells::{
    Bell, Off, Replay, Window, forget_replay, load_bell, load_replays, save_bell, save_replay,
};
pub(crate) use consumers::{Acknowledged, acknowledge, acknowledged, consumers};
pub(crate) use known::{Known, items_after};
pub(crate) use memory::Memory;
