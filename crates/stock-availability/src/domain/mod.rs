//! The rules of stock (DESIGN.md §8), pure: what an order in flight takes, when a figure contains it, what is published.

mod figures;
mod in_flight;
mod inventory;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod properties;

pub use figures::{Contains, Figures, Part, Stamp};
pub use in_flight::{
    Claim, Document, Goods, InFlight, ItemRef, OrderFact, Progress, Taken, follow,
};
pub use inventory::{ChannelInFlight, Event, Inventory, Join, LocationFigure, Shelf, join};
