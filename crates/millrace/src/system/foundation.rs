//! What the services of a process stand on: databases, the bus, the ERP, keys and tokens.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millrace_doorbell::SystemNames;
use millrace_erp::Erp;
use millrace_erp::business_central::BusinessCentral;
use millrace_event_bus::{Bus, EmbeddedBus, KafkaBus};
use millrace_event_store::{Database, Sealer};
use millrace_operations::Overview;
use millrace_service_kit::grpc::{Entrance, Limits};
use millrace_service_kit::health::Health;
use millrace_service_kit::metrics::Metrics;
use millrace_service_kit::{Clock, Ids, SystemClock};
use millrace_values::Channels;

use super::access::Access;
use super::places::{Place, open, owners, places};
use super::{Databases, Selection, ServiceName};
use crate::exit::WrongSettings;
use crate::settings::{BusKind, Settings};

pub struct Foundation {
    databases: BTreeMap<String, Database>,
    pub bus: Arc<dyn Bus>,
    pub erp: Option<Arc<BusinessCentral>>,
    clock: Arc<dyn Clock>,
    pub ids: Ids,
    channels: Arc<Channels>,
    pub access: Access,
    personal_key: [u8; 32],
    pub limits: Limits,
    /// This process, unique among those that may ask for a lease.
    holder: String,
    pub health: Health,
    pub metrics: Metrics,
}

impl Foundation {
    /// Checks what can be checked without a neighbour. The databases are opened later, see [`Foundation::open`].
    pub fn lay(settings: &Settings, selection: &Selection) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ids = Ids::random();
        let holder = ids.uuid_at(clock.now()).to_string();
        let channels = Arc::new(settings.channels()?);
        if channels.iter().next().is_none() {
            return Err(WrongSettings(
                "channels is empty: describe at least one webshop ([[channels]])".into(),
            )
            .into());
        }
        millrace_reservation::Stores::new(&settings.reservation.stores, &channels)
            .map_err(|error| WrongSettings(error.to_string()))?;
        millrace_returns::ChannelRules::new(&settings.returns, &channels)
            .map_err(|error| WrongSettings(error.to_string()))?;
        // Secrets in files are there for those who ring.
        if selection.has(ServiceName::ShopDelivery) {
            settings.doorbells()?;
        }
        let metrics = Metrics::default();
        let erp = erp(settings, &channels, &clock, &ids)?;
        erp.show(&metrics);
        let bus = bus(settings, selection, &holder)?;
        let access = Access::new(settings, selection, &clock, &ids)?;
        access.show(&metrics);
        Ok(Self {
            databases: BTreeMap::new(),
            bus,
            erp: Some(erp),
            access,
            personal_key: personal_key(settings, &ids)?,
            clock,
            ids,
            channels,
            limits: settings.grpc.limits.clone(),
            holder,
            health: Health::default(),
            metrics,
        })
    }

    /// Opens what is not open yet; may be repeated after a failure.
    pub async fn open(&mut self, settings: &Settings, selection: &Selection) -> Result<()> {
        for Place { service, name, .. } in places(selection, &self.channels) {
            if self.databases.contains_key(&name) {
                continue;
            }
            let database = open(settings, &name, &self.clock, &self.ids).await?;
            // One process with everything is its own operator; separate processes wait for `millrace migrate`.
            if selection.is_all() {
                let migrated = database.migrate(&owners(service)).await;
                migrated.with_context(|| format!("tables of {name} cannot be made"))?;
            }
            self.databases.insert(name, database);
        }
        Ok(())
    }

    fn database(&self, service: ServiceName) -> Result<Database> {
        self.databases
            .get(service.as_str())
            .cloned()
            .with_context(|| format!("no database for {service}"))
    }

    pub fn databases(&self) -> Databases {
        self.databases.values().cloned().collect()
    }

    /// What waits for a person in any of the services.
    pub fn overview(&self) -> Overview {
        Overview::new(
            self.bus.clone(),
            self.databases(),
            &self.metrics,
            &self.health,
        )
    }

    fn erp(&self) -> Result<Arc<dyn Erp>> {
        let erp = self.erp.clone().context("no erp")?;
        Ok(erp)
    }

    fn sealer(&self, service: ServiceName) -> Result<Arc<Sealer>> {
        Ok(Arc::new(Sealer::new(
            self.database(service)?,
            &self.personal_key,
        )))
    }

    pub fn entrance(&self) -> Entrance {
        Entrance {
            tokens: self.access.tokens.clone(),
            limits: self.limits.clone(),
            health: self.health.clone(),
            metrics: self.metrics.clone(),
            descriptors: millrace_contract::DESCRIPTORS,
            quick: &millrace_stock_availability::grpc::QUICK,
        }
    }

    pub fn catalog_sync(&self) -> Result<millrace_catalog_sync::Ports> {
        Ok(millrace_catalog_sync::Ports {
            database: self.database(ServiceName::CatalogSync)?,
            bus: self.bus.clone(),
            erp: self.erp()?,
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            channels: self.channels.clone(),
            health: self.health.clone(),
            message_limit: self.limits.message_bytes(),
        })
    }

    pub fn customer_sync(&self) -> Result<millrace_customer_sync::Ports> {
        Ok(millrace_customer_sync::Ports {
            database: self.database(ServiceName::CustomerSync)?,
            bus: self.bus.clone(),
            erp: self.erp()?,
            channels: self.channels.clone(),
            sealer: self.sealer(ServiceName::CustomerSync)?,
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            health: self.health.clone(),
            holder: self.holder.clone(),
            message_limit: self.limits.message_bytes(),
        })
    }

    pub fn stock_availability(&self) -> Result<millrace_stock_availability::Ports> {
        Ok(millrace_stock_availability::Ports {
            database: self.database(ServiceName::StockAvailability)?,
            bus: self.bus.clone(),
            erp: self.erp()?,
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            channels: self.channels.clone(),
            health: self.health.clone(),
            metrics: self.metrics.clone(),
            message_limit: self.limits.message_bytes(),
        })
    }

    pub fn reservation(&self) -> Result<millrace_reservation::Ports> {
        Ok(millrace_reservation::Ports {
            database: self.database(ServiceName::Reservation)?,
            bus: self.bus.clone(),
            erp: Some(self.erp()?),
            sealer: self.sealer(ServiceName::Reservation)?,
            channels: self.channels.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            health: self.health.clone(),
            metrics: self.metrics.clone(),
            holder: self.holder.clone(),
            message_limit: self.limits.message_bytes(),
        })
    }

    pub fn returns(&self) -> Result<millrace_returns::Ports> {
        Ok(millrace_returns::Ports {
            database: self.database(ServiceName::Returns)?,
            bus: self.bus.clone(),
            erp: self.erp()?,
            sealer: self.sealer(ServiceName::Returns)?,
            channels: self.channels.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            health: self.health.clone(),
            metrics: self.metrics.clone(),
            holder: self.holder.clone(),
            message_limit: self.limits.message_bytes(),
        })
    }

    pub fn shop_delivery(&self) -> Result<millrace_shop_delivery::Ports> {
        let mut feeds = HashMap::new();
        for channel in self.channels.iter() {
            let name = millrace_shop_delivery::database_name(&channel.code);
            let database = self
                .databases
                .get(&name)
                .with_context(|| format!("no database {name}"))?;
            feeds.insert(channel.code.clone(), database.clone());
        }
        Ok(millrace_shop_delivery::Ports {
            feeds,
            bus: self.bus.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            channels: self.channels.clone(),
            names: Arc::new(SystemNames),
            health: self.health.clone(),
            metrics: self.metrics.clone(),
            message_limit: self.limits.message_bytes(),
        })
    }

    pub fn order_intake(&self) -> Result<millrace_order_intake::Ports> {
        Ok(millrace_order_intake::Ports {
            database: self.database(ServiceName::OrderIntake)?,
            bus: self.bus.clone(),
            erp: self.erp()?,
            customers: self
                .access
                .customers
                .clone()
                .context("order-intake does not know where customer-sync is")?,
            sealer: self.sealer(ServiceName::OrderIntake)?,
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            channels: self.channels.clone(),
            health: self.health.clone(),
            metrics: self.metrics.clone(),
            message_limit: self.limits.message_bytes(),
        })
    }
}

