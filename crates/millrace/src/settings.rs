//! The settings' root: every component owns its own section. `defaults.toml` is the reference.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use millrace_doorbell::{Names, SystemNames};
use millrace_erp::business_central;
use millrace_event_bus::KafkaSettings;
use millrace_service_kit::auth::{TokenSettings, Tokens};
use millrace_service_kit::{Secret, grpc, settings, telemetry};
use millrace_shop_delivery::Doorbells;
use millrace_values::{Channel, Channels};
use serde::Deserialize;

use crate::exit::WrongSettings;

/// Every key with its comment; compiled in.
pub const DEFAULTS: &str = include_str!("../defaults.toml");

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub data_dir: PathBuf,
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
    pub telemetry: telemetry::Config,
    pub database: Database,
    pub bus: Bus,
    pub grpc: Grpc,
    pub http: Listen,
    pub monitoring: Listen,
    pub hooks: Listen,
    pub personal: Personal,
    pub services: Services,
    pub catalog_sync: millrace_catalog_sync::Config,
    pub customer_sync: millrace_customer_sync::Config,
    pub order_intake: millrace_order_intake::Config,
    pub stock_availability: millrace_stock_availability::Config,
    pub reservation: millrace_reservation::Config,
    pub returns: millrace_returns::Config,
    pub shop_delivery: millrace_shop_delivery::Config,
    /// The ERP and its company.
    #[serde(default)]
    pub erp: Option<business_central::Settings>,
    #[serde(default)]
    pub channels: Vec<Channel>,
    #[serde(default)]
    pub tokens: Vec<TokenSettings>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Secret because it may carry a password.
    pub url: Secret,
    pub connections: u32,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Database")
            .field("url", &self.url)
            .field("connections", &self.connections)
            .finish()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    pub kind: BusKind,
    pub kafka: KafkaSettings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BusKind {
    Embedded,
    Kafka,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grpc {
    pub listen: SocketAddr,
    pub limits: grpc::Limits,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    pub listen: SocketAddr,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Personal {
    pub key: Secret,
}

/// How services reach each other.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Services {
    pub customer_sync: String,
    pub token: Secret,
}

impl Settings {
    /// Reads defaults, file and environment, and checks what no single value can tell.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        Self::load_over(&[DEFAULTS], file)
    }

    /// The same with more defaults, each over the one before: the demo has its own.
    pub fn load_over(defaults: &[&str], file: Option<&Path>) -> Result<Self> {
        let settings: Self = settings::load(defaults, file, std::env::vars())?;
        settings.channels()?;
        settings.tokens()?;
        if settings.bus.kind == BusKind::Kafka && settings.bus.kafka.bootstrap.is_empty() {
            return Err(WrongSettings(
                "bus.kafka.bootstrap is empty: name at least one broker, e.g. \"kafka:9092\""
                    .into(),
            )
            .into());
        }
        Ok(settings)
    }

    pub fn channels(&self) -> Result<Channels> {
        Ok(Channels::new(self.channels.clone())
            .map_err(|error| WrongSettings(format!("channels: {error}")))?)
    }

    pub fn doorbells(&self) -> Result<Doorbells> {
        let names: Arc<dyn Names> = Arc::new(SystemNames);
        let doorbells = Doorbells::new(&self.shop_delivery, &self.channels()?, &names);
        Ok(doorbells.map_err(|error| WrongSettings(error.to_string()))?)
    }

    pub fn tokens(&self) -> Result<Tokens> {
        Ok(Tokens::new(self.tokens.clone())
            .map_err(|error| WrongSettings(format!("tokens: {error}")))?)
    }

    /// In contrast to files, which are there or not.
    pub fn database_is_a_server(&self) -> bool {
        self.database.url.expose().starts_with("postgres")
    }

    /// Where the databases are: the url, or SQLite files in the data directory.
    pub fn database_url(&self) -> String {
        match self.database.url.expose() {
            "" => format!("sqlite:{}", self.data_dir.display()),
            url => url.to_owned(),
        }
    }
}
