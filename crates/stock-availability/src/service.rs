//! config → build → run.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use millrace_erp::Erp;
use millrace_event_bus::{Bus, BusError, Consumer, Routes, consume};
use millrace_event_store::{
    Database, EventLog, Held, Migrations, Post, StoreError, migrations, while_holding,
};
use millrace_service_kit::health::{Component, Health, chain};
use millrace_service_kit::metrics::Metrics;
use millrace_service_kit::{Clock, Ids, Shutdown, TaskError, Tasks};
use millrace_values::Channels;
use thiserror::Error;
use tracing::error;

use crate::config::Config;
use crate::counts::Counts;
use crate::freshness::{Age, Freshness};
use crate::inbound::erp_figures::FigureReader;
use crate::inbound::freshness::FreshnessFollower;
use crate::inbound::grpc::{Asker, Desk, InFlightSource, Live, StockServer, TooManyChannels};
use crate::inbound::live_figures::LiveFigures;
use crate::inbound::mirror::Mirror;
use crate::inbound::orders::{ItemsAndOrders, TOPICS};
use crate::index::Shown;
use crate::publisher::Publisher;
use crate::wake::Wake;

/// This service's tables.
pub static MIGRATIONS: Migrations = migrations!("stock-availability");

/// Positions of the joiner's consumer stand under this name.
const GROUP: &str = "stock-availability";
const LEASE: &str = "join-stock";
/// Work in hand gets so long at the end.
const DRAIN: Duration = Duration::from_secs(20);

/// What the service stands on.
#[derive(Clone)]
pub struct Ports {
    /// Named `stock-availability`, migrated with [`MIGRATIONS`] and those of event-bus and operations.
    pub database: Database,
    pub bus: Arc<dyn Bus>,
    pub erp: Arc<dyn Erp>,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
    pub channels: Arc<Channels>,
    pub health: Health,
    pub metrics: Metrics,
    /// Largest message a client may send.
    pub message_limit: usize,
}

