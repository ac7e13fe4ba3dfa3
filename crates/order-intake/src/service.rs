//! config → build → run.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use millrace_contract::order::v1::order_admin_service_server::OrderAdminServiceServer;
use millrace_contract::order::v1::order_service_server::OrderServiceServer;
use millrace_erp::{Erp, Flow};
use millrace_erp_poster::{Errands, Poster, Settings, Words, Work};
use millrace_erp_reader::Reader;
use millrace_event_bus::{Bus, BusError, Consumer, Routes, consume};
use millrace_event_store::{
    Database, EventLog, Migrations, Sealer, StoreError, migrations, project,
};
use millrace_service_kit::health::{Component, Health};
use millrace_service_kit::metrics::{Counter, Gauge, Metrics};
use millrace_service_kit::{Clock, Ids, Shutdown, TaskError, Tasks};
use millrace_values::Channels;
use thiserror::Error;
use tokio::sync::Notify;

use crate::config::{Config, DRAIN};
use crate::inbound::archivist::Archivist;
use crate::inbound::documents::Documents;
use crate::inbound::grpc::{Desk, OrderAdminApi, OrderApi};
use crate::inbound::master_data::{GROUP, MasterData, TOPICS};
use crate::inbound::returns::{self, ReturnRows};
use crate::orders::Orders;
use crate::outbound::customers::Customers;
use crate::outbound::{Attempt, Figures};
use crate::read_model::{DOCUMENT_WORK, Knowledge, Listing, NAME, OrderRows, TABLES};

/// This service's tables.
pub static MIGRATIONS: Migrations = migrations!("order-intake");

/// Between two looks for items, customers and returns: nobody waits for one but held orders, and each look costs several transactions.
const PACE: Duration = Duration::from_millis(50);

