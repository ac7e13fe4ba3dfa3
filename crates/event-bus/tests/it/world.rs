//! A bus, logs and consumers for one test; nothing is shared between tests but the servers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millrace_event_bus::{
    Bus, BusError, Consumer, EmbeddedBus, Handler, KafkaBus, KafkaSettings, Meter, Routes, consume,
    migrations,
};
use millrace_event_store::{Append, Cause, Database, DatabaseSettings, Expected, NewEvent};
use millrace_service_kit::{Ids, Shutdown, SystemClock};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::handler;

pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct World {
    pub bus: Arc<dyn Bus>,
    /// What a test adds to its group and log names: unique in this run.
    pub prefix: String,
    /// Where consumers keep their rows, if not in SQLite.
    pub postgres: Option<String>,
}

/// A task that runs until it is stopped.
pub struct Running {
    shutdown: Shutdown,
    task: JoinHandle<Result<(), BusError>>,
}

impl Running {
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.expect("did not panic").expect("ended well");
    }

    /// As a crash does: nothing is finished.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

impl World {
    pub fn embedded() -> Self {
        let _ = tracing_subscriber::fmt()
            .with_test_writer()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .try_init();
        Self {
            bus: Arc::new(EmbeddedBus::new()),
            prefix: millrace_test_rig::unique("bus"),
            postgres: None,
        }
    }

    /// The embedded bus, with consumers that keep their rows in PostgreSQL.
    pub async fn postgres() -> Self {
        let world = Self::embedded();
        let url = millrace_test_rig::postgres()
            .await
            .create_database(&world.prefix)
            .await
            .expect("a database");
        Self {
            postgres: Some(url),
            ..world
        }
    }

    /// The shared Kafka, with topics of this test's own.
    pub async fn kafka() -> Self {
        let world = Self::embedded();
        let bootstrap = millrace_test_rig::kafka().await.bootstrap();
        Self {
            bus: Arc::new(kafka_bus(&bootstrap, &world.prefix)),
            ..world
        }
    }

    /// A log to append to.
    pub async fn log(&self) -> Database {
        database("source").await
    }

    /// The same log after a restore: its name, another epoch, other events.
    pub async fn rebuilt_log(&self) -> Database {
        self.log().await
    }

    /// A database to consume into.
    pub async fn sink(&self) -> Database {
        let database = match &self.postgres {
            Some(url) => shared_database(url, &millrace_test_rig::unique("sink")).await,
            None => database("sink").await,
        };
        handler::prepare(&database).await;
        database
    }

    pub async fn relay(&self, database: &Database) -> Running {
        let (bus, log, shutdown) = (
            self.bus.clone(),
            database.log().await.expect("a log"),
            Shutdown::new(),
        );
        let stop = shutdown.clone();
        Running {
            shutdown,
            task: tokio::spawn(async move { bus.relay(log, Routes::Internal, stop).await }),
        }
    }

    pub fn consumer(
        &self,
        topics: &[&str],
        database: &Database,
        handler: Arc<dyn Handler>,
    ) -> Consumer {
        Consumer::new(
            &format!("{}.reader", self.prefix),
            topics,
            database.clone(),
            handler,
        )
    }

    pub fn consume(&self, consumer: Consumer) -> (Running, Arc<Meter>) {
        let (bus, shutdown, meter) = (self.bus.clone(), Shutdown::new(), consumer.meter());
        let stop = shutdown.clone();
        (
            Running {
                shutdown,
                task: tokio::spawn(consume(bus, consumer, stop)),
            },
            meter,
        )
    }
}

/// A bus of a process of its own.
pub fn kafka_bus(bootstrap: &str, prefix: &str) -> KafkaBus {
    KafkaBus::new(
        KafkaSettings::new(bootstrap, format!("{prefix}.")),
        millrace_test_rig::unique("holder"),
    )
    .expect("a bus")
}

pub async fn database(name: &str) -> Database {
    let settings = DatabaseSettings::new("sqlite::memory:", name);
    let database = Database::open(&settings, Arc::new(SystemClock), Ids::random())
        .await
        .expect("opens");
    database.migrate(&[migrations()]).await.expect("migrates");
    database
}

/// A database that several processes share.
pub async fn shared_database(url: &str, name: &str) -> Database {
    let settings = DatabaseSettings::new(url, name);
    let database = Database::open(&settings, Arc::new(SystemClock), Ids::random())
        .await
        .expect("opens");
    database.migrate(&[migrations()]).await.expect("migrates");
    database
}

pub fn item(database: &Database, key: &str, body: &str) -> (String, NewEvent) {
    event(database, "millrace.items.v1.ItemChanged", key, body)
}

pub fn price(database: &Database, key: &str, body: &str) -> (String, NewEvent) {
    event(database, "millrace.prices.v1.PriceChanged", key, body)
}

pub fn order(database: &Database, key: &str, body: &str) -> (String, NewEvent) {
    event(
        database,
        "millrace.webshop_orders.v1.OrderAccepted",
        key,
        body,
    )
}

pub fn event(database: &Database, kind: &str, key: &str, body: &str) -> (String, NewEvent) {
    let event = NewEvent {
        id: database.new_id(),
        kind: kind.to_owned(),
        key: key.to_owned(),
        erp: Some("bc-main".to_owned()),
        channel: None,
        occurred_at: database.clock().now(),
        cause: Cause {
            correlation_id: Uuid::nil(),
            causation_id: None,
            traceparent: None,
            actor: "test".to_owned(),
        },
        payload: Bytes::copy_from_slice(body.as_bytes()),
        deleted: body == "deleted",
    };
    (key.to_owned(), event)
}

pub async fn append(database: &Database, events: impl IntoIterator<Item = (String, NewEvent)>) {
    let log = database.log().await.expect("a log");
    for (stream, event) in events {
        log.append(Append::to(stream, Expected::Any, vec![event]))
            .await
            .expect("appended");
    }
}

/// Waits until `what` holds.
pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    millrace_test_rig::until(PATIENCE, what, async || condition().await.then_some(())).await;
}

/// Waits until as many records were taken, and gives them.
pub async fn taken(database: &Database, count: usize) -> Vec<(String, String)> {
    until(&format!("{count} records are taken"), async || {
        handler::taken(database).await.len() >= count
    })
    .await;
    handler::taken(database).await
}

pub fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(key, body)| ((*key).to_owned(), (*body).to_owned()))
        .collect()
}
