//! The test rig: a real PostgreSQL 18 and a real Apache Kafka 4 for tests, and the few tools that tests share.
//!
//! # How a test uses it
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use std::time::Duration;
//!
//! // The shared servers: those of `make test`, or, by hand, ones started for this process at first use.
//! let url: String = millrace_test_rig::postgres().await.create_database("orders").await?; // a fresh, empty database
//! let bootstrap: String = millrace_test_rig::kafka().await.bootstrap();                    // use a topic prefix of your own:
//! let prefix: String = millrace_test_rig::unique("orders");                                // lower case letters, digits, `_`
//!
//! // A server of one's own, to be broken on purpose; it is gone when the last clone is dropped.
//! let postgres = millrace_test_rig::Postgres::start().await?;
//! let database = postgres.create_database("orders").await?;
//! postgres.restart().await?;                        // also: stop, start_again, kill (a crash); the port stays
//! let kafka = millrace_test_rig::Kafka::start().await?;
//! kafka.pause()?;                                   // SIGSTOP: connections stay open, nobody answers
//! kafka.resume()?;
//! kafka.kill().await?;                              // SIGKILL
//! kafka.start_again().await?;
//! // As companies run them (certificates of the test's own): Postgres::start_encrypted, Kafka::start_guarded.
//!
//! // No sleeps: wait for a condition, with a deadline. Panics with the words when it does not come true.
//! let count = millrace_test_rig::until(Duration::from_secs(10), "three events are there", async || Some(3)).await;
//! # let _ = (url, bootstrap, prefix, database, count); Ok(()) }
//! ```
//!
//! Shared servers cannot be stopped or broken: other tests use them; those calls return an error. Topics are not created
//! automatically. Databases are not dropped: the whole server goes when the run ends.
//!
//! [`shared_dir`] finds the material beside the checkout (`None`: say so and skip). [`seeds`] gives a small share of a large
//! count in `make test` and the whole in `make soak`; [`soak_result`] says the outcome, and a soak's is kept in `target/soak/`.
//! [`say`] is how a test that passes says something.
//!
//! # How it works
//!
//! The packages come from Maven Central (pinned in `servers/pom.xml`) into `.test/` in the checkout, once; afterwards no network
//! is needed. Every process that starts servers holds a lock on its folder in `.test/run/`; a folder nobody holds any more is
//! swept at the next start, servers included. Servers also die with the process that started them (`PR_SET_PDEATHSIG`), so a
//! SIGKILL leaves nothing behind. PostgreSQL refuses to be root: under root it runs as `nobody`, and where `nobody` cannot reach
//! the checkout, everything goes to `/var/tmp` instead, which is said. Linux only.
//!
//! Deliberately absent: a database driver and a Kafka client (the rig must build in seconds), and anything about Millrace.

mod fetch;
mod kafka;
mod patience;
mod place;
mod ports;
mod postgres;
mod process;
mod query;
mod rounds;
mod run;
mod server;

use tokio::sync::OnceCell;

pub use fetch::fetch;
pub use kafka::{Guard, Kafka};
pub use patience::until;
pub use place::{shared_dir, workspace};
pub use ports::free as free_port;
pub use postgres::Postgres;
pub use rounds::{is_soak, rounds, seeds, soak_result};
pub use run::run;

/// Superuser URL of the shared PostgreSQL's `postgres` database; exported by `millrace-test-rig run`.
pub const POSTGRES_VARIABLE: &str = "MILLRACE_TEST_POSTGRES";

/// Bootstrap address of the shared Kafka; exported by `millrace-test-rig run`.
pub const KAFKA_VARIABLE: &str = "MILLRACE_TEST_KAFKA";

/// The shared PostgreSQL: of the surrounding run, or started for this process at the first call.
///
/// # Panics
/// When it cannot be fetched or started: no test that asked for it can go on.
pub async fn postgres() -> Postgres {
    static SHARED: OnceCell<Postgres> = OnceCell::const_new();
    SHARED
        .get_or_init(async || {
            match std::env::var(POSTGRES_VARIABLE) {
                Ok(url) => Postgres::foreign(&url),
                Err(_) => Postgres::start().await.map(Postgres::shared),
            }
            .unwrap_or_else(|error| panic!("the tests' PostgreSQL could not be started: {error:#}"))
        })
        .await
        .clone()
}

/// The shared Kafka: of the surrounding run, or started for this process at the first call.
///
/// # Panics
/// When it cannot be fetched or started: no test that asked for it can go on.
pub async fn kafka() -> Kafka {
    static SHARED: OnceCell<Kafka> = OnceCell::const_new();
    SHARED
        .get_or_init(async || {
            match std::env::var(KAFKA_VARIABLE) {
                Ok(bootstrap) => Kafka::foreign(&bootstrap),
                Err(_) => Kafka::start().await.map(Kafka::shared),
            }
            .unwrap_or_else(|error| panic!("the tests' Kafka could not be started: {error:#}"))
        })
        .await
        .clone()
}

/// A name nobody else in this run uses: the prefix, then letters and digits. Fits databases, schemas, topics and consumer groups.
pub fn unique(prefix: &str) -> String {
    use std::hash::{BuildHasher, RandomState};
    use std::sync::atomic::{AtomicU32, Ordering};

    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let random = RandomState::new().hash_one((std::process::id(), number)) as u32;
    format!("{prefix}_{random:08x}{number}")
}

/// Says something to whoever sits in front of `make test`, also from a test that passes: a seed, a count, that it was skipped.
/// What a test prints with `println!` or `eprintln!` is kept back by its harness and shown only when it fails.
pub fn say(words: &str) {
    use std::io::Write;

    let line = format!("{words}\n");
    // In one piece, so that tests speaking at once do not mix. Nobody listening is no reason to fail.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// What the rig itself does: which servers, where, what was cleaned up.
fn report(words: &str) {
    say(&format!("rig: {words}"));
}
