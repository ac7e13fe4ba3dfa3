//! The settings' root: every component owns its own section. `defaults.toml` is the reference.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use millrace_doorbell::{Names, SystemNames};
use millrace_erp::business_central;
use millrace_event_bus::KafkaSettings;
use millrace_service_kit::auth::{IssuerSettings, Issuers, TokenSettings, Tokens};
use millrace_service_kit::tls::{TlsClientSettings, TlsServerSettings};
use millrace_service_kit::{Clock, Ids, Secret, SystemClock, grpc, settings, telemetry};
use millrace_shop_delivery::Doorbells;
use millrace_values::{Channel, Channels};
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use url::Url;

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
    pub http: Http,
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
    #[serde(default)]
    pub issuers: Vec<IssuerSettings>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Secret because it may carry a password.
    pub url: Secret,
    /// PEM file with the server's authorities; empty: as the url says.
    pub ca: PathBuf,
    pub connections: u32,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Database")
            .field("url", &self.url)
            .field("ca", &self.ca)
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
    pub tls: TlsServerSettings,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Empty: nobody calls in JSON.
    #[serde(deserialize_with = "address_or_none")]
    pub listen: Option<SocketAddr>,
}

fn address_or_none<'de, D: Deserializer<'de>>(text: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(text)?;
    match text.as_str() {
        "" => Ok(None),
        address => address.parse().map(Some).map_err(D::Error::custom),
    }
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
    pub tls: TlsClientSettings,
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
        settings.database_url()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        settings.issuers(&clock)?;
        settings.quotas()?;
        if settings.bus.kind == BusKind::Kafka && settings.bus.kafka.bootstrap.is_empty() {
            return Err(WrongSettings(
                "bus.kafka.bootstrap is empty: name at least one broker, e.g. \"kafka:9092\""
                    .into(),
            )
            .into());
        }
        if settings.bus.kind == BusKind::Kafka {
            let said = settings.bus.kafka.says_what_it_does();
            said.map_err(|wrong| WrongSettings(format!("bus.kafka.librdkafka: {wrong}")))?;
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

    pub fn issuers(&self, clock: &Arc<dyn Clock>) -> Result<Issuers> {
        Ok(Issuers::new(self.issuers.clone(), clock)
            .map_err(|error| WrongSettings(format!("issuers: {error}")))?)
    }

    fn quotas(&self) -> Result<()> {
        let (limits, channels) = (&self.grpc.limits, self.channels()?);
        let usual = (None, limits.calls_per_second, limits.burst);
        let own = limits.channels.iter();
        let own = own.map(|(code, own)| (Some(code), own.calls_per_second, own.burst));
        for (code, calls_per_second, burst) in [usual].into_iter().chain(own) {
            let place = code.map_or("grpc.limits".into(), |code| {
                format!("grpc.limits.channels.{code}")
            });
            if calls_per_second == 0 || burst == 0 {
                return Err(WrongSettings(format!(
                    "{place}: calls_per_second and burst are at least 1"
                ))
                .into());
            }
            let known = |code: &String| channels.iter().any(|one| one.code.as_str() == code);
            if !code.is_none_or(known) {
                return Err(WrongSettings(format!("{place}: there is no such channel")).into());
            }
        }
        Ok(())
    }

    /// What the choice of traces depends on: the one secret that every process has. Where it is not set there is one process alone.
    pub fn trace_key(&self) -> Secret {
        match self.personal.key.expose() {
            "" => Secret::new(u128::from_be_bytes(Ids::random().bytes()).to_string()),
            key => Secret::new(key),
        }
    }

    /// In contrast to files, which are there or not.
    pub fn database_is_a_server(&self) -> bool {
        self.database.url.expose().starts_with("postgres")
    }

    /// Where the databases are: the url, or SQLite files in the data directory.
    pub fn database_url(&self) -> Result<String> {
        let ca = &self.database.ca;
        match self.database.url.expose() {
            url if !ca.as_os_str().is_empty() => Ok(checked(url, ca)?),
            "" => Ok(format!("sqlite:{}", self.data_dir.display())),
            url => {
                says_what_it_does(url)?;
                Ok(url.to_owned())
            }
        }
    }
}

/// The address of a server that has to show a certificate of these authorities, for the name it is called by.
fn checked(url: &str, ca: &Path) -> Result<String, WrongSettings> {
    let mut url = Url::parse(url)
        .ok()
        .filter(|url| url.scheme().starts_with("postgres"))
        .ok_or_else(|| WrongSettings("database.ca: database.url names no PostgreSQL".into()))?;
    let said = url
        .query_pairs()
        .any(|(name, _)| name.replace('-', "").starts_with("ssl"));
    if said {
        return Err(WrongSettings(
            "database.ca: database.url says how to use TLS already (ssl…)".into(),
        ));
    }
    url.query_pairs_mut()
        .append_pair("sslmode", "verify-full")
        .append_pair("sslrootcert", &ca.display().to_string());
    Ok(url.into())
}

/// Some of what PostgreSQL's own clients understand would be done by halves here, and nobody told.
fn says_what_it_does(url: &str) -> Result<(), WrongSettings> {
    // Whoever connects says what is wrong with it otherwise.
    let Some(url) = Url::parse(url)
        .ok()
        .filter(|url| url.scheme().starts_with("postgres"))
    else {
        return Ok(());
    };
    let said = |names: &[&str]| {
        let said = url
            .query_pairs()
            .filter(|(name, _)| names.contains(&name.as_ref()));
        said.last().map(|(_, value)| value.to_ascii_lowercase())
    };
    let mode = said(&["sslmode", "ssl-mode"]).unwrap_or_default();
    let wrong = match &*mode {
        "allow" => "sslmode=allow would speak in the clear: use prefer, require or verify-full",
        "verify-ca" => {
            "sslmode=verify-ca would take any name that a public authority signed for: use verify-full"
        }
        "verify-full" => return Ok(()),
        _ if said(&["sslrootcert", "ssl-root-cert", "ssl-ca"]).is_some() => {
            "sslrootcert is not looked at without sslmode=verify-full"
        }
        _ => return Ok(()),
    };
    Err(WrongSettings(format!("database.url: {wrong}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_of_the_database_that_would_be_none_is_refused() {
        for (options, says) in [
            ("sslmode=verify-ca&sslrootcert=/ca.crt", "verify-ca"),
            ("sslmode=Allow", "in the clear"),
            ("sslrootcert=/ca.crt", "not looked at"),
            ("sslmode=require&ssl-root-cert=/ca.crt", "not looked at"),
            ("sslmode=verify-full&sslmode=verify-ca", "verify-ca"),
        ] {
            let refused = says_what_it_does(&format!("postgres://canary@db/m?{options}"));
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
            assert!(!refused.contains("canary") && !refused.contains('\n'));
        }
        for url in [
            "postgres://db/m",
            "postgres://db/m?sslmode=disable",
            "postgresql://db/m?sslmode=verify-full&sslrootcert=/ca.crt",
            "sqlite:/var/lib/millrace?mode=rwc",
        ] {
            assert!(says_what_it_does(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn an_authority_has_the_databases_certificate_and_name_checked() {
        let ca = Path::new("/run/secrets/database/ca.crt");
        assert_eq!(
            checked(
                "postgres://millrace:secret@db/millrace?application_name=x",
                ca
            )
            .unwrap(),
            "postgres://millrace:secret@db/millrace?application_name=x&sslmode=verify-full\
             &sslrootcert=%2Frun%2Fsecrets%2Fdatabase%2Fca.crt"
        );
        for (url, says) in [
            ("postgres://canary@db/m?sslmode=disable", "TLS already"),
            ("postgres://canary@db/m?ssl-root-cert=x", "TLS already"),
            ("sqlite:canary", "names no PostgreSQL"),
            ("", "names no PostgreSQL"),
            ("canary", "names no PostgreSQL"),
        ] {
            let refused = checked(url, ca).unwrap_err().to_string();
            assert!(
                refused.contains(says) && !refused.contains("canary"),
                "{refused}"
            );
        }
    }
}
