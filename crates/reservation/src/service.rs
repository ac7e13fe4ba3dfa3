//! The service: config → build → run.

use std::pin::Pin;
use std::sync::Arc;

use millrace_contract::reservation::v1::reservation_service_server::ReservationServiceServer;
use millrace_erp::{Erp, Flow};
use millrace_erp_poster::Errands;
use millrace_erp_reader::Reader;
use millrace_event_bus::{Bus, BusError, Consumer, Routes, consume};
use millrace_event_store::{Database, EventLog, Sealer, StoreError, project};
use millrace_service_kit::health::{Component, Health};
use millrace_service_kit::metrics::{Counter, Gauge, Metrics};
use millrace_service_kit::{Clock, Ids, Shutdown, TaskError, Tasks};
use millrace_values::Channels;
use thiserror::Error;
use tokio::sync::Notify;

use crate::MIGRATIONS;
use crate::config::{Config, DRAIN, Stores, StoresError};
use crate::inbound::{
    Desk, GROUP, InventoryRows, Keeper, ReservationApi, Shortfalls, TOPICS, Transfers, Underway,
};
use crate::outbound::{Carrier, ErpSide, Warehouses};
use crate::read_model::{ERP_WORK, Figures, Listing, ReservationRows, ShelfRows};
use crate::reservations::Reservations;
use crate::shelves::Shelves;

/// What the service stands on.
pub struct Ports {
    /// Named `reservation`, migrated with [`MIGRATIONS`], the bus's and those of operations.
    pub database: Database,
    pub bus: Arc<dyn Bus>,
    /// `None`: reservations live in Millrace alone.
    pub erp: Option<Arc<dyn Erp>>,
    /// Of this service's database.
    pub sealer: Arc<Sealer>,
    pub channels: Arc<Channels>,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
    pub health: Health,
    pub metrics: Metrics,
    /// This process, unique among those that may ask for a lease.
    pub holder: String,
    /// Largest message a client may send.
    pub message_limit: usize,
}

