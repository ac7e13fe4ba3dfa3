//! config → build → run.

use std::sync::{Arc, Mutex};

use millrace_contract::returns::v1::return_admin_service_server::ReturnAdminServiceServer;
use millrace_contract::returns::v1::return_service_server::ReturnServiceServer;
use millrace_erp::{Erp, Flow};
use millrace_erp_poster::{Poster, Settings, Words, Work};
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
use crate::config::{ChannelRules, Config, DRAIN, RulesError};
use crate::inbound::grpc::{Desk, ReturnAdminApi, ReturnApi};
use crate::inbound::orders::{GROUP, Orders, TOPICS};
use crate::inbound::reasons::ReasonKeeper;
use crate::inbound::status::Status;
use crate::judge::Judge;
use crate::outbound::{Attempt, Figures};
use crate::read_model::{Knowledge, Listing, NAME, Reason, Reasons, ReturnRows, TABLES};
use crate::returns::Returns;

/// What the service stands on.
#[derive(Clone)]
pub struct Ports {
    /// Named `returns`, migrated with [`MIGRATIONS`], the bus's and those of operations.
    pub database: Database,
    pub bus: Arc<dyn Bus>,
    pub erp: Arc<dyn Erp>,
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
    #[error("returns cannot use its database")]
    Store(#[from] StoreError),
    #[error("returns cannot read or publish")]
    Bus(#[from] BusError),
    #[error(transparent)]
    Rules(#[from] RulesError),
    #[error("returns stopped")]
    Task(#[from] TaskError),
}

pub struct Service {
    config: Config,
    ports: Ports,
    log: Arc<dyn EventLog>,
    desk: Desk,
    /// Returns may have work now.
    wake: Arc<Notify>,
    posting: Component,
    status: Component,
    reasons: Component,
    figures: Figures,
    foreign: Counter,
    waiting: Gauge,
}

impl Service {
    /// # Errors
    /// The database is away or not migrated, or the channels of the settings make no sense.
    pub async fn build(config: Config, ports: Ports) -> Result<Self, ServiceError> {
        let rules = Arc::new(ChannelRules::new(&config, &ports.channels)?);
        let owners = [
            &MIGRATIONS,
            millrace_event_bus::migrations(),
            millrace_operations::migrations(),
        ];
        let database = &ports.database;
        database.check(&owners).await?;
        let log = database.log().await?;
        let metrics = &ports.metrics;
        let counter = |name: &str, help: &str| metrics.register(name, help, Counter::default());
        let figures = Figures {
            posted: counter("returns_posted", "Returns that became documents of the ERP"),
            refused: counter("returns_refused", "Returns the ERP refused"),
            unknown: counter(
                "returns_unknown_outcomes",
                "Attempts to hand over a return whose outcome nobody knew; repeated",
            ),
            away: counter(
                "returns_erp_away",
                "Attempts to hand over a return while the ERP was away; repeated",
            ),
        };
        let clock = ports.clock.clone();
        let desk = Desk {
            judge: Judge {
                returns: Returns::new(log.clone(), clock.clone(), ports.ids.clone()),
                knowledge: Knowledge::new(database.clone()),
                reasons: Reasons::new(database.clone()),
                rules,
            },
            erp: ports.erp.clone(),
            listing: Listing::new(database.clone()),
            work: Work::new(TABLES, database.clone(), clock, &ports.ids, config.claim),
            sealer: ports.sealer.clone(),
            channels: ports.channels.clone(),
            ids: ports.ids.clone(),
            taken: counter("returns_taken", "Returns taken"),
            held: counter("returns_held", "Returns held when they were taken"),
        };
        let status = ports.health.component("returns.status");
        // Returns are taken while the ERP is away: reading it is no condition for serving.
        status.ready();
        let reasons = ports.health.component("returns.reasons");
        reasons.ready();
        let foreign = counter(
            "returns_foreign",
            "Return orders of the ERP that were not asked for here",
        );
        let waiting = metrics.register(
            "returns_waiting",
            "Returns that wait for a check or to be handed over",
            Gauge::default(),
        );
        Ok(Self {
            config,
            log,
            desk,
            wake: Arc::default(),
            posting: ports.health.component("returns.posting"),
            status,
            reasons,
            figures,
            foreign,
            waiting,
            ports,
        })
    }

    /// `returns.v1.ReturnService`, for the server's router.
    #[must_use]
    pub fn grpc(&self) -> ReturnServiceServer<ReturnApi> {
        ReturnServiceServer::new(ReturnApi::new(self.desk.clone()))
            .max_decoding_message_size(self.ports.message_limit)
    }

    /// `returns.v1.ReturnAdminService`, for the server's router.
    #[must_use]
    pub fn admin_grpc(&self) -> ReturnAdminServiceServer<ReturnAdminApi> {
        ReturnAdminServiceServer::new(ReturnAdminApi::new(self.desk.clone()))
            .max_decoding_message_size(self.ports.message_limit)
    }

    /// Keeps the rows in step, reads orders, hands returns to the ERP, reads what became of them and their reasons (one process at a
    /// time), publishes the log; until shutdown, then finishes what is in hand.
    ///
    /// # Errors
    /// What no retry mends: the log was closed, tables are missing.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), ServiceError> {
        let mut tasks = Tasks::default();
        let ports = &self.ports;
        let rows = ReturnRows::new(self.desk.judge.returns.clone(), self.desk.work.clone());
        let (database, log, stop) = (ports.database.clone(), self.log.clone(), shutdown.clone());
        tasks.spawn("keeping the rows of returns", async move {
            project(&database, log, rows, stop).await
        });
        let handler = Arc::new(Orders {
            wake: self.wake.clone(),
            told: Mutex::default(),
        });
        let consumer = Consumer::new(GROUP, &TOPICS, ports.database.clone(), handler);
        tasks.spawn(
            "reading orders",
            consume(ports.bus.clone(), consumer, shutdown.clone()),
        );
        tasks.spawn("posting returns", self.poster().run(shutdown.clone()));
        tasks.spawn(
            "reading return reasons",
            self.keeper().run(shutdown.clone()),
        );
        let status = Arc::new(Status {
            erp: ports.erp.code().clone(),
            returns: self.desk.judge.returns.clone(),
            database: ports.database.clone(),
            ids: ports.ids.clone(),
            log: self.log.clone(),
            work: self.desk.work.clone(),
            wake: self.wake.clone(),
            foreign: self.foreign.clone(),
        });
        tasks.spawn(
            "reading the erp's returns",
            self.reader().follow(status, shutdown.clone()),
        );
        let (bus, log, stop) = (ports.bus.clone(), self.log.clone(), shutdown.clone());
        tasks.spawn("publishing returns", async move {
            bus.relay(log, Routes::Internal, stop).await
        });
        Ok(tasks.run(&shutdown, DRAIN).await?)
    }

    fn poster(&self) -> Poster {
        let ports = &self.ports;
        Poster {
            words: Words {
                one: "a return",
                many: "returns",
            },
            attempt: Arc::new(Attempt {
                judge: self.desk.judge.clone(),
                erp: ports.erp.clone(),
                sealer: ports.sealer.clone(),
                channels: ports.channels.clone(),
                limit: self.config.attempt_limit,
                figures: self.figures.clone(),
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

    fn keeper(&self) -> ReasonKeeper {
        let of_settings = self.config.reasons.iter().map(|reason| Reason {
            code: reason.code.clone(),
            description: reason.description.clone(),
            translations: reason.translations.clone(),
        });
        ReasonKeeper {
            erp: self.ports.erp.clone(),
            reasons: self.desk.judge.reasons.clone(),
            of_settings: of_settings.collect(),
            log: self.log.clone(),
            ids: self.ports.ids.clone(),
            component: self.reasons.clone(),
            wake: self.wake.clone(),
            holder: self.ports.holder.clone(),
            every: self.config.reasons_every,
            takeover_after: self.config.takeover_after,
        }
    }

    fn reader(&self) -> Reader {
        let ports = &self.ports;
        Reader {
            flow: Flow::Returns,
            name: format!("returns/{}", ports.erp.code()),
            holder: ports.holder.clone(),
            erp: ports.erp.clone(),
            database: ports.database.clone(),
            log: self.log.clone(),
            clock: ports.clock.clone(),
            ids: ports.ids.clone(),
            component: self.status.clone(),
            takeover_after: self.config.takeover_after,
            compare_every: None,
        }
    }
}
