//! Consumers that park what they are told to, their database, and the calls about them.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use millrace_contract::operations::v1 as wire;
use millrace_contract::operations::v1::parked_service_server::ParkedService;
use millrace_event_bus::{
    Bus, Consumer, EmbeddedBus, HandleError, Handler, Outcome, Routes, consume,
};
use millrace_event_store::{
    Append, Cause, Database, DatabaseSettings, Expected, NewEvent, Recorded, Tx,
};
use millrace_operations::{Parked, SCOPE};
use millrace_service_kit::auth::Caller;
use millrace_service_kit::{Ids, Shutdown, SystemClock};
use tonic::{Request, Status};
use tracing::subscriber::DefaultGuard;
use uuid::Uuid;

pub const PATIENCE: Duration = Duration::from_secs(30);

/// Parks whatever says `poison`, until there is an antidote.
#[derive(Default)]
pub struct Taster {
    pub antidote: AtomicBool,
    pub taken: Mutex<Vec<String>>,
}

impl Taster {
    pub fn mend(&self) {
        self.antidote.store(true, Ordering::Relaxed);
    }

    pub fn taken(&self) -> Vec<String> {
        self.taken.lock().expect("unpoisoned").clone()
    }
}

#[async_trait]
impl Handler for Taster {
    async fn handle(&self, _: &mut Tx, recorded: &Recorded) -> Result<Outcome, HandleError> {
        let body = String::from_utf8_lossy(&recorded.event.payload).into_owned();
        if body == "poison" && !self.antidote.load(Ordering::Relaxed) {
            return Ok(Outcome::parked("it is poisoned"));
        }
        let key = &recorded.event.key;
        self.taken
            .lock()
            .expect("unpoisoned")
            .push(format!("{key} {body}"));
        Ok(Outcome::Done)
    }
}

pub struct World {
    pub bus: Arc<EmbeddedBus>,
    pub taster: Arc<Taster>,
    shutdown: Shutdown,
}

impl World {
    pub fn new() -> Self {
        Self {
            bus: Arc::new(EmbeddedBus::new()),
            taster: Arc::default(),
            shutdown: Shutdown::new(),
        }
    }

    /// A service's database with a consumer of orders that runs until the world ends.
    pub async fn service(&self, name: &str) -> Database {
        let sink = database(name).await;
        let consumer = Consumer::new(name, &["webshop-orders"], sink.clone(), self.taster.clone());
        let (bus, stop) = (self.bus.clone(), self.shutdown.clone());
        tokio::spawn(consume(bus, consumer, stop));
        sink
    }

    /// A log of orders, each `<key> <body>`, that is published until the world ends.
    pub async fn orders(&self, orders: &[&str]) {
        self.publish(&log_of(orders).await).await;
    }

    /// Publishes a log until the world ends or the answer is cancelled.
    pub async fn publish(&self, source: &Database) -> Shutdown {
        let (bus, log) = (self.bus.clone(), source.log().await.expect("a log"));
        let stop = self.shutdown.child_token();
        let stopped = stop.clone();
        tokio::spawn(async move { bus.relay(log, Routes::Internal, stopped).await });
        stop
    }

    /// A service with so many parked orders `o1`, `o2`, ….
    pub async fn service_with_parked(&self, name: &str, count: usize) -> Database {
        let sink = self.service(name).await;
        let orders: Vec<String> = (1..=count).map(|n| format!("o{n} poison")).collect();
        let orders: Vec<&str> = orders.iter().map(String::as_str).collect();
        self.orders(&orders).await;
        until_kept(&sink, count).await;
        sink
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub async fn until_kept(database: &Database, count: usize) {
    until(&format!("{count} are kept"), async || {
        let kept = millrace_event_bus::list_parked(database, 0, 1_000).await;
        kept.expect("readable").len() == count
    })
    .await;
}

pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    millrace_test_rig::until(PATIENCE, what, async || condition().await.then_some(())).await;
}

pub async fn database(name: &str) -> Database {
    let settings = DatabaseSettings::new("sqlite::memory:", name);
    let database = Database::open(&settings, Arc::new(SystemClock), Ids::random())
        .await
        .expect("opens");
    let owners = [
        millrace_event_bus::migrations(),
        millrace_operations::migrations(),
    ];
    database.migrate(&owners).await.expect("migrates");
    database
}

/// A log named `orders` with these orders, each `<key> <body>`.
pub async fn log_of(orders: &[&str]) -> Database {
    let source = database("orders").await;
    let log = source.log().await.expect("a log");
    for order in orders {
        let (key, body) = order.split_once(' ').expect("<key> <body>");
        let event = NewEvent {
            id: source.new_id(),
            kind: "millrace.webshop_orders.v1.OrderAccepted".to_owned(),
            key: key.to_owned(),
            erp: None,
            channel: None,
            occurred_at: source.clock().now(),
            cause: Cause {
                correlation_id: Uuid::nil(),
                causation_id: None,
                traceparent: None,
                actor: "test".to_owned(),
            },
            payload: Bytes::copy_from_slice(body.as_bytes()),
            deleted: false,
        };
        log.append(Append::to(key, Expected::Any, vec![event]))
            .await
            .expect("appended");
    }
    source
}

pub fn parked<const N: usize>(databases: [&Database; N]) -> Parked {
    Parked::new(databases.into_iter().cloned())
}

/// As an operator asks.
pub fn asked<T>(message: T) -> Request<T> {
    asked_by(message, Caller::new("anna", None, &[SCOPE]))
}

pub fn asked_by<T>(message: T, caller: Arc<Caller>) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller);
    request
}

pub async fn list(parked: &Parked) -> Vec<wire::ParkedRecord> {
    let request = asked(wire::ListParkedRequest::default());
    let answer = parked.list_parked(request).await.expect("listed");
    answer.into_inner().records
}

pub async fn retry(parked: &Parked, service: &str, ids: &[i64]) -> Result<u32, Status> {
    let request = wire::RetryParkedRequest {
        service: service.to_owned(),
        ids: ids.to_vec(),
    };
    let answer = parked.retry_parked(asked(request)).await?;
    Ok(answer.into_inner().retried)
}

pub async fn give_up(
    parked: &Parked,
    service: &str,
    ids: &[i64],
    note: &str,
) -> Result<u32, Status> {
    let request = wire::DropParkedRequest {
        service: service.to_owned(),
        ids: ids.to_vec(),
        note: note.to_owned(),
    };
    let answer = parked.drop_parked(asked(request)).await?;
    Ok(answer.into_inner().dropped)
}

/// What this thread logs.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub fn listen() -> (Self, DefaultGuard) {
        let lines = Self::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    pub fn with(&self, words: &str) -> usize {
        let text = String::from_utf8_lossy(&self.0.lock().expect("unpoisoned")).into_owned();
        text.lines().filter(|line| line.contains(words)).count()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("unpoisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