#[derive(Debug, Error)]
pub enum ServiceError {
    #[error("reservation cannot use its database")]
    Store(#[from] StoreError),
    #[error("reservation cannot read or publish")]
    Bus(#[from] BusError),
    #[error(transparent)]
    Stores(#[from] StoresError),
    #[error("reservation stopped")]
    Task(#[from] TaskError),
}

pub struct Service {
    config: Config,
    database: Database,
    bus: Arc<dyn Bus>,
    log: Arc<dyn EventLog>,
    desk: Desk,
    deciding: Pin<Box<dyn Future<Output = ()> + Send>>,
    components: Components,
    short: Counter,
    foreign: Counter,
    waiting: Gauge,
    clock: Arc<dyn Clock>,
    ids: Ids,
    holder: String,
    message_limit: usize,
}

struct Components {
    keeping: Component,
    short: Component,
    carrying: Component,
    transfers: Component,
}

impl Service {
    /// # Errors
    /// The database is away or not migrated, or the stores of the settings make no sense.
    pub async fn build(config: Config, ports: Ports) -> Result<Self, ServiceError> {
        let Ports {
            database,
            bus,
            erp,
            sealer,
            channels,
            clock,
            ids,
            health,
            metrics,
            holder,
            message_limit,
        } = ports;
        let stores = Arc::new(Stores::new(&config.stores, &channels)?);
        let owners = [
            &MIGRATIONS,
            millrace_event_bus::migrations(),
            millrace_operations::migrations(),
        ];
        database.check(&owners).await?;
        let log = database.log().await?;
        let figures = Figures::new(database.clone());
        let (shelves, deciding) =
            Shelves::new(log.clone(), figures.clone(), clock.clone(), ids.clone());
        let counter = |name: &str, help: &str| metrics.register(name, help, Counter::default());
        let reservations = Reservations::new(log.clone(), shelves, clock.clone(), ids.clone());
        let erp = erp.map(|erp| ErpSide {
            warehouses: Warehouses::new(erp.clone(), stores.clone()),
            erp,
            reservations: reservations.clone(),
            stores: stores.clone(),
        });
        let desk = Desk {
            reservations,
            figures,
            listing: Listing::new(database.clone()),
            database: database.clone(),
            log: log.clone(),
            stores,
            sealer,
            erp,
            channels,
            ids: ids.clone(),
            underway: Underway::default(),
            made: counter("reservation_made", "Reservations made"),
            refused: counter(
                "reservation_refused",
                "Reservations that a store had not enough for",
            ),
        };
        Ok(Self {
            config,
            database,
            bus,
            log,
            desk,
            deciding: Box::pin(deciding),
            components: Components {
                keeping: health.component("reservation.keeping"),
                short: health.component("reservation.shortfalls"),
                carrying: health.component("reservation.erp"),
                transfers: health.component("reservation.transfers"),
            },
            waiting: metrics.register(
                "reservation_erp_waiting",
                "Reservations that could not be brought to the ERP so far",
                Gauge::default(),
            ),
            short: counter(
                "reservation_shortfalls",
                "Changes of what is missing of reservations in their stores",
            ),
            foreign: counter(
                "reservation_foreign_transfers",
                "Transfers of the ERP for reservations that were not made here",
            ),
            ids,
            clock,
            holder,
            message_limit,
        })
    }

    /// `reservation.v1.ReservationService`, for the server's router.
    #[must_use]
    pub fn grpc(&self) -> ReservationServiceServer<ReservationApi> {
        ReservationServiceServer::new(ReservationApi::new(self.desk.clone()))
            .max_decoding_message_size(self.message_limit)
    }

    /// Reads figures, keeps the rows, gives back what nobody fetched, publishes the log; until shutdown.
    ///
    /// # Errors
    /// What no retry mends: the log was closed, tables are missing.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), ServiceError> {
        let mut tasks = Tasks::default();
        let wake = Arc::new(Notify::new());
        let carrying = self.desk.erp.as_ref();
        let carrying = carrying.map(|side| (side.erp.code().clone(), wake.clone()));
        let rows = ReservationRows::new(self.desk.reservations.clone(), self.erp_work(), carrying);
        let (database, log, stop) = (self.database.clone(), self.log.clone(), shutdown.clone());
        tasks.spawn("keeping the rows of reservations", async move {
            project(&database, log, rows, stop).await
        });
        let consumer = Consumer::new(
            GROUP,
            &TOPICS,
            self.database.clone(),
            Arc::new(InventoryRows),
        );
        tasks.spawn(
            "reading figures",
            consume(self.bus.clone(), consumer, shutdown.clone()),
        );
        let keeper = Keeper {
            reservations: self.desk.reservations.clone(),
            listing: self.desk.listing.clone(),
            erp: self.desk.erp.clone(),
            stores: self.desk.stores.clone(),
            log: self.log.clone(),
            clock: self.clock.clone(),
            component: self.components.keeping.clone(),
            holder: self.holder.clone(),
            look_every: self.config.look_every,
            takeover_after: self.config.takeover_after,
        };
        tasks.spawn(
            "looking for what nobody fetched",
            keeper.run(shutdown.clone()),
        );
        tasks.spawn(
            "looking for what stores no longer have",
            self.shortfalls().run(shutdown.clone()),
        );
        if let Some(side) = &self.desk.erp {
            self.carry(side, &wake, &mut tasks, &shutdown);
        }
        let (bus, log, stop) = (self.bus.clone(), self.log.clone(), shutdown.clone());
        tasks.spawn("publishing reservations", async move {
            bus.relay(log, Routes::Internal, stop).await
        });
        let stop = shutdown.clone();
        let mut deciding = tokio::spawn(self.deciding);
        tasks.spawn("deciding about shelves", async move {
            tokio::select! {
                // Nobody asks it to end: it has broken.
                _ = &mut deciding => Err(StoreError::Closed),
                // It goes on for those who are served to the end, and ends with them.
                () = stop.cancelled() => Ok(()),
            }
        });
        Ok(tasks.run(&shutdown, DRAIN).await?)
    }

    fn shortfalls(&self) -> Shortfalls {
        Shortfalls {
            reservations: self.desk.reservations.clone(),
            listing: self.desk.listing.clone(),
            shelves: ShelfRows::new(self.database.clone()),
            figures: self.desk.figures.clone(),
            log: self.log.clone(),
            component: self.components.short.clone(),
            told: self.short.clone(),
            holder: self.holder.clone(),
            after: self.config.short_after,
            takeover_after: self.config.takeover_after,
        }
    }

    fn erp_work(&self) -> Errands {
        Errands::new(self.database.clone(), self.ids.clone(), ERP_WORK)
    }

    /// To the ERP and back.
    fn carry(&self, side: &ErpSide, wake: &Arc<Notify>, tasks: &mut Tasks, shutdown: &Shutdown) {
        // Reservations are made without it.
        for component in [&self.components.carrying, &self.components.transfers] {
            component.ready();
        }
        let work = self.erp_work();
        let carrier = Carrier {
            side: side.clone(),
            work: work.clone(),
            log: self.log.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            wake: wake.clone(),
            component: self.components.carrying.clone(),
            waiting: self.waiting.clone(),
            holder: self.holder.clone(),
            takeover_after: self.config.takeover_after,
        };
        tasks.spawn(
            "carrying reservations to the erp",
            carrier.run(shutdown.clone()),
        );
        let warehouses = side.warehouses.clone();
        tasks.spawn(
            "asking the erp for its stores",
            warehouses.keep(self.ids.clone(), shutdown.clone()),
        );
        let transfers = Transfers {
            side: side.clone(),
            work,
            log: self.log.clone(),
            clock: self.clock.clone(),
            wake: wake.clone(),
            database: self.database.clone(),
            foreign: self.foreign.clone(),
        };
        let reader = Reader {
            flow: Flow::Transfers,
            name: format!("transfers/{}", side.erp.code()),
            holder: self.holder.clone(),
            erp: side.erp.clone(),
            database: self.database.clone(),
            log: self.log.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            component: self.components.transfers.clone(),
            takeover_after: self.config.takeover_after,
            compare_every: None,
        };
        tasks.spawn(
            "reading transfers of the erp",
            reader.follow(Arc::new(transfers), shutdown.clone()),
        );
    }
}
