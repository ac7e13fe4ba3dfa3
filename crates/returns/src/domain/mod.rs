//! The rules of returns. Pure: the time, the settings of a channel and what is known of orders and reasons arrive in the command.
//!
//! A return is one stream, `return/<channel>/<number>` ([`ShopReturn`] decides, [`check`] names everything that keeps goods from
//! coming back, [`observed`] what the ERP's state means); what returns have taken of an order is another,
//! `returnable/<channel>/<order>` ([`returnable`]). Both are written in one append.

pub mod check;
pub mod credit;
mod decider;
mod event;
mod goods;
mod hold;
pub mod line;
mod observed;
mod refund;
mod rejection;
pub mod returnable;
pub mod sold;
mod state;

#[cfg(test)]
mod tests;

pub use check::{FreightRule, Known, Rules, Verdict};
pub use credit::{Credit, Freight, LineCredit, RefundWay, Refunds};
pub use decider::{Command, GivenUp, Received, ShopReturn, Submitted};
pub use event::{CancelReason, Event, LineDisposition, LineQuantity};
pub use goods::{Line, Return, Sealed, stream};
pub use hold::{HoldKind, HoldReason};
pub use line::{Disposition, LineState, LineStatus};
pub use observed::{LineSeen, Seen};
pub use rejection::Rejection;
pub use returnable::{Returnable, TakenLine, Takes};
pub use sold::{Shipped, Sold, SoldLine};
pub use state::{Document, Phase, State, Taken};
