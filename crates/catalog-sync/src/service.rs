//! config → build → run.

use std::sync::Arc;

use millrace_contract::catalog::v1::catalog_service_server::CatalogServiceServer;
use millrace_erp::{Erp, Flow};
use millrace_erp_reader::{Reader, Sink};
use millrace_event_bus::{Bus, BusError, Routes};
use millrace_event_store::{Database, EventLog, Migrations, StoreError, migrations, project};
use millrace_service_kit::health::{Component, Health};
use millrace_service_kit::{Clock, Ids, Shutdown, TaskError, Tasks};
use millrace_values::Channels;
use thiserror::Error;

use crate::config::Config;
use crate::inbound::grpc::CatalogApi;
use crate::inbound::item_sink::{self, ItemSink};
use crate::inbound::price_sink::{self, PriceSink};
use crate::inbound::recorder::Recorder;
use crate::read_model::{Catalog, CatalogProjection};

/// This service's tables.
pub static MIGRATIONS: Migrations = migrations!("catalog-sync");

/// What the service stands on.
#[derive(Clone)]
pub struct Ports {
    /// Named `catalog-sync`, migrated with [`MIGRATIONS`] and those of operations.
    pub database: Database,
    pub bus: Arc<dyn Bus>,
    pub erp: Arc<dyn Erp>,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
    pub channels: Arc<Channels>,
    pub health: Health,
    /// Largest message a client may send.
    pub message_limit: usize,
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
    items: Component,
    prices: Component,
}

impl Service {
    /// # Errors
    /// The database is away, or not migrated.
    pub async fn build(config: Config, ports: Ports) -> Result<Self, ServiceError> {
        let owners = [&MIGRATIONS, millrace_operations::migrations()];
        ports.database.check(&owners).await?;
        let log = ports.database.log().await?;
        let items = ports.health.component("catalog-sync.items");
        let prices = ports.health.component("catalog-sync.prices");
        Ok(Self {
            config,
            ports,
            log,
            stopping: Shutdown::new(),
            items,
            prices,
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
        .max_decoding_message_size(self.ports.message_limit)
    }

    /// Reads the ERP (one process at a time), keeps the rows in step, publishes the log; until shutdown, then finishes what is in hand.
    ///
    /// # Errors
    /// What no retry mends: the log was closed, tables are missing.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), ServiceError> {
        let mut tasks = Tasks::default();
        for (reader, sink) in self.reading() {
            let stop = shutdown.clone();
            tasks.spawn(
                "reading the erp",
                async move { reader.follow(sink, stop).await },
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

    /// The two flows, and what becomes of each.
    fn reading(&self) -> [(Reader, Arc<dyn Sink>); 2] {
        let ports = &self.ports;
        let erp = ports.erp.code();
        let recorder = Recorder {
            erp: erp.clone(),
            log: self.log.clone(),
            clock: ports.clock.clone(),
            ids: ports.ids.clone(),
        };
        let catalog = Catalog::new(ports.database.clone());
        let items = Reader {
            flow: Flow::Items,
            name: item_sink::name(erp),
            holder: ports.ids.uuid_at(ports.clock.now()).to_string(),
            erp: ports.erp.clone(),
            database: ports.database.clone(),
            log: self.log.clone(),
            clock: ports.clock.clone(),
            ids: ports.ids.clone(),
            component: self.items.clone(),
            takeover_after: self.config.takeover_after,
            compare_every: Some(self.config.compare_every),
        };
        let prices = Reader {
            flow: Flow::Prices,
            name: price_sink::name(erp),
            component: self.prices.clone(),
            compare_every: None,
            ..items.clone()
        };
        let item_sink = ItemSink {
            recorder: recorder.clone(),
            catalog: catalog.clone(),
        };
        let price_sink = PriceSink { recorder, catalog };
        [(items, Arc::new(item_sink)), (prices, Arc::new(price_sink))]
    }
}
