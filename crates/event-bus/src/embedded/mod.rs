//! The bus inside one process: nothing is copied. Every reader reads the logs' own feeds, from where it stands; a relay
//! only makes its log known. Logs may come before or after their readers.
//!
//! Deliberately absent: leases and fences (a SQLite file belongs to one process, and reading needs neither), and outward
//! topics (there is no Kafka a shop could read; it takes its feed over gRPC).

mod mirror;
mod subscription;

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use millrace_event_store::EventLog;
use millrace_service_kit::Shutdown;
use tokio::sync::watch;

use crate::board::Board;
use crate::bus::{Bus, BusError, Mirrored, Routes};
use crate::embedded::subscription::EmbeddedSubscription;
use crate::subscription::{Positions, Subscription, known};
use crate::topics::Topic;

/// See the module. Cheap to clone; all clones are one bus.
#[derive(Clone, Debug)]
pub struct EmbeddedBus {
    attached: Arc<watch::Sender<Vec<Attached>>>,
    board: Board,
}

/// A log whose relay runs.
#[derive(Clone)]
struct Attached {
    log: Arc<dyn EventLog>,
    /// Two relays of one log may overlap for a moment while a service starts again.
    relays: usize,
}

impl std::fmt::Debug for Attached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attached")
            .field("log", &self.log.name())
            .field("relays", &self.relays)
            .finish()
    }
}

impl EmbeddedBus {
    #[must_use]
    pub fn new() -> Self {
        Self {
            attached: Arc::new(watch::Sender::new(Vec::new())),
            board: Board::default(),
        }
    }

    fn attach(&self, log: &Arc<dyn EventLog>) {
        self.attached.send_modify(|attached| {
            match attached
                .iter_mut()
                .find(|known| Arc::ptr_eq(&known.log, log))
            {
                Some(known) => known.relays += 1,
                None => attached.push(Attached {
                    log: log.clone(),
                    relays: 1,
                }),
            }
        });
    }

    fn detach(&self, log: &Arc<dyn EventLog>) {
        self.attached.send_modify(|attached| {
            if let Some(index) = attached
                .iter()
                .position(|known| Arc::ptr_eq(&known.log, log))
            {
                attached[index].relays -= 1;
                if attached[index].relays == 0 {
                    attached.remove(index);
                }
            }
        });
    }
}

impl Default for EmbeddedBus {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes the log unknown again however the relay ends.
struct Detach<'a> {
    bus: &'a EmbeddedBus,
    log: &'a Arc<dyn EventLog>,
}

impl Drop for Detach<'_> {
    fn drop(&mut self) {
        self.bus.detach(self.log);
    }
}

#[async_trait]
impl Bus for EmbeddedBus {
    async fn relay(
        &self,
        log: Arc<dyn EventLog>,
        routes: Routes,
        shutdown: Shutdown,
    ) -> Result<(), BusError> {
        let _detach = match routes {
            Routes::Internal => {
                self.attach(&log);
                Some(Detach {
                    bus: self,
                    log: &log,
                })
            }
            Routes::Channel(_) => None,
        };
        shutdown.cancelled().await;
        Ok(())
    }

    async fn mirror(
        &self,
        topics: &[&str],
    ) -> Result<BoxStream<'static, Result<Mirrored, BusError>>, BusError> {
        let names: Vec<String> = topics.iter().map(|&name| name.to_owned()).collect();
        Ok(mirror::mirror(self.attached.subscribe(), known(&names)?).boxed())
    }

    async fn subscribe(
        &self,
        _group: &str,
        topics: &[&'static Topic],
        positions: Arc<dyn Positions>,
    ) -> Result<Box<dyn Subscription>, BusError> {
        Ok(Box::new(EmbeddedSubscription::new(
            self.attached.subscribe(),
            topics.to_vec(),
            positions,
        )))
    }

    async fn check(&self) -> Result<(), BusError> {
        Ok(())
    }

    fn board(&self) -> &Board {
        &self.board
    }
}
