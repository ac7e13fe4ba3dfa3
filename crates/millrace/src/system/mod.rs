//! Wiring, on one screen: which services run in this process, and what they stand on.

mod access;
mod early;
mod foundation;
mod neighbours;
mod opening;
mod places;
mod selection;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use millrace_contract::operations::v1::parked_service_server::ParkedServiceServer;
use millrace_erp::business_central::{BusinessCentral, webhooks};
use millrace_event_store::Database;
use millrace_json_door::JsonDoor;
use millrace_operations::Parked;
use millrace_service_kit::grpc::{self, Calls, Listener};
use millrace_service_kit::health::Component;
use millrace_service_kit::{Shutdown, Tasks, monitoring};
use tokio::net::TcpListener;
use tonic::service::Routes;
use tracing::info;

use crate::settings::{BusKind, Settings};
use foundation::Foundation;
use opening::Opening;

pub use places::{Place, database_names, migrate, open, owners, places};
pub use selection::{Selection, ServiceName};

/// Everything of one process: its settings are checked and it listens, but it does not run yet.
pub struct System {
    monitoring: TcpListener,
    process: Process,
}

/// All of it that works.
struct Process {
    settings: Settings,
    selection: Selection,
    foundation: Foundation,
    listeners: Listeners,
    routes: Routes,
    tasks: Tasks,
    /// Asked of the services and listeners when the process stops.
    shutdown: Shutdown,
    health: Component,
    database: Component,
}

struct Listeners {
    grpc: TcpListener,
    http: Option<TcpListener>,
    hooks: TcpListener,
}

/// Where the process listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    pub grpc: SocketAddr,
    /// `None`: no JSON over HTTP.
    pub http: Option<SocketAddr>,
    pub monitoring: SocketAddr,
}

impl System {
    /// Checks settings and binds listeners; fails early and by name. Asks no neighbour.
    pub async fn build(settings: &Settings, selection: Selection) -> Result<Self> {
        let listeners = Listeners {
            grpc: bind("grpc.listen", settings.grpc.listen).await?,
            http: match settings.http.listen {
                Some(address) => Some(bind("http.listen", address).await?),
                None => None,
            },
            hooks: bind("hooks.listen", settings.hooks.listen).await?,
        };
        let monitoring = bind("monitoring.listen", settings.monitoring.listen).await?;
        let foundation = Foundation::lay(settings, &selection)?;
        let process = Process {
            settings: settings.clone(),
            selection,
            health: foundation.health.component("process"),
            database: foundation.health.component("database"),
            foundation,
            listeners,
            routes: Routes::default(),
            tasks: Tasks::default(),
            shutdown: Shutdown::new(),
        };
        Ok(Self {
            monitoring,
            process,
        })
    }

    pub fn addresses(&self) -> Addresses {
        let address =
            |listener: &TcpListener| listener.local_addr().expect("the listener is bound");
        Addresses {
            grpc: address(&self.process.listeners.grpc),
            http: self.process.listeners.http.as_ref().map(address),
            monitoring: address(&self.monitoring),
        }
    }

    /// Runs until shutdown is asked and work in hand is finished, or until a task dies.
    pub async fn run(self, shutdown: Shutdown) -> Result<()> {
        // Looked at from outside from the beginning to the very end: it says what is waited for, and "not ready" while the
        // rest drains.
        let watch = Shutdown::new();
        let monitored = tokio::spawn(monitoring::serve(
            self.monitoring,
            self.process.foundation.health.clone(),
            self.process.foundation.metrics.clone(),
            watch.clone(),
        ));
        let ended = self.process.run(shutdown).await;
        watch.cancel();
        monitored.await??;
        ended?;
        info!("millrace has stopped");
        Ok(())
    }
}

