//! The channel's doorbells: who is rung for what and when, how far each has come, and what is said about them.
//!
//! A doorbell follows the feed from a place of its own. What it finds there is made into rings; a ring is made of the feed alone, so
//! that begun again it is the same one, under the same `webhook-id`. One ring is under way at a time: a shop hears of changes in
//! their order, and what it does not take holds back nobody but itself.

mod events;
mod figures;
mod follow;
mod message;
mod ringer;
mod round;
mod settings;

pub(crate) use events::{Said, opening_stream, said, stream};
pub(crate) use figures::Figures;
pub(crate) use follow::{opened, pending};
pub(crate) use message::test_message;
pub(crate) use ringer::{Ringer, ring_all};
pub(crate) use settings::{Doorbell, OfChannel};
pub use settings::{Doorbells, DoorbellsError};

/// The topic that tells what became of doorbells. It rings none itself.
pub(crate) const TOLD_AS: &str = "doorbells";