fn erp(
    settings: &Settings,
    channels: &Channels,
    clock: &Arc<dyn Clock>,
    ids: &Ids,
) -> Result<Arc<BusinessCentral>> {
    let Some(erp) = settings.erp.clone() else {
        return Err(
            WrongSettings("erp is missing: say where Business Central is ([erp])".into()).into(),
        );
    };
    if let Some(channel) = channels.iter().find(|channel| channel.erp != erp.code) {
        return Err(WrongSettings(format!(
            "channel {} sells for erp {}, but the erp is {}",
            channel.code, channel.erp, erp.code
        ))
        .into());
    }
    let connected = BusinessCentral::connect(erp, clock.clone(), ids.clone());
    Ok(Arc::new(
        connected.map_err(|error| WrongSettings(format!("erp.{error}")))?,
    ))
}

fn bus(settings: &Settings, selection: &Selection, holder: &str) -> Result<Arc<dyn Bus>> {
    match settings.bus.kind {
        BusKind::Embedded if selection.is_all() => Ok(Arc::new(EmbeddedBus::new())),
        BusKind::Embedded => {
            Err(WrongSettings("bus.kind \"embedded\" joins services of one process: run all, or set bus.kind = \"kafka\"".into()).into())
        }
        BusKind::Kafka => Ok(Arc::new(KafkaBus::new(settings.bus.kafka.clone(), holder)?)),
    }
}

/// The key that wraps every person's key: from the settings, or made once beside the SQLite files.
fn personal_key(settings: &Settings, ids: &Ids) -> Result<[u8; 32]> {
    let wrong = |place: &str| WrongSettings(format!("{place} is not the Base64 of 32 bytes"));
    let decode = |text: &str, place: &str| -> Result<[u8; 32]> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| wrong(place))?;
        Ok(bytes.try_into().map_err(|_| wrong(place))?)
    };
    match settings.personal.key.expose() {
        "" if !settings.database.url.expose().is_empty() => {
            bail!(WrongSettings("personal.key is empty: give every process the same Base64 of 32 random bytes (openssl rand -base64 32)".into()))
        }
        "" => {
            let path = settings.data_dir.join("personal.key");
            if !path.exists() {
                keep(&path, &STANDARD.encode(ids.bytes::<32>()))
                    .with_context(|| format!("{} cannot be written", path.display()))?;
            }
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            decode(&text, &path.display().to_string())
        }
        key => decode(key, "personal.key"),
    }
}

/// Writes a secret that only its owner may read.
fn keep(path: &Path, secret: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()
}
