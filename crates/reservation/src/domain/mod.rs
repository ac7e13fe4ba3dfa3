//! The rules of reservations. Pure: the time, the settings of a store and what is known of items arrive in the command.
//!
//! A reservation is one stream, `reservation/<channel>/<number>` ([`StoreReservation`] decides); what is held of an item in a
//! store is another, `shelf/<erp>/<location>/<item>/<variant>` ([`shelf`]). Both are written in one append.

mod decider;
mod event;
mod reservation;
pub mod shelf;
mod store;
mod transfer;

#[cfg(test)]
mod tests;

pub use decider::{Command, Rejection, Requested, StoreReservation};
pub use event::{CancelReason, Event};
pub use reservation::{Line, LineStatus, Moving, Phase, Reservation, Sealed, State, Taken, stream};
pub use store::{Limits, OpeningHours, Store};
pub use transfer::{Observed, Transfer, TransferState};
