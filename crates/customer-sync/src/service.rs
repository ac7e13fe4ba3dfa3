//! The service: config → build → run.

use std::sync::Arc;
use std::time::Duration;

use millrace_contract::customer::v1::customer_service_server::CustomerServiceServer;
use millrace_erp::{Erp, Flow};
use millrace_erp_reader::Reader;
use millrace_event_bus::{Bus, BusError, Routes};
use millrace_event_store::{Database, EventLog, Sealer, StoreError, Streams, project};
use millrace_service_kit::health::Health;
use millrace_service_kit::{Clock, Ids, Shutdown};
use millrace_values::Channels;
use thiserror::Error;

use crate::config::Config;
use crate::inbound::{Customers, MirrorSink, Register};
use crate::{MIGRATIONS, read_model};

/// How long a comparison waits for the rows to reach the log.
const PATIENCE: Duration = Duration::from_secs(60);

/// What it stands on.
pub struct Ports {
    pub database: Database,
    pub bus: Arc<dyn Bus>,
    pub erp: Arc<dyn Erp>,
    pub channels: Arc<Channels>,
    pub sealer: Arc<Sealer>,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
    pub health: Health,
    /// This process, unique among those that may ask for a lease.
    pub holder: String,
    /// Largest message a client may send.
    pub message_limit: usize,
}

#[derive(Debug, Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Bus(#[from] BusError),
}

pub struct Service {
    log: Arc<dyn EventLog>,
    reader: Reader,
    sink: Arc<MirrorSink>,
    customers: Customers,
    bus: Arc<dyn Bus>,
    message_limit: usize,
}

impl Service {
    /// # Errors
    /// The schema is not there or is newer than this binary.
    pub async fn build(config: Config, ports: Ports) -> Result<Self, Error> {
        let Ports {
            database,
            bus,
            erp,
            channels,
            sealer,
            clock,
            ids,
            health,
            holder,
            message_limit,
        } = ports;
        database
            .check(&[&MIGRATIONS, millrace_operations::migrations()])
            .await?;
        let log = database.log().await?;
        let reader = Reader {
            flow: Flow::Customers,
            name: format!("customers/{}", erp.code()),
            holder,
            erp: erp.clone(),
            database: database.clone(),
            log: log.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            component: health.component("customer-sync: customers of the erp"),
            takeover_after: config.takeover_after,
            compare_every: Some(config.compare_every),
        };
        let sink = Arc::new(MirrorSink {
            erp: erp.code().clone(),
            database: database.clone(),
            log: log.clone(),
            sealer: sealer.clone(),
            streams: Streams::new(log.clone(), clock.clone(), ids.clone()),
            patience: PATIENCE,
            clock: clock.clone(),
            ids: ids.clone(),
        });
        let register = Register {
            erp,
            sealer: sealer.clone(),
            streams: Streams::new(log.clone(), clock.clone(), ids.clone()),
        };
        let customers = Customers {
            database,
            sealer,
            channels,
            register,
            clock,
            ids,
        };
        Ok(Self {
            log,
            reader,
            sink,
            customers,
            bus,
            message_limit,
        })
    }

    /// For the process's gRPC server.
    #[must_use]
    pub fn grpc(
        &self,
    ) -> CustomerServiceServer<
        impl millrace_contract::customer::v1::customer_service_server::CustomerService + use<>,
    > {
        CustomerServiceServer::new(self.customers.clone())
            .max_decoding_message_size(self.message_limit)
    }

    /// Mirrors, projects and publishes until shutdown is asked.
    ///
    /// # Errors
    /// The log was closed; everything else is retried.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), Error> {
        let Self {
            log,
            reader,
            sink,
            customers,
            bus,
            message_limit: _,
        } = self;
        let projecting = async {
            project(
                &customers.database,
                log.clone(),
                Arc::new(read_model::Customers),
                shutdown.clone(),
            )
            .await?;
            Ok::<_, Error>(())
        };
        let relaying = async {
            Ok(bus
                .relay(log.clone(), Routes::Internal, shutdown.clone())
                .await?)
        };
        let reading = async { Ok(reader.follow(sink, shutdown.clone()).await?) };
        tokio::try_join!(projecting, relaying, reading)?;
        Ok(())
    }
}
