//! The rules of shop orders. Pure: what a rule needs from elsewhere (the time, what is known of items and customers)
//! arrives in the command.
//!
//! One stream per order, `order/<channel>/<number>`. [`ShopOrder`] decides, [`check`] names everything that keeps an order
//! from being posted, [`totals`] holds the arithmetic a shop must have got right, [`line`] the status of each line.

pub mod check;
mod decider;
mod event;
mod hold;
pub mod line;
mod order;
mod rejection;
mod state;
pub mod totals;

#[cfg(test)]
mod tests;

pub use check::{Known, KnownCustomer, KnownItem, KnownVariant};
pub use decider::{Command, ShopOrder, Submitted};
pub use event::{Document, DocumentKind, Event, LineQuantity};
pub use hold::{HoldKind, HoldReason, OTHER_CUSTOMER};
pub use line::{LineState, LineStatus};
pub use order::{Buyer, Freight, Line, Order, Sealed, Totals, stream};
pub use rejection::Rejection;
pub use state::{Parcel, Phase, State, Taken};
