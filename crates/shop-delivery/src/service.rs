//! config → build → run.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::SignedDuration;
use millrace_contract::changes::v1::change_feed_service_server::ChangeFeedServiceServer;
use millrace_contract::changes::v1::doorbell_service_server::DoorbellServiceServer;
use millrace_doorbell::Names;
use millrace_event_bus::{Bus, BusError, Consumer, Routes, consume};
use millrace_event_store::{
    Database, EventLog, Held, Migrations, Post, StoreError, migrations, while_holding,
};
use millrace_service_kit::health::{Component, Health};
use millrace_service_kit::metrics::Metrics;
use millrace_service_kit::{Clock, Ids, Shutdown, TaskError, Tasks};
use millrace_values::{ChannelCode, Channels};
use thiserror::Error;
use tracing::error;

use crate::config::Config;
use crate::domain::view::View;
use crate::doorbells::{Doorbells, DoorbellsError, Figures, Ringer, ring_all};
use crate::inbound::deliver::{Delivery, TOPICS};
use crate::inbound::doorbells::{Desk, DoorbellApi};
use crate::inbound::grpc::{ChangeFeedApi, Feed};
use crate::inbound::kinds::Catalogue;
use crate::inbound::review::review;
use crate::inbound::standings::Standings;

/// This service's tables, in every feed's database.
pub static MIGRATIONS: Migrations = migrations!("shop-delivery");

/// Name of a channel's database and log.
#[must_use]
pub fn database_name(channel: &ChannelCode) -> String {
    format!("feed-{channel}")
}

/// What the service stands on.
#[derive(Clone)]
pub struct Ports {
    /// One database per channel, named by [`database_name`], migrated with [`MIGRATIONS`] and those of event-bus.
    pub feeds: HashMap<ChannelCode, Database>,
    pub bus: Arc<dyn Bus>,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
    pub channels: Arc<Channels>,
    /// Who knows where the shops' doorbells are.
    pub names: Arc<dyn Names>,
    pub health: Health,
    pub metrics: Metrics,
    /// Largest message a client may send.
    pub message_limit: usize,
}

