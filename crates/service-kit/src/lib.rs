//! What every service needs and no service is about: settings, telemetry, health, authentication, shutdown, retry, and
//! the two doors through which time and randomness enter. No business words here.

pub mod auth;
pub mod checkup;
mod clock;
mod faults;
pub mod grpc;
pub mod health;
pub mod metrics;
pub mod monitoring;
pub mod page;
pub mod rejection;
pub mod retry;
mod secret;
pub mod settings;
mod tasks;
pub mod telemetry;
pub mod tls;
pub mod trace;

pub use clock::{Clock, Ids, ManualClock, SystemClock};
pub use faults::Faults;
pub use jiff::Timestamp;
pub use secret::Secret;
pub use tasks::{TaskError, Tasks};
/// Asked of every task: stop taking work, finish what is in hand, return.
pub use tokio_util::sync::CancellationToken as Shutdown;
