//! Follows how fresh the figures are: another pod may be the one that reads the ERP, and Kafka may be away without a word.

use std::sync::Arc;
use std::time::Duration;

use millrace_event_bus::Bus;
use millrace_event_store::{Database, StoreError};
use millrace_service_kit::Shutdown;
use millrace_service_kit::health::chain;
use tracing::{info, warn};

use crate::counts::Counts;
use crate::freshness::Freshness;
use crate::index::Shown;
use crate::read_model::freshness;

pub(crate) struct FreshnessFollower {
    pub database: Database,
    pub bus: Arc<dyn Bus>,
    pub shown: Arc<Shown>,
    pub freshness: Arc<Freshness>,
    pub every: Duration,
    pub counts: Counts,
}

impl FreshnessFollower {
    pub async fn run(self, shutdown: Shutdown) -> Result<(), StoreError> {
        let mut away = false;
        while !shutdown.is_cancelled() {
            match freshness::all(&self.database).await {
                Ok(all) => all
                    .iter()
                    .for_each(|(erp, at)| self.freshness.read(erp, *at)),
                Err(StoreError::Closed) => return Ok(()),
                // Then nothing new is known to be fresh, and time does the rest.
                Err(_) => {}
            }
            match self.bus.check().await {
                Ok(()) if std::mem::take(&mut away) => info!("changes may arrive here again"),
                Ok(()) => {}
                Err(error) if std::mem::replace(&mut away, true) => drop(error),
                Err(error) => {
                    let reason = chain(&error);
                    warn!(
                        reason,
                        "changes may not arrive here, answers are marked stale"
                    );
                }
            }
            self.freshness.bus_away(away);
            self.count();
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(self.every) => {}
            }
        }
        Ok(())
    }

    fn count(&self) {
        self.counts
            .known
            .set(i64::try_from(self.shown.index().len()).unwrap_or(i64::MAX));
    }
}