#[derive(Debug, Error)]
pub enum ServiceError {
    #[error("channel {0} has no database for its feed")]
    NoDatabase(ChannelCode),
    #[error(transparent)]
    Doorbells(#[from] DoorbellsError),
    #[error("shop-delivery cannot use a feed's database")]
    Store(#[from] StoreError),
    #[error("shop-delivery stopped")]
    Task(#[from] TaskError),
}

pub struct Service {
    config: Config,
    ports: Ports,
    feeds: Vec<(View, Feed, Component)>,
    doorbells: Doorbells,
    figures: Figures,
    standings: Standings,
    /// Cancelled when `run` is asked to stop; streams and waits look at it.
    stopping: Shutdown,
}

impl Service {
    /// # Errors
    /// A channel without a database, or one that is away or not migrated; a doorbell that cannot be meant.
    pub async fn build(config: Config, ports: Ports) -> Result<Self, ServiceError> {
        let doorbells = Doorbells::new(&config, &ports.channels, &ports.names)?;
        let figures = Figures::default();
        ports.metrics.show(figures.clone());
        let standings = Standings::default();
        ports.metrics.show(standings.clone());
        let mut feeds = Vec::new();
        for channel in ports.channels.iter() {
            let code = &channel.code;
            let database = ports
                .feeds
                .get(code)
                .ok_or_else(|| ServiceError::NoDatabase(code.clone()))?
                .clone();
            database
                .check(&[&MIGRATIONS, millrace_event_bus::migrations()])
                .await?;
            let log = database.log().await?;
            let component = ports.health.component(format!("shop-delivery.{code}"));
            feeds.push((View::of(channel), Feed { database, log }, component));
        }
        Ok(Self {
            config,
            ports,
            feeds,
            doorbells,
            figures,
            standings,
            stopping: Shutdown::new(),
        })
    }

    /// `changes.v1.ChangeFeedService`, for the server's router.
    #[must_use]
    pub fn grpc(&self) -> ChangeFeedServiceServer<ChangeFeedApi> {
        let feeds = self
            .feeds
            .iter()
            .map(|(view, feed, _)| (view.channel().clone(), feed.clone()));
        ChangeFeedServiceServer::new(ChangeFeedApi {
            feeds: Arc::new(feeds.collect()),
            catalogue: Arc::new(Catalogue::of_the_contract()),
            clock: self.ports.clock.clone(),
            shutdown: self.stopping.clone(),
        })
        .max_decoding_message_size(self.ports.message_limit)
    }

    /// `changes.v1.DoorbellService`, for the server's router.
    #[must_use]
    pub fn doorbell_grpc(&self) -> DoorbellServiceServer<DoorbellApi> {
        let channels = self.feeds.iter().map(|(view, feed, _)| {
            let channel = view.channel().clone();
            let desk = Desk {
                channel: channel.clone(),
                feed: feed.clone(),
                doorbells: self.doorbells.of(&channel),
            };
            (channel, desk)
        });
        DoorbellServiceServer::new(DoorbellApi {
            channels: Arc::new(channels.collect()),
            clock: self.ports.clock.clone(),
            ids: self.ports.ids.clone(),
        })
        .max_decoding_message_size(self.ports.message_limit)
    }

    /// Fills every channel's feed (one process at a time each), publishes it and rings its doorbells; until shutdown, then finishes
    /// what is in hand.
    ///
    /// # Errors
    /// What no retry mends: a log was closed, tables are missing.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), ServiceError> {
        let mut tasks = Tasks::default();
        let holder = self.ports.ids.uuid_at(self.ports.clock.now()).to_string();
        for (view, feed, component) in &self.feeds {
            let post = Post {
                lease: "deliver".to_owned(),
                holder: holder.clone(),
                ttl: self.config.takeover_after,
            };
            let filling = Filling {
                view: view.clone(),
                feed: feed.clone(),
                bus: self.ports.bus.clone(),
                component: component.clone(),
            };
            tasks.spawn("filling a feed", fill(filling, post, shutdown.clone()));
            let (bus, log, stop) = (self.ports.bus.clone(), feed.log.clone(), shutdown.clone());
            let routes = Routes::Channel(view.channel().to_string());
            tasks.spawn("publishing a feed", async move {
                bus.relay(log, routes, stop).await
            });
            let ringers = self.ringers(view.channel(), feed);
            if !ringers.is_empty() {
                let post = Post {
                    lease: "doorbells".to_owned(),
                    holder: holder.clone(),
                    ttl: self.config.takeover_after,
                };
                tasks.spawn(
                    "ringing doorbells",
                    ring_all(ringers, feed.log.clone(), post, shutdown.clone()),
                );
            }
        }
        let feeds = self.feeds.iter();
        let feeds = feeds.map(|(view, feed, _)| (view.channel().clone(), feed.clone()));
        let looking = self.standings.follow(feeds.collect(), shutdown.clone());
        tasks.spawn("looking how far consumers are", looking);
        let (asked, stopping) = (shutdown.clone(), self.stopping.clone());
        tasks.spawn("ending streams", async move {
            asked.cancelled().await;
            stopping.cancel();
            Ok::<_, StoreError>(())
        });
        Ok(tasks.run(&shutdown, crate::config::DRAIN).await?)
    }

    /// Of a staging channel there are none.
    fn ringers(&self, channel: &ChannelCode, feed: &Feed) -> Vec<Ringer> {
        let of_channel = self.doorbells.of(channel);
        if of_channel.staging {
            return Vec::new();
        }
        let give_up_after = self.config.give_up_after.try_into();
        let give_up_after = give_up_after.unwrap_or(SignedDuration::MAX);
        let ringers = of_channel.bells.values().map(|doorbell| Ringer {
            channel: channel.clone(),
            doorbell: doorbell.clone(),
            feed: feed.clone(),
            clock: self.ports.clock.clone(),
            ids: self.ports.ids.clone(),
            figures: self.figures.clone(),
            give_up_after,
        });
        ringers.collect()
    }
}

/// One channel's feed and where it comes from.
struct Filling {
    view: View,
    feed: Feed,
    bus: Arc<dyn Bus>,
    component: Component,
}

async fn fill(filling: Filling, post: Post, shutdown: Shutdown) -> Result<(), StoreError> {
    let filling = &filling;
    let log: &Arc<dyn EventLog> = &filling.feed.log;
    while_holding(
        log,
        &post,
        &shutdown,
        || filling.component.ready(),
        |held, stop| filling.work(held, stop),
    )
    .await
}

impl Filling {
    /// Until the lease is lost or shutdown is asked.
    async fn work(&self, held: Held, stop: Shutdown) {
        let channel = self.view.channel();
        if let Err(error) =
            review(&self.feed.database, &self.feed.log, &self.view, &held.lease).await
        {
            self.trouble("reviewed", &error);
            return;
        }
        let group = format!("shop-delivery.{channel}");
        let handler = Arc::new(Delivery::new(self.view.clone()));
        let consumer = Consumer::new(&group, &TOPICS, self.feed.database.clone(), handler)
            .under(held.lease.clone());
        // What the feed holds can be read, however far it still has to catch up.
        self.component.ready();
        if let Err(error) = consume(self.bus.clone(), consumer, stop).await {
            self.stalled(&error);
        }
    }

    fn stalled(&self, error: &BusError) {
        self.trouble("filled", error);
    }

    fn trouble(&self, what: &str, error: &(dyn std::error::Error + 'static)) {
        let channel = self.view.channel();
        if self
            .component
            .trouble(format!("the feed of {channel} cannot be {what}: {error}"))
        {
            error!(channel = %channel, error, "the feed of channel {channel} cannot be {what}, trying again");
        }
    }
}