/// What the service stands on.
#[derive(Clone)]
pub struct Ports {
    /// Named `order-intake`, migrated with [`MIGRATIONS`], the bus's and those of operations.
    pub database: Database,
    pub bus: Arc<dyn Bus>,
    pub erp: Arc<dyn Erp>,
    /// Who creates customers: [`crate::GrpcCustomers`].
    pub customers: Arc<dyn Customers>,
    /// Of this service's database.
    pub sealer: Arc<Sealer>,
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
    #[error("order-intake cannot use its database")]
    Store(#[from] StoreError),
    #[error("order-intake cannot read or publish")]
    Bus(#[from] BusError),
    #[error("order-intake stopped")]
    Task(#[from] TaskError),
}

pub struct Service {
    config: Config,
    ports: Ports,
    log: Arc<dyn EventLog>,
    desk: Desk,
    /// Orders may have work now.
    wake: Arc<Notify>,
    posting: Component,
    documents: Component,
    history: Component,
    newcomers: Component,
    figures: Figures,
    foreign: Counter,
    waiting: Gauge,
    unasked: Gauge,
}

impl Service {
    /// # Errors
    /// The database is away, or not migrated.
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
        let metrics = &ports.metrics;
        let counter = |name: &str, help: &str| metrics.register(name, help, Counter::default());
        let figures = Figures {
            posted: counter(
                "order_intake_posted",
                "Orders that became documents of the ERP",
            ),
            refused: counter("order_intake_refused", "Orders the ERP refused"),
            unknown: counter(
                "order_intake_unknown_outcomes",
                "Attempts to post whose outcome nobody knew; repeated",
            ),
            away: counter(
                "order_intake_erp_away",
                "Attempts to post while the ERP was away; repeated",
            ),
        };
        let desk = Desk {
            orders: Orders::new(log.clone(), ports.clock.clone(), ports.ids.clone()),
            log: log.clone(),
            knowledge: Knowledge::new(ports.database.clone()),
            listing: Listing::new(ports.database.clone()),
            work: Work::new(
                TABLES,
                ports.database.clone(),
                ports.clock.clone(),
                &ports.ids,
                config.claim,
            ),
            sealer: ports.sealer.clone(),
            channels: ports.channels.clone(),
            ids: ports.ids.clone(),
            stopping: Shutdown::new(),
            accepted: counter("order_intake_accepted", "Orders taken"),
            held: counter("order_intake_held", "Orders held when they were taken"),
        };
        let posting = ports.health.component("order-intake.posting");
        let documents = ports.health.component("order-intake.documents");
        // Orders are taken while the ERP is away: reading its documents is no condition for serving.
        documents.ready();
        let history = ports.health.component("order-intake.history");
        history.ready();
        let newcomers = ports.health.component("order-intake.new-customers");
        newcomers.ready();
        let foreign = counter(
            "order_intake_foreign_documents",
            "Documents of the ERP for orders that were not taken here",
        );
        let waiting = metrics.register(
            "order_intake_waiting",
            "Orders that wait for a check or to be posted",
            Gauge::default(),
        );
        let unasked = metrics.register(
            "order_intake_documents_to_ask_for",
            "Orders whose documents the ERP is still to be asked for, since its feed may have forgotten some",
            Gauge::default(),
        );
        Ok(Self {
            config,
            log,
            desk,
            wake: Arc::default(),
            posting,
            documents,
            history,
            newcomers,
            figures,
            foreign,
            waiting,
            unasked,
            ports,
        })
    }

    /// `order.v1.OrderService`, for the server's router.
    #[must_use]
    pub fn grpc(&self) -> OrderServiceServer<OrderApi> {
        OrderServiceServer::new(OrderApi::new(self.desk.clone()))
            .max_decoding_message_size(self.ports.message_limit)
    }

    /// `order.v1.OrderAdminService`, for the server's router.
    #[must_use]
    pub fn admin_grpc(&self) -> OrderAdminServiceServer<OrderAdminApi> {
        OrderAdminServiceServer::new(OrderAdminApi::new(self.desk.clone()))
            .max_decoding_message_size(self.ports.message_limit)
    }

    /// Keeps the rows in step, reads items and customers, posts orders, reads the ERP's documents (one process at a time),
    /// publishes the log; until shutdown, then finishes what is in hand.
    ///
    /// # Errors
    /// What no retry mends: the log was closed, tables are missing.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), ServiceError> {
        let mut tasks = Tasks::default();
        let ports = &self.ports;
        let rows = OrderRows::new(self.desk.orders.clone(), self.desk.work.clone());
        let (database, log, stop) = (ports.database.clone(), self.log.clone(), shutdown.clone());
        tasks.spawn("keeping the rows of orders", async move {
            project(&database, log, rows, stop).await
        });
        let handler = Arc::new(MasterData {
            clock: ports.clock.clone(),
            wake: self.wake.clone(),
            told: Mutex::default(),
        });
        let consumer = Consumer::new(GROUP, &TOPICS, ports.database.clone(), handler).pace(PACE);
        tasks.spawn(
            "reading items and customers",
            consume(ports.bus.clone(), consumer, shutdown.clone()),
        );
        let database = ports.database.clone();
        let consumer = Consumer::new(
            returns::GROUP,
            &returns::TOPICS,
            database,
            Arc::new(ReturnRows),
        );
        tasks.spawn(
            "reading returns",
            consume(ports.bus.clone(), consumer.pace(PACE), shutdown.clone()),
        );
        tasks.spawn("posting orders", self.poster().run(shutdown.clone()));
        let (reader, documents) = (self.reader(), Arc::new(self.documents()));
        let archivist = self.archivist(documents.clone());
        tasks.spawn(
            "asking the erp for documents",
            archivist.run(shutdown.clone()),
        );
        tasks.spawn(
            "reading the erp's documents",
            reader.follow(documents, shutdown.clone()),
        );
        let (bus, log, stop) = (ports.bus.clone(), self.log.clone(), shutdown.clone());
        tasks.spawn("publishing orders", async move {
            bus.relay(log, Routes::Internal, stop).await
        });
        let (asked, stopping) = (shutdown.clone(), self.desk.stopping.clone());
        tasks.spawn("ending watches", async move {
            asked.cancelled().await;
            stopping.cancel();
            Ok::<_, StoreError>(())
        });
        Ok(tasks.run(&shutdown, DRAIN).await?)
    }

    fn poster(&self) -> Poster {
        let ports = &self.ports;
        Poster {
            words: Words {
                one: "an order",
                many: "orders",
            },
            attempt: Arc::new(Attempt {
                orders: self.desk.orders.clone(),
                knowledge: self.desk.knowledge.clone(),
                erp: ports.erp.clone(),
                customers: ports.customers.clone(),
                sealer: ports.sealer.clone(),
                channels: ports.channels.clone(),
                limit: self.config.attempt_limit,
                figures: self.figures.clone(),
                newcomers: self.newcomers.clone(),
            }),
            work: self.desk.work.clone(),
            database: ports.database.clone(),
            projection: NAME,
            log: self.log.clone(),
            wake: self.wake.clone(),
            settings: Settings {
                at_once: self.config.posting_at_once,
                first_pause: self.config.first_pause,
                longest_pause: self.config.longest_pause,
                claim: self.config.claim,
                recheck_every: self.config.recheck_every,
            },
            ids: ports.ids.clone(),
            component: self.posting.clone(),
            waiting: self.waiting.clone(),
        }
    }

    fn documents(&self) -> Documents {
        let ports = &self.ports;
        Documents {
            erp: ports.erp.code().clone(),
            orders: self.desk.orders.clone(),
            work: self.document_work(),
            database: ports.database.clone(),
            log: self.log.clone(),
            clock: ports.clock.clone(),
            ids: ports.ids.clone(),
            wake: Arc::default(),
            foreign: self.foreign.clone(),
        }
    }

    fn document_work(&self) -> Errands {
        let (database, ids) = (self.ports.database.clone(), self.ports.ids.clone());
        Errands::new(database, ids, DOCUMENT_WORK)
    }

    fn archivist(&self, documents: Arc<Documents>) -> Archivist {
        let ports = &self.ports;
        Archivist {
            erp: ports.erp.clone(),
            work: self.document_work(),
            wake: documents.wake.clone(),
            documents,
            flow: self.flow(),
            database: ports.database.clone(),
            log: self.log.clone(),
            clock: ports.clock.clone(),
            ids: ports.ids.clone(),
            component: self.history.clone(),
            waiting: self.unasked.clone(),
            holder: ports.ids.uuid_at(ports.clock.now()).to_string(),
            takeover_after: self.config.takeover_after,
        }
    }

    /// Lease and cursor of the ERP's documents.
    fn flow(&self) -> String {
        format!("documents/{}", self.ports.erp.code())
    }

    fn reader(&self) -> Reader {
        let ports = &self.ports;
        Reader {
            flow: Flow::Documents,
            name: self.flow(),
            holder: ports.ids.uuid_at(ports.clock.now()).to_string(),
            erp: ports.erp.clone(),
            database: ports.database.clone(),
            log: self.log.clone(),
            clock: ports.clock.clone(),
            ids: ports.ids.clone(),
            component: self.documents.clone(),
            takeover_after: self.config.takeover_after,
            compare_every: None,
        }
    }
}