impl Process {
    async fn run(mut self, shutdown: Shutdown) -> Result<()> {
        self.look_after_access();
        let waited = Shutdown::new();
        if self.settings.database_is_a_server() {
            // Until the first failure is known, which may take a while.
            self.database.trouble("the database has not answered yet");
            let entrance = self.foundation.entrance();
            let tls = self.foundation.access.tls.clone();
            early::answer(&self.listeners, tls, entrance, waited.clone())?;
        }
        let opened = tokio::select! {
            opened = self.open() => opened.map(|()| true),
            () = shutdown.cancelled() => Ok(false),
        };
        waited.cancel();
        if opened? {
            return self.serve(shutdown).await;
        }
        // Services that found their database have begun already.
        self.shutdown.cancel();
        Ok(self.tasks.run(&self.shutdown, self.settings.drain).await?)
    }

    /// Opens the databases and builds the services on them, for as long as it takes.
    async fn open(&mut self) -> Result<()> {
        let mut opening = Opening::new(self.database.clone(), self.foundation.ids.clone());
        let selection = self.selection.clone();
        while let Err(error) = self.foundation.open(&self.settings, &selection).await {
            opening.after(error).await?;
        }
        for service in selection.iter() {
            while let Err(error) = self.add(service).await {
                let error = error.context(format!("{service} cannot start"));
                opening.after(error).await?;
            }
        }
        opening.succeeded();
        self.database.ready();
        Ok(())
    }

    async fn add(&mut self, service: ServiceName) -> Result<()> {
        let (settings, stop) = (&self.settings, self.shutdown.clone());
        match service {
            ServiceName::CatalogSync => {
                let service = millrace_catalog_sync::Service::build(
                    settings.catalog_sync.clone(),
                    self.foundation.catalog_sync()?,
                )
                .await?;
                self.route(|routes| routes.add_service(service.grpc()));
                self.tasks.spawn("catalog-sync", service.run(stop));
            }
            ServiceName::CustomerSync => {
                let service = millrace_customer_sync::Service::build(
                    settings.customer_sync.clone(),
                    self.foundation.customer_sync()?,
                )
                .await?;
                self.route(|routes| routes.add_service(service.grpc()));
                self.tasks.spawn("customer-sync", service.run(stop));
            }
            ServiceName::OrderIntake => {
                let service = millrace_order_intake::Service::build(
                    settings.order_intake.clone(),
                    self.foundation.order_intake()?,
                )
                .await?;
                self.route(|routes| {
                    routes
                        .add_service(service.grpc())
                        .add_service(service.admin_grpc())
                });
                self.tasks.spawn("order-intake", service.run(stop));
            }
            ServiceName::StockAvailability => {
                let service = millrace_stock_availability::Service::build(
                    settings.stock_availability.clone(),
                    self.foundation.stock_availability()?,
                )
                .await?;
                self.route(|routes| routes.add_service(service.grpc()));
                self.tasks.spawn("stock-availability", service.run(stop));
            }
            ServiceName::Reservation => {
                let service = millrace_reservation::Service::build(
                    settings.reservation.clone(),
                    self.foundation.reservation()?,
                )
                .await?;
                self.route(|routes| routes.add_service(service.grpc()));
                self.tasks.spawn("reservation", service.run(stop));
            }
            ServiceName::Returns => {
                let service = millrace_returns::Service::build(
                    settings.returns.clone(),
                    self.foundation.returns()?,
                )
                .await?;
                self.route(|routes| {
                    routes
                        .add_service(service.grpc())
                        .add_service(service.admin_grpc())
                });
                self.tasks.spawn("returns", service.run(stop));
            }
            ServiceName::ShopDelivery => {
                let service = millrace_shop_delivery::Service::build(
                    settings.shop_delivery.clone(),
                    self.foundation.shop_delivery()?,
                )
                .await?;
                self.route(|routes| {
                    routes
                        .add_service(service.grpc())
                        .add_service(service.doorbell_grpc())
                });
                self.tasks.spawn("shop-delivery", service.run(stop));
            }
        }
        Ok(())
    }

