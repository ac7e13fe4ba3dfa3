//! Where the services keep what they know: which databases there are, how they are opened, and what `millrace migrate` does.

use std::sync::Arc;

use anyhow::{Context, Result};
use millrace_event_bus::KafkaBus;
use millrace_event_store::{Database, DatabaseSettings, Migrations, Pending};
use millrace_service_kit::{Clock, Ids, SystemClock};
use millrace_values::{ChannelCode, Channels};

use super::{Selection, ServiceName};
use crate::cli::{MigrateArgs, Topics};
use crate::settings::{BusKind, Settings};

/// What stands in a service's schema besides the store's own tables.
pub fn owners(service: ServiceName) -> Vec<&'static Migrations> {
    let own = match service {
        ServiceName::CatalogSync => &millrace_catalog_sync::MIGRATIONS,
        ServiceName::CustomerSync => &millrace_customer_sync::MIGRATIONS,
        ServiceName::OrderIntake => &millrace_order_intake::MIGRATIONS,
        ServiceName::StockAvailability => &millrace_stock_availability::MIGRATIONS,
        ServiceName::Reservation => &millrace_reservation::MIGRATIONS,
        ServiceName::Returns => &millrace_returns::MIGRATIONS,
        ServiceName::ShopDelivery => &millrace_shop_delivery::MIGRATIONS,
    };
    // The services' own come last: they may move rows into the tables of the others.
    vec![
        millrace_event_bus::migrations(),
        millrace_operations::migrations(),
        own,
    ]
}

/// One database, and whose it is.
pub struct Place {
    pub service: ServiceName,
    /// Of the database and of its log.
    pub name: String,
    /// Whose feed it is.
    pub channel: Option<ChannelCode>,
}

/// Every database of the chosen services: one each, but one per channel's feed.
pub fn places(selection: &Selection, channels: &Channels) -> Vec<Place> {
    let mut places = Vec::new();
    for service in selection.iter() {
        match service {
            ServiceName::ShopDelivery => {
                places.extend(channels.iter().map(|channel| Place {
                    service,
                    name: millrace_shop_delivery::database_name(&channel.code),
                    channel: Some(channel.code.clone()),
                }));
            }
            ServiceName::CatalogSync
            | ServiceName::CustomerSync
            | ServiceName::OrderIntake
            | ServiceName::StockAvailability
            | ServiceName::Reservation
            | ServiceName::Returns => places.push(Place {
                service,
                name: service.as_str().to_owned(),
                channel: None,
            }),
        }
    }
    places
}

/// Of everything in one process.
pub fn database_names(settings: &Settings) -> Result<Vec<String>> {
    let places = places(&Selection::all(), &settings.channels()?);
    Ok(places.into_iter().map(|place| place.name).collect())
}

/// `millrace migrate`: tables of the services and, with Kafka, topics; a new epoch of their logs. Answers what was done, or would be.
pub async fn migrate(
    settings: &Settings,
    selection: &Selection,
    wanted: &MigrateArgs,
) -> Result<Vec<String>> {
    let (clock, ids): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), Ids::random());
    let mut done = Vec::new();
    for Place { service, name, .. } in places(selection, &settings.channels()?) {
        let database = open(settings, &name, &clock, &ids).await?;
        let owners = owners(service);
        let steps: Vec<Pending> = if wanted.dry_run {
            database.pending(&owners).await?
        } else {
            database.migrate(&owners).await?
        };
        done.extend(steps.iter().map(|step| format!("{name}: {step}")));
        if wanted.new_epoch {
            if !wanted.dry_run {
                database.begin_epoch().await?;
            }
            done.push(format!("{name}: a new epoch of its log"));
        }
        database.close().await;
    }
    let makes_topics = settings.bus.kind == BusKind::Kafka && wanted.topics == Topics::On;
    if makes_topics && !wanted.dry_run {
        let bus = KafkaBus::new(settings.bus.kafka.clone(), "migrate")?;
        done.extend(
            bus.create_topics()
                .await?
                .into_iter()
                .map(|topic| format!("kafka: topic {topic}")),
        );
        for channel in settings.channels()?.iter() {
            let topics = bus.create_channel_topics(channel.code.as_str()).await?;
            done.extend(
                topics
                    .into_iter()
                    .map(|topic| format!("kafka: topic {topic}")),
            );
        }
    }
    Ok(done)
}

/// Connects to one of them.
pub async fn open(
    settings: &Settings,
    name: &str,
    clock: &Arc<dyn Clock>,
    ids: &Ids,
) -> Result<Database> {
    let mut place = DatabaseSettings::new(settings.database_url()?, name);
    place.connections = settings.database.connections;
    let opened = Database::open(&place, clock.clone(), ids.clone()).await;
    opened.with_context(|| format!("database of {name} cannot be opened"))
}
