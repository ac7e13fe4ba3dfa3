//! Who gets in, and how services of ours get in at each other: tokens, issuers of tokens, certificates.

use std::sync::Arc;

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millrace_order_intake::{Customers, GrpcCustomers};
use millrace_service_kit::auth::{Issuers, TokenSettings, Tokens};
use millrace_service_kit::grpc::inside::{self, Visitors};
use millrace_service_kit::metrics::Metrics;
use millrace_service_kit::tls::{Server, TlsServer};
use millrace_service_kit::{Clock, Ids, Secret, health};

use super::{Selection, ServiceName};
use crate::exit::WrongSettings;
use crate::settings::Settings;

pub struct Access {
    pub tokens: Tokens,
    pub issuers: Issuers,
    pub tls: Option<TlsServer>,
    pub customers: Option<Arc<dyn Customers>>,
    /// Calls from within the process, where services in it call each other.
    pub visitors: Option<Visitors>,
}

impl Access {
    pub fn new(
        settings: &Settings,
        selection: &Selection,
        clock: &Arc<dyn Clock>,
        ids: &Ids,
    ) -> Result<Self> {
        let internal = internal_token(settings, ids);
        let issuers = settings.issuers(clock)?;
        let tls = TlsServer::load(&settings.grpc.tls)
            .map_err(|error| WrongSettings(format!("grpc.tls.{}", health::chain(&error))))?;
        let Registration {
            customers,
            visitors,
        } = registration(settings, selection, &internal)?;
        Ok(Self {
            tokens: tokens(settings, &internal)?.with_issuers(issuers.clone()),
            issuers,
            tls,
            customers,
            visitors,
        })
    }

    pub fn show(&self, metrics: &Metrics) {
        if let Some(tls) = &self.tls {
            tls.show(metrics);
        }
    }
}

/// The token services show each other; made at start where everything runs in one process.
fn internal_token(settings: &Settings, ids: &Ids) -> Secret {
    match settings.services.token.expose() {
        "" => Secret::new(STANDARD.encode(ids.bytes::<32>())),
        token => Secret::new(token),
    }
}

fn tokens(settings: &Settings, internal: &Secret) -> Result<Tokens> {
    let own = TokenSettings {
        name: "millrace".into(),
        token: Some(internal.clone()),
        sha256: None,
        channel: None,
        scopes: ["customer:read", "customer:register"]
            .map(str::to_owned)
            .into(),
    };
    let tokens = Tokens::new(settings.tokens.iter().cloned().chain([own]));
    Ok(tokens.map_err(|error| WrongSettings(format!("tokens: {error}")))?)
}

/// Who creates customers for order-intake.
#[derive(Default)]
struct Registration {
    customers: Option<Arc<dyn Customers>>,
    visitors: Option<Visitors>,
}

/// Where order-intake finds customer-sync: as the settings say, or in this process.
fn registration(
    settings: &Settings,
    selection: &Selection,
    internal: &Secret,
) -> Result<Registration> {
    if !selection.has(ServiceName::OrderIntake) {
        return Ok(Registration::default());
    }
    let services = &settings.services;
    let (server, visitors) = match services.customer_sync.as_str() {
        "" if selection.has(ServiceName::CustomerSync) => {
            let (inside, visitors) = inside::way();
            (Server::inside(inside), Some(visitors))
        }
        "" => {
            return Err(WrongSettings(
                "services.customer_sync is empty: say where customer-sync answers".into(),
            )
            .into());
        }
        address => {
            let server = Server::new(address, &services.tls);
            let wrong = |error| format!("services.customer_sync: {}", health::chain(&error));
            (server.map_err(|error| WrongSettings(wrong(error)))?, None)
        }
    };
    Ok(Registration {
        customers: Some(Arc::new(GrpcCustomers::new(server, internal))),
        visitors,
    })
}