    /// From the beginning: calls are answered, and refused, before there is a database.
    fn look_after_access(&mut self) {
        let (foundation, stop) = (&self.foundation, self.shutdown.clone());
        if let Some(tls) = &foundation.access.tls {
            let component = foundation.health.component("certificates");
            let watching = tls.clone().watch(component, stop.clone());
            self.tasks.spawn("watching certificates", watching);
        }
        let watching = foundation.access.issuers.clone().watch(
            foundation.health.clone(),
            foundation.metrics.clone(),
            foundation.ids.clone(),
            stop,
        );
        self.tasks.spawn("watching issuers of tokens", watching);
    }

    fn route(&mut self, add: impl FnOnce(Routes) -> Routes) {
        self.routes = add(std::mem::take(&mut self.routes));
    }

    async fn serve(self, shutdown: Shutdown) -> Result<()> {
        let Self {
            settings,
            mut foundation,
            listeners,
            routes,
            mut tasks,
            shutdown: stop,
            health,
            database,
            selection: _,
        } = self;
        let parked = ParkedServiceServer::new(Parked::new(foundation.databases()))
            .max_decoding_message_size(foundation.limits.message_bytes());
        let entrance = foundation.entrance();
        let calls = Calls::new(routes.add_service(parked), &entrance);
        if let Some(tcp) = listeners.http {
            let json = JsonDoor::new(calls.clone(), &entrance)?;
            let listener = Listener {
                tcp,
                tls: foundation.access.tls.clone(),
            };
            let limits = entrance.limits.clone();
            let serving = millrace_json_door::serve(listener, json, limits, stop.clone());
            tasks.spawn("json over http", serving);
        }
        if let Some(visitors) = foundation.access.visitors.take() {
            let inside =
                grpc::serve_inside(visitors, calls.clone(), entrance.clone(), stop.clone());
            tasks.spawn("grpc inside the process", inside);
        }
        let listener = Listener {
            tcp: listeners.grpc,
            tls: foundation.access.tls.clone(),
        };
        tasks.spawn(
            "grpc",
            grpc::serve_calls(listener, calls, entrance, stop.clone()),
        );
        tasks.spawn(
            "looking at what is kept aside",
            foundation.overview().run(stop.clone()),
        );
        if let Some(erp) = &foundation.erp {
            tasks.spawn("hooks", hooks(listeners.hooks, erp.clone(), stop.clone()));
            tasks.spawn(
                "webhook subscriptions",
                subscriptions(erp.clone(), stop.clone()),
            );
        }
        if settings.bus.kind == BusKind::Kafka {
            let kafka = foundation.health.component("kafka");
            let watching = neighbours::watch_kafka(foundation.bus.clone(), kafka, stop.clone());
            tasks.spawn("watching kafka", watching);
        }
        // All of them stand on one server; files need no watching.
        let first = foundation.databases().into_iter().next();
        if let Some(first) = first.filter(|_| settings.database_is_a_server()) {
            let watching = neighbours::watch_database(first, database, stop.clone());
            tasks.spawn("watching the database", watching);
        }
        health.ready();
        info!("millrace is up");
        let asked = tokio::spawn({
            let (shutdown, stop) = (shutdown.clone(), stop.clone());
            async move {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = stop.cancelled() => shutdown.cancel(),
                }
                health.stopping();
                stop.cancel();
            }
        });
        let ended = tasks.run(&stop, settings.drain).await;
        asked.await?;
        for database in foundation.databases() {
            database.close().await;
        }
        ended.context("a part of the process died")
    }
}

async fn hooks(
    listener: TcpListener,
    erp: Arc<BusinessCentral>,
    shutdown: Shutdown,
) -> std::io::Result<()> {
    let (router, _) = webhooks::receiver(vec![erp]);
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

async fn subscriptions(erp: Arc<BusinessCentral>, shutdown: Shutdown) -> std::io::Result<()> {
    erp.webhooks(shutdown.clone()).await;
    // Without a public address there is nothing to look after; that is no reason to end the process.
    shutdown.cancelled().await;
    Ok(())
}

async fn bind(key: &str, address: SocketAddr) -> Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| {
        format!("address {address} ({key}) cannot be used; is another millrace running?")
    })
}

/// The databases a process opens: one per service, and one per channel's feed.
type Databases = Vec<Database>;
