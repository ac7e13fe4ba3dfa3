//! The start while the database is away: waited for, and said so at `/ready`; what no waiting mends ends the process.

use anyhow::Result;
use millrace_service_kit::Ids;
use millrace_service_kit::health::Component;
use millrace_service_kit::retry::Backoff;
use tracing::{error, info};

use crate::exit;

/// SQLSTATE classes of a server that will answer again: connections refused or lost, too many of them, starting, stopping.
const AWAY: [&str; 4] = ["08", "53", "57", "58"];

/// Waits for the database, from the first failure to the first success.
pub struct Opening {
    component: Component,
    backoff: Backoff,
}

impl Opening {
    pub fn new(component: Component, ids: Ids) -> Self {
        Self {
            component,
            backoff: Backoff::neighbour(ids),
        }
    }

    /// Waits a while before the next try.
    ///
    /// # Errors
    /// `error` itself, when trying again does not mend it.
    pub async fn after(&mut self, error: anyhow::Error) -> Result<()> {
        if !is_away(&error) {
            return Err(error);
        }
        let why = exit::line(&error);
        if self.backoff.tries() == 0 {
            error!(reason = why, "the database is away, trying again: {why}");
        }
        self.component.trouble(why);
        tokio::time::sleep(self.backoff.next_delay()).await;
        Ok(())
    }

    pub fn succeeded(&mut self) {
        if self.backoff.tries() > 0 {
            info!("the database answers");
        }
        self.backoff.succeeded();
    }
}

/// A server that does not answer now, in contrast to one that answers no.
fn is_away(error: &anyhow::Error) -> bool {
    let cause = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<sqlx::Error>());
    match cause {
        Some(
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::WorkerCrashed,
        ) => true,
        Some(sqlx::Error::Database(refused)) => refused
            .code()
            // SQLite's codes are shorter: what a file says no to stays so.
            .is_some_and(|code| {
                code.len() == 5 && AWAY.iter().any(|class| code.starts_with(class))
            }),
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use millrace_event_store::StoreError;

    use super::*;

    #[test]
    fn a_server_that_does_not_answer_is_waited_for() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        for cause in [sqlx::Error::PoolTimedOut, sqlx::Error::Io(refused)] {
            let error = Err::<(), _>(StoreError::from(cause))
                .context("database of catalog-sync cannot be opened")
                .unwrap_err();
            assert!(is_away(&error), "{error:?}");
        }
    }

    #[test]
    fn what_needs_a_person_is_not_waited_for() {
        let missing = StoreError::NotMigrated {
            name: "catalog-sync".into(),
            missing: 1,
        };
        assert!(!is_away(&missing.into()));
        assert!(!is_away(&anyhow::anyhow!("personal.key is empty")));
    }
}
