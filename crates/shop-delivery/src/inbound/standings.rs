//! How far the named consumers of every feed are behind, looked at now and then, for `/metrics`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millrace_event_store::StoreError;
use millrace_service_kit::Shutdown;
use millrace_service_kit::metrics::{self, Figure, Kind};
use millrace_values::ChannelCode;
use tracing::debug;

use crate::inbound::grpc::Feed;

const EVERY: Duration = Duration::from_secs(10);

/// Changes by channel and consumer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standings(Arc<Mutex<BTreeMap<(String, String), u64>>>);

impl Standings {
    /// Looks until shutdown. A database that is away is somebody else's to say.
    pub(crate) async fn follow(
        self,
        feeds: Vec<(ChannelCode, Feed)>,
        shutdown: Shutdown,
    ) -> Result<(), StoreError> {
        while !shutdown.is_cancelled() {
            match look(&feeds).await {
                Ok(seen) => *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen,
                Err(error) => debug!(
                    error = &error as &dyn std::error::Error,
                    "could not look how far consumers are"
                ),
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
        Ok(())
    }
}

async fn look(
    feeds: &[(ChannelCode, Feed)],
) -> Result<BTreeMap<(String, String), u64>, StoreError> {
    let mut seen = BTreeMap::new();
    for (channel, feed) in feeds {
        for standing in feed.standings().await? {
            if let Some(behind) = standing.behind {
                seen.insert((channel.to_string(), standing.known.name), behind);
            }
        }
    }
    Ok(seen)
}

impl metrics::Figures for Standings {
    fn read(&self) -> Vec<Figure> {
        let mut behind = Figure::new(
            "feed_consumer_behind",
            "Changes of the feed after the last acknowledgement of a named consumer",
            Kind::Gauge,
        );
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for ((channel, consumer), count) in seen.iter() {
            behind.add([("channel", channel), ("consumer", consumer)], *count);
        }
        vec![behind]
    }
}
