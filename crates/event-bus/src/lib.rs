//! How events travel between processes: Kafka, and `embedded` inside one process; the relay, the consumer loop with
//! positions, parked and unresolved records in the consumer's own database; one contract suite. No business words but
//! the table of topics.

mod bus;

pub use bus::{Bus, BusError, Delivery, Mirrored, Routes, Unreadable};
