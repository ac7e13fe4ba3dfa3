//! The only places where time and randomness enter: everything else takes a [`Clock`] and [`Ids`], so that a test can
//! move the one and seed the other.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use rand::rngs::{StdRng, ThreadRng};
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

/// Wall time.
pub trait Clock: Send + Sync + Debug {
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that may read the machine's clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Timestamp>>);

impl ManualClock {
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().expect("no holder of this lock panics");
        *now += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("no holder of this lock panics")
    }
}

/// Makes identifiers and other random values; seeded in tests that must repeat.
#[derive(Debug, Clone)]
pub struct Ids(Source);

#[derive(Debug, Clone)]
enum Source {
    Machine,
    Seeded(Arc<Mutex<StdRng>>),
}

impl Ids {
    /// From the machine's randomness.
    #[must_use]
    pub fn random() -> Self {
        Self(Source::Machine)
    }

    /// The same values for the same seed, in the order they are asked for.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(
            seed,
        )))))
    }

    /// A UUIDv7 that carries `at` as its time.
    #[must_use]
    pub fn uuid_at(&self, at: Timestamp) -> Uuid {
        let millis = u64::try_from(at.as_millisecond()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
    }

    /// A number in `0.0..1.0`, for jitter.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        match &self.0 {
            Source::Machine => machine().random(),
            Source::Seeded(rng) => rng.lock().expect("no holder of this lock panics").random(),
        }
    }

    /// `N` random bytes, fit for keys when made by [`Ids::random`].
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match &self.0 {
            Source::Machine => machine().fill(&mut bytes),
            Source::Seeded(rng) => rng
                .lock()
                .expect("no holder of this lock panics")
                .fill(&mut bytes),
        }
        bytes
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that may draw from the machine's randomness"
)]
fn machine() -> ThreadRng {
    rand::rng()
}
