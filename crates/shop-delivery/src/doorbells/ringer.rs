//! Rings a channel's doorbells for as long as this process holds the lease.

use std::error::Error;
use std::sync::Arc;

use jiff::SignedDuration;
use millrace_event_store::{EventLog, LeaseEpoch, Post, StoreError, while_holding};
use millrace_service_kit::retry::Backoff;
use millrace_service_kit::{Clock, Ids, Shutdown};
use millrace_values::ChannelCode;
use thiserror::Error;
use tokio::task::JoinSet;
use tracing::{error, info};

use crate::doorbells::figures::{Figures, Here};
use crate::doorbells::follow::opened;
use crate::doorbells::round::Round;
use crate::doorbells::settings::Doorbell;
use crate::inbound::grpc::Feed;

pub(crate) struct Ringer {
    pub channel: ChannelCode,
    pub doorbell: Arc<Doorbell>,
    pub feed: Feed,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
    pub figures: Figures,
    /// How long it may fail before it is switched off.
    pub give_up_after: SignedDuration,
}

/// Why it rings no further.
#[derive(Debug, Error)]
pub(super) enum Broken {
    #[error("another process rings it now")]
    Lost,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for Broken {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// All doorbells of one channel, each by itself: one that is slow or dead delays no other.
///
/// # Errors
/// The feed's log was closed.
pub(crate) async fn ring_all(
    ringers: Vec<Ringer>,
    log: Arc<dyn EventLog>,
    post: Post,
    shutdown: Shutdown,
) -> Result<(), StoreError> {
    let ringers: Vec<Arc<Ringer>> = ringers.into_iter().map(Arc::new).collect();
    let ringers = &ringers;
    let standing_by = || {};
    while_holding(
        &log,
        &post,
        &shutdown,
        standing_by,
        |held, stop| async move {
            if let Some(ringer) = ringers.first() {
                ringer.say_closed().await;
            }
            let mut ringing = JoinSet::new();
            for ringer in ringers {
                let (ringer, lease, stop) = (ringer.clone(), held.lease.clone(), stop.clone());
                ringing.spawn(async move { ringer.work(&lease, &stop).await });
            }
            ringing.join_all().await;
        },
    )
    .await
}

impl Ringer {
    /// Until the lease is lost or it is asked to stop. A database that is away is waited for: what was rung and not written down
    /// is rung again.
    pub(crate) async fn work(&self, lease: &LeaseEpoch, stop: &Shutdown) {
        let mut backoff = Backoff::neighbour(self.ids.clone());
        self.show(Some(Here::default()));
        while !stop.is_cancelled() {
            let broken = match Round::begin(self, lease).await {
                Ok(mut round) => {
                    let broken = round.go_on(stop).await;
                    // What can be read and not written is no reason to ring again and again.
                    if round.kept {
                        backoff.succeeded();
                    }
                    broken
                }
                Err(broken) => Err(broken),
            };
            match broken {
                Ok(()) | Err(Broken::Lost | Broken::Store(StoreError::Closed)) => break,
                Err(Broken::Store(error)) => {
                    if backoff.tries() == 0 {
                        self.say_away(&error);
                    }
                    backoff.wait(stop).await;
                }
            }
        }
        self.show(None);
    }

    pub(super) fn show(&self, here: Option<Here>) {
        self.figures
            .change(&self.channel, &self.doorbell.name, |reading| {
                reading.here = here;
            });
    }

    /// Silence that is meant looks like silence that is not.
    async fn say_closed(&self) {
        let channel = &self.channel;
        if matches!(opened(&self.feed.log, channel).await, Ok(None)) {
            info!(channel = %channel, "the first load of channel {channel} is silent: its doorbells ring once it is opened (millrace doorbell open)");
        }
    }

    fn say_away(&self, error: &dyn Error) {
        let (channel, doorbell) = (&self.channel, &self.doorbell.name);
        error!(
            channel = %channel,
            doorbell,
            error = error.to_string(),
            "doorbell {doorbell} of channel {channel} cannot go on, trying again"
        );
    }
}
