//! Wiring, on one screen: which services run in this process, and what they stand on.

mod foundation;
mod selection;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use millrace_contract::operations::v1::parked_service_server::ParkedServiceServer;
use millrace_erp::business_central::{BusinessCentral, webhooks};
use millrace_event_store::Database;
use millrace_operations::Parked;
use millrace_service_kit::health::Component;
use millrace_service_kit::{Shutdown, Tasks, grpc, monitoring};
use tokio::net::TcpListener;
use tonic::service::Routes;
use tracing::info;

use crate::settings::Settings;
use foundation::Foundation;

pub use foundation::migrate;
pub use selection::{Selection, ServiceName};

/// Everything of one process, built and listening, not yet running.
pub struct System {
    foundation: Foundation,
    listeners: Listeners,
    routes: Routes,
    tasks: Tasks,
    /// Asked of the services and listeners when the process stops.
    shutdown: Shutdown,
    process: Component,
    drain: Duration,
}

struct Listeners {
    grpc: TcpListener,
    monitoring: TcpListener,
    hooks: TcpListener,
}

/// Where the process listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    pub grpc: SocketAddr,
    pub monitoring: SocketAddr,
}

impl System {
    /// Checks settings, binds listeners, opens databases; fails early and by name.
    pub async fn build(settings: &Settings, selection: Selection) -> Result<Self> {
        let listeners = Listeners::bind(settings).await?;
        let grpc = listeners.grpc.local_addr()?;
        let foundation = Foundation::lay(settings, &selection, grpc).await?;
        let process = foundation.health.component("process");
        let mut system = Self {
            foundation,
            listeners,
            routes: Routes::default(),
            tasks: Tasks::default(),
            shutdown: Shutdown::new(),
            process,
            drain: settings.drain,
        };
        for service in selection.iter() {
            system
                .add(service, settings)
                .await
                .with_context(|| format!("{service} cannot start"))?;
        }
        Ok(system)
    }

    async fn add(&mut self, service: ServiceName, settings: &Settings) -> Result<()> {
        let stop = self.shutdown.clone();
        match service {
            ServiceName::CatalogSync => {
                let service = millrace_catalog_sync::Service::build(
                    settings.catalog_sync.clone(),
                    self.foundation.catalog_sync()?,
                )
                .await?;
                self.serve(|routes| routes.add_service(service.grpc()));
                self.tasks.spawn("catalog-sync", service.run(stop));
            }
            ServiceName::CustomerSync => {
                let service = millrace_customer_sync::Service::build(
                    settings.customer_sync.clone(),
                    self.foundation.customer_sync()?,
                )
                .await?;
                self.serve(|routes| routes.add_service(service.grpc()));
                self.tasks.spawn("customer-sync", service.run(stop));
            }
            ServiceName::OrderIntake => {
                let service = millrace_order_intake::Service::build(
                    settings.order_intake.clone(),
                    self.foundation.order_intake()?,
                )
                .await?;
                self.serve(|routes| {
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
                self.serve(|routes| routes.add_service(service.grpc()));
                self.tasks.spawn("stock-availability", service.run(stop));
            }
            ServiceName::ShopDelivery => {
                let service = millrace_shop_delivery::Service::build(
                    settings.shop_delivery.clone(),
                    self.foundation.shop_delivery()?,
                )
                .await?;
                self.serve(|routes| routes.add_service(service.grpc()));
                self.tasks.spawn("shop-delivery", service.run(stop));
            }
        }
        Ok(())
    }

    fn serve(&mut self, add: impl FnOnce(Routes) -> Routes) {
        self.routes = add(std::mem::take(&mut self.routes));
    }

    pub fn addresses(&self) -> Addresses {
        let address =
            |listener: &TcpListener| listener.local_addr().expect("the listener is bound");
        Addresses {
            grpc: address(&self.listeners.grpc),
            monitoring: address(&self.listeners.monitoring),
        }
    }

    /// Runs until shutdown is asked and work in hand is finished, or until a task dies.
    pub async fn run(self, shutdown: Shutdown) -> Result<()> {
        let Self {
            foundation,
            listeners,
            routes,
            mut tasks,
            shutdown: stop,
            process,
            drain,
        } = self;
        let parked = ParkedServiceServer::new(Parked::new(foundation.databases()));
        let routes = routes.add_service(parked);
        tasks.spawn(
            "grpc",
            grpc::serve(listeners.grpc, routes, foundation.entrance(), stop.clone()),
        );
        // Looked at from outside until the very end: it says "not ready" while the rest drains.
        let (watch, watched) = (
            Shutdown::new(),
            (foundation.health.clone(), foundation.metrics.clone()),
        );
        let monitored = tokio::spawn(monitoring::serve(
            listeners.monitoring,
            watched.0,
            watched.1,
            watch.clone(),
        ));
        if let Some(erp) = &foundation.erp {
            tasks.spawn("hooks", hooks(listeners.hooks, erp.clone(), stop.clone()));
            tasks.spawn(
                "webhook subscriptions",
                subscriptions(erp.clone(), stop.clone()),
            );
        }
        process.ready();
        info!("millrace is up");
        let asked = tokio::spawn({
            let (shutdown, stop) = (shutdown.clone(), stop.clone());
            async move {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = stop.cancelled() => shutdown.cancel(),
                }
                process.stopping();
                stop.cancel();
            }
        });
        let ended = tasks.run(&stop, drain).await;
        asked.await?;
        for database in foundation.databases() {
            database.close().await;
        }
        watch.cancel();
        monitored.await??;
        ended.context("a part of the process died")?;
        info!("millrace has stopped");
        Ok(())
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

impl Listeners {
    async fn bind(settings: &Settings) -> Result<Self> {
        Ok(Self {
            grpc: bind("grpc.listen", settings.grpc.listen).await?,
            monitoring: bind("monitoring.listen", settings.monitoring.listen).await?,
            hooks: bind("hooks.listen", settings.hooks.listen).await?,
        })
    }
}

async fn bind(key: &str, address: SocketAddr) -> Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| {
        format!("address {address} ({key}) cannot be used; is another millrace running?")
    })
}

/// The databases a process opens: one per service, and one per channel's feed.
type Databases = Vec<Database>;
