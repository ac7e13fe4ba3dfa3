//! Asks the ERP now and then why goods may come back; where it cannot be asked, the settings say. One process at a time, by lease.

use std::sync::Arc;
use std::time::Duration;

use millrace_erp::{Erp, ErpError};
use millrace_event_store::{EventLog, Held, LeaseEpoch, Post, StoreError, while_holding};
use millrace_service_kit::health::{Component, chain};
use millrace_service_kit::retry::Backoff;
use millrace_service_kit::{Ids, Shutdown};
use thiserror::Error;
use tokio::sync::Notify;
use tracing::{error, info};

use crate::read_model::{Reason, Reasons};

pub struct ReasonKeeper {
    pub erp: Arc<dyn Erp>,
    pub reasons: Reasons,
    /// Where the ERP cannot be asked.
    pub of_settings: Vec<Reason>,
    pub log: Arc<dyn EventLog>,
    pub ids: Ids,
    pub component: Component,
    /// Returns may have work now.
    pub wake: Arc<Notify>,
    /// This process, unique among all that may ask for the lease.
    pub holder: String,
    pub every: Duration,
    pub takeover_after: Duration,
}

#[derive(Debug, Error)]
enum LookError {
    #[error(transparent)]
    Erp(#[from] ErpError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReasonKeeper {
    /// Until shutdown; a broken world is tried again.
    ///
    /// # Errors
    /// The log was closed.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), StoreError> {
        let post = Post {
            lease: format!("reasons/{}", self.erp.code()),
            holder: self.holder.clone(),
            ttl: self.takeover_after,
        };
        let keeper = &self;
        let standing_by = || keeper.component.ready();
        let work =
            |held: Held, stop: Shutdown| async move { keeper.keep(&held.lease, &stop).await };
        while_holding(&self.log, &post, &shutdown, standing_by, work).await
    }

    async fn keep(&self, lease: &LeaseEpoch, stop: &Shutdown) {
        let mut backoff = Backoff::neighbour(self.ids.clone());
        while !stop.is_cancelled() {
            let pause = match self.look(lease).await {
                Ok(()) => {
                    self.component.ready();
                    backoff.succeeded();
                    self.every
                }
                Err(error) => {
                    let cause = &error as &dyn std::error::Error;
                    if self.component.trouble(chain(cause)) {
                        error!(error = cause, "return reasons cannot be read, trying again");
                    }
                    backoff.next_delay().min(self.every)
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn look(&self, lease: &LeaseEpoch) -> Result<(), LookError> {
        let reasons = if self.erp.capabilities().await?.return_reasons {
            let observed = self.erp.return_reasons().await?.into_iter();
            let reasons = observed.map(|reason| Reason {
                code: reason.code,
                description: reason.description,
                translations: reason.translations,
            });
            reasons.collect()
        } else {
            self.of_settings.clone()
        };
        if self.reasons.keep(self.erp.code(), &reasons, lease).await? {
            let count = reasons.len();
            info!(count, "there are {count} return reasons now");
            self.wake.notify_one();
        }
        Ok(())
    }
}