#[derive(Debug, Error)]
pub enum ServiceError {
    #[error("stock-availability cannot use its database")]
    Store(#[from] StoreError),
    #[error("stock-availability cannot read or publish events")]
    Bus(#[from] BusError),
    #[error(transparent)]
    Channels(#[from] TooManyChannels),
    #[error("stock-availability stopped")]
    Task(#[from] TaskError),
}

pub struct Service {
    config: Config,
    ports: Ports,
    log: Arc<dyn EventLog>,
    shown: Arc<Shown>,
    freshness: Arc<Freshness>,
    desk: Arc<Desk>,
    askers: Vec<Asker>,
    /// Cancelled when `run` is asked to stop; open streams look at it.
    stopping: Shutdown,
    components: Components,
    counts: Counts,
}

#[derive(Clone)]
struct Components {
    index: Component,
    figures: Component,
    publishing: Component,
}

impl Service {
    /// # Errors
    /// The database is away or not migrated; more channels than can be numbered.
    pub async fn build(config: Config, ports: Ports) -> Result<Self, ServiceError> {
        ports
            .database
            .check(&[
                &MIGRATIONS,
                millrace_event_bus::migrations(),
                millrace_operations::migrations(),
            ])
            .await?;
        let log = ports.database.log().await?;
        let counts = Counts::new(&ports.metrics);
        let shown = Shown::new();
        let freshness = Freshness::new(
            [ports.erp.code().clone()],
            config.stale_after,
            ports.clock.clone(),
        );
        ports.metrics.show(Age(freshness.clone()));
        let in_flight: Arc<dyn InFlightSource> = Arc::new(LiveFigures {
            database: ports.database.clone(),
            margin: config.margin,
        });
        let (live, askers) = Live::new(
            std::slice::from_ref(&ports.erp),
            &in_flight,
            config.live_within,
            &counts,
        );
        let stopping = Shutdown::new();
        let desk = Desk::new(
            shown.clone(),
            &ports.channels,
            freshness.clone(),
            Some(live),
            stopping.clone(),
        )?;
        let components = Components {
            index: ports.health.component("stock-availability.index"),
            figures: ports.health.component("stock-availability.figures"),
            publishing: ports.health.component("stock-availability.publishing"),
        };
        Ok(Self {
            config,
            ports,
            log,
            shown,
            freshness,
            desk,
            askers,
            stopping,
            components,
            counts,
        })
    }

    /// `stock.v1.StockService`, for the server's router.
    #[must_use]
    pub fn grpc(&self) -> StockServer {
        StockServer::new(self.desk.clone(), self.ports.message_limit)
    }

    /// Joins figures and orders (one process at a time), publishes, mirrors what is published and answers from it; until
    /// shutdown, then finishes what is in hand.
    ///
    /// # Errors
    /// What no retry mends: the log was closed, tables are missing.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), ServiceError> {
        let mut tasks = Tasks::default();
        let mirror = Mirror {
            bus: self.ports.bus.clone(),
            shown: self.shown.clone(),
            freshness: self.freshness.clone(),
            deducting: Mirror::deducting(&self.ports.channels),
            component: self.components.index.clone(),
            known: AtomicBool::new(false),
            unreadable: self.counts.unreadable.clone(),
            ids: self.ports.ids.clone(),
        };
        tasks.spawn("mirroring inventories", mirror.run(shutdown.clone()));
        let (bus, log, stop) = (self.ports.bus.clone(), self.log.clone(), shutdown.clone());
        tasks.spawn("publishing inventories", async move {
            bus.relay(log, Routes::Internal, stop).await
        });
        tasks.spawn(
            "joining figures and orders",
            self.joiner().run(shutdown.clone()),
        );
        let follower = FreshnessFollower {
            database: self.ports.database.clone(),
            bus: self.ports.bus.clone(),
            shown: self.shown.clone(),
            freshness: self.freshness.clone(),
            every: (self.config.stale_after / 4).max(Duration::from_millis(100)),
            counts: self.counts.clone(),
        };
        tasks.spawn("following freshness", follower.run(shutdown.clone()));
        for asker in self.askers {
            let stop = shutdown.clone();
            tasks.spawn("asking for live figures", async move {
                asker.run(stop).await;
                Ok::<_, StoreError>(())
            });
        }
        let (stopping, asked) = (self.stopping.clone(), shutdown.clone());
        tasks.spawn("ending calls", async move {
            asked.cancelled().await;
            stopping.cancel();
            Ok::<_, StoreError>(())
        });
        Ok(tasks.run(&shutdown, DRAIN).await?)
    }

    fn joiner(&self) -> Joiner {
        let ports = &self.ports;
        let wake = Arc::new(Wake::default());
        let complete = Arc::new(AtomicBool::new(false));
        Joiner {
            post: Post {
                lease: LEASE.to_owned(),
                holder: ports.ids.uuid_at(ports.clock.now()).to_string(),
                ttl: self.config.takeover_after,
            },
            log: self.log.clone(),
            reader: FigureReader {
                erp: ports.erp.clone(),
                database: ports.database.clone(),
                freshness: self.freshness.clone(),
                note_every: self.config.stale_after / 4,
                margin: self.config.margin,
                wake: wake.clone(),
                complete: complete.clone(),
                component: self.components.figures.clone(),
                unreadable: self.counts.unreadable.clone(),
                clock: ports.clock.clone(),
                ids: ports.ids.clone(),
            },
            publisher: Publisher {
                database: ports.database.clone(),
                log: self.log.clone(),
                margin: self.config.margin,
                freshness: self.freshness.clone(),
                wake: wake.clone(),
                complete,
                component: self.components.publishing.clone(),
                published: self.counts.published.clone(),
                clock: ports.clock.clone(),
                ids: ports.ids.clone(),
            },
            consumer: Consumer::new(
                GROUP,
                &TOPICS,
                ports.database.clone(),
                Arc::new(ItemsAndOrders {
                    channels: ports.channels.clone(),
                    wake,
                }),
            ),
            bus: ports.bus.clone(),
            components: self.components.clone(),
        }
    }
}

/// The half that runs on one pod at a time.
struct Joiner {
    post: Post,
    log: Arc<dyn EventLog>,
    reader: FigureReader,
    publisher: Publisher,
    consumer: Consumer,
    bus: Arc<dyn Bus>,
    components: Components,
}

impl Joiner {
    async fn run(self, shutdown: Shutdown) -> Result<(), StoreError> {
        let joiner = &self;
        // Who stands by is ready to serve.
        let standing_by = || {
            joiner.components.figures.ready();
            joiner.components.publishing.ready();
        };
        let work = |held: Held, stop: Shutdown| async move { joiner.join(&held, &stop).await };
        while_holding(&self.log, &self.post, &shutdown, standing_by, work).await
    }

    async fn join(&self, held: &Held, stop: &Shutdown) {
        let consuming = async {
            if let Err(error) = consume(self.bus.clone(), self.consumer.clone(), stop.clone()).await
            {
                error!(reason = chain(&error), "items and orders cannot be read");
                self.components.publishing.trouble(chain(&error));
                stop.cancel();
            }
        };
        tokio::join!(
            self.reader.run(&held.lease, stop),
            self.publisher.run(&held.lease, stop),
            consuming
        );
    }
}
