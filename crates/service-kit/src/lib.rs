//! What every service needs and no service is about: settings, telemetry, health, authentication, shutdown, retry, and
//! the two doors through which time and randomness enter. No business words here.

mod clock;

pub use clock::{Clock, Ids, ManualClock, SystemClock};
/// Asked of every task: stop taking work, finish what is in hand, return.
pub use tokio_util::sync::CancellationToken as Shutdown;
