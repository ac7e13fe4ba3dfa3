//! config → build → run.

use std::sync::Arc;

use millrace_contract::catalog::v1::catalog_service_server::CatalogServiceServer;
use millrace_erp::Erp;
use millrace_event_bus::{Bus, BusError, Routes};
use millrace_event_store::{
    Database, EventLog, Migrations, Post, StoreError, migrations, project, while_holding,
};
use millrace_service_kit::health::{Component, Health};
use millrace_service_kit::{Clock, Ids, Shutdown, TaskError, Tasks};
use millrace_values::Channels;
use thiserror::Error;

use crate::config::Config;
use crate::inbound::grpc::CatalogApi;
use crate::inbound::poller::{Poller, Reads};
use crate::inbound::recorder::Recorder;
use crate::read_model::{Catalog, CatalogProjection};

/// This service's tables.
pub static MIGRATIONS: Migrations = migrations!("catalog-sync");

/// What the service stands on.
#[derive(Clone)]
pub struct Ports {
    /// Named `catalog-sync`, migrated with [`MIGRATIONS`].
    pub database: Database,
    pub bus: Arc<dyn Bus>,
    pub erp: Arc<dyn Erp>,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
    pub channels: Arc<Channels>,
    pub health: Health,
}

#[derive(Debug, Error)]
pub enum ServiceError {
    #[error("catalog-sync cannot use its database")]
    Store(#[from] StoreError),
    #[error("catalog-sync cannot publish")]
    Bus(#[from] BusError),
    #[error("catalog-sync stopped")]
    Task(#[from] TaskError),
}

pub struct Service {
    config: Config,
    ports: Ports,
    log: Arc<dyn EventLog>,
    /// Cancelled when `run` is asked to stop; calls in hand look at it.
    stopping: Shutdown,
    reading: [(Reads, Component); 2],
}

impl Service {
    /// # Errors
    /// The database is away, or not migrated.
    pub async fn build(config: Config, ports: Ports) -> Result<Self, ServiceError> {
        ports.database.check(&[&MIGRATIONS]).await?;
        let log = ports.database.log().await?;
        let reading = [
            (Reads::Items, ports.health.component("catalog-sync.items")),
            (Reads::Prices, ports.health.component("catalog-sync.prices")),
        ];
        Ok(Self {
            config,
            ports,
            log,
            stopping: Shutdown::new(),
            reading,
        })
    }

    /// `catalog.v1.CatalogService`, for the server's router.
    #[must_use]
    pub fn grpc(&self) -> CatalogServiceServer<CatalogApi> {
        CatalogServiceServer::new(CatalogApi {
            catalog: Catalog::new(self.ports.database.clone()),
            channels: self.ports.channels.clone(),
            shutdown: self.stopping.clone(),
        })
    }

    /// Reads the ERP (one process at a time), keeps the rows in step, publishes the log; until shutdown, then finishes what is in hand.
    ///
    /// # Errors
    /// What no retry mends: the log was closed, tables are missing.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), ServiceError> {
        let mut tasks = Tasks::default();
        let holder = self.ports.ids.uuid_at(self.ports.clock.now()).to_string();
        for (reads, component) in self.reading.clone() {
            let poller = self.poller(reads, component);
            let post = Post {
                lease: poller.name(),
                holder: holder.clone(),
                ttl: self.config.takeover_after,
            };
            tasks.spawn(
                "reading the erp",
                poll(self.log.clone(), poller, post, shutdown.clone()),
            );
        }
        let (database, log, stop) = (
            self.ports.database.clone(),
            self.log.clone(),
            shutdown.clone(),
        );
        tasks.spawn("keeping the catalog's rows", async move {
            project(&database, log, Arc::new(CatalogProjection), stop).await
        });
        let (bus, log, stop) = (self.ports.bus.clone(), self.log.clone(), shutdown.clone());
        tasks.spawn("publishing the catalog", async move {
            bus.relay(log, Routes::Internal, stop).await
        });
        let stopping = self.stopping.clone();
        let asked = shutdown.clone();
        tasks.spawn("ending calls", async move {
            asked.cancelled().await;
            stopping.cancel();
            Ok::<_, StoreError>(())
        });
        Ok(tasks.run(&shutdown, crate::config::DRAIN).await?)
    }

    fn poller(&self, reads: Reads, component: Component) -> Poller {
        let ports = &self.ports;
        Poller {
            reads,
            erp: ports.erp.clone(),
            recorder: Recorder {
                erp: ports.erp.code().clone(),
                log: self.log.clone(),
                clock: ports.clock.clone(),
                ids: ports.ids.clone(),
            },
            database: ports.database.clone(),
            clock: ports.clock.clone(),
            ids: ports.ids.clone(),
            component,
            compare_every: self.config.compare_every,
        }
    }
}

async fn poll(
    log: Arc<dyn EventLog>,
    poller: Poller,
    post: Post,
    shutdown: Shutdown,
) -> Result<(), StoreError> {
    let poller = &poller;
    while_holding(
        &log,
        &post,
        &shutdown,
        || poller.stand_by(),
        |held, stop| async move {
            poller.read(&held, &stop).await;
        },
    )
    .await
}
