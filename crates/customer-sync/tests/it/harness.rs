//! A simulator, a running service and clients of it.

use std::sync::Arc;
use std::time::Duration;

use millrace_contract::customer::v1::customer_service_client::CustomerServiceClient;
use millrace_contract::customer::v1::{
    GetCustomerRequest, GetCustomerResponse, get_customer_request::By,
};
use millrace_contract::personal::v1::{Address, Personal};
use millrace_customer_sync::{Config, MIGRATIONS, NAME, Ports, Service};
use millrace_erp::Erp;
use millrace_erp::business_central::BusinessCentral;
use millrace_erp_simulator::{Config as ErpConfig, Simulator};
use millrace_event_bus::{Bus, EmbeddedBus};
use millrace_event_store::{Database, DatabaseSettings, LEASE_TAKEN, Recorded, Sealer};
use millrace_service_kit::auth::{TokenSettings, Tokens};
use millrace_service_kit::grpc::{Entrance, Limits, serve};
use millrace_service_kit::health::Health;
use millrace_service_kit::metrics::Metrics;
use millrace_service_kit::{Ids, Secret, Shutdown, SystemClock};
use millrace_test_rig::until;
use millrace_values::{Channel, Channels};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel as Connection;
use tonic::{Request, Status};

pub const PATIENCE: Duration = Duration::from_secs(20);
/// The shop's own token.
pub const SHOP: &str = "the-shops-own-token-1";
/// What order-intake shows.
pub const SERVICE: &str = "a-token-of-a-service-1";
pub const TOYS: &str = "the-toys-own-token-12";
pub const BLIND: &str = "a-token-without-scope";

pub type Client = CustomerServiceClient<InterceptedService<Connection, Bearer>>;

#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", token.clone());
        }
        Ok(request)
    }
}

pub async fn simulator() -> Simulator {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Simulator::start(ErpConfig::default(), listener)
        .await
        .unwrap()
}

pub async fn database(url: &str) -> Database {
    let settings = DatabaseSettings::new(url, NAME);
    let database = Database::open(&settings, Arc::new(SystemClock), Ids::random())
        .await
        .unwrap();
    let owners = [millrace_operations::migrations(), &MIGRATIONS];
    database.migrate(&owners).await.unwrap();
    database
}

pub struct Running {
    pub database: Database,
    pub sealer: Arc<Sealer>,
    pub health: Health,
    address: String,
    shutdown: Shutdown,
    tasks: Vec<JoinHandle<()>>,
}

/// In memory, caught up with the simulator.
pub async fn running(simulator: &Simulator) -> Running {
    let running = start(simulator, database("sqlite::memory:").await).await;
    running.ready().await;
    running
}

pub async fn start(simulator: &Simulator, database: Database) -> Running {
    start_on(simulator, database, Arc::new(EmbeddedBus::new())).await
}

pub async fn start_on(simulator: &Simulator, database: Database, bus: Arc<dyn Bus>) -> Running {
    start_with(adapter(simulator), database, bus).await
}

pub fn adapter(simulator: &Simulator) -> Arc<BusinessCentral> {
    let text = format!(
        "code = 'bc-main'\naddress = '{url}/v2.0'\nsign_in_address = '{url}'\ntenant = 'demo'\nenvironment = 'production'\n\
         client_id = 'millrace-demo'\nclient_secret = 'millrace-demo'\nlimits = {{ write_timeout = '500ms', timeout = '2s' }}\n\
         reading = {{ page_size = 10, queue_interval = '20ms' }}",
        url = simulator.url()
    );
    let settings = toml::from_str(&text).unwrap();
    Arc::new(BusinessCentral::connect(settings, Arc::new(SystemClock), Ids::random()).unwrap())
}

pub async fn start_with(erp: Arc<dyn Erp>, database: Database, bus: Arc<dyn Bus>) -> Running {
    let health = Health::default();
    let sealer = Arc::new(Sealer::new(database.clone(), &[7; 32]));
    let ports = Ports {
        database: database.clone(),
        bus,
        erp,
        channels: Arc::new(channels()),
        sealer: sealer.clone(),
        clock: Arc::new(SystemClock),
        ids: Ids::random(),
        health: health.clone(),
        holder: "test".into(),
        message_limit: 64 * 1024,
    };
    let config = Config {
        takeover_after: Duration::from_millis(400),
        ..Config::default()
    };
    let service = Service::build(config, ports).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let routes = tonic::service::Routes::new(service.grpc());
    let entrance = Entrance {
        tokens: tokens(),
        limits: Limits::default(),
        health: health.clone(),
        metrics: Metrics::default(),
        descriptors: millrace_contract::DESCRIPTORS,
        quick: &[],
    };
    let shutdown = Shutdown::new();
    let (stop_serving, stop_running) = (shutdown.clone(), shutdown.clone());
    let tasks = vec![
        tokio::spawn(async move {
            serve(listener, routes, entrance, stop_serving)
                .await
                .unwrap()
        }),
        tokio::spawn(async move { service.run(stop_running).await.unwrap() }),
    ];
    Running {
        database,
        sealer,
        health,
        address,
        shutdown,
        tasks,
    }
}

impl Running {
    pub async fn ready(&self) {
        until(PATIENCE, "the service is ready", async || {
            self.health.report().ready.then_some(())
        })
        .await;
    }

    pub async fn client(&self, token: Option<&str>) -> Client {
        let connection = Connection::from_shared(self.address.clone())
            .unwrap()
            .connect()
            .await
            .unwrap();
        let token = token.map(|token| format!("Bearer {token}").parse().unwrap());
        CustomerServiceClient::with_interceptor(connection, Bearer(token))
    }

    /// What a service is answered, as soon as `holds`.
    pub async fn until_customer(
        &self,
        by: By,
        holds: impl Fn(&GetCustomerResponse) -> bool,
    ) -> GetCustomerResponse {
        let client = self.client(Some(SERVICE)).await;
        until(PATIENCE, "the customer is as expected", async || {
            let answer = got(&mut client.clone(), by.clone()).await.ok()?;
            holds(&answer).then_some(answer)
        })
        .await
    }

    /// Everything told so far, of this kind's short name: `CustomerChanged`.
    pub async fn told(&self, kind: &str) -> Vec<Recorded> {
        let events = self
            .database
            .log()
            .await
            .unwrap()
            .read_feed(0, 100_000)
            .await
            .unwrap();
        events
            .into_iter()
            .filter(|event| event.event.kind != LEASE_TAKEN && event.event.kind.ends_with(kind))
            .collect()
    }

    /// Returns when everything has stopped by itself.
    pub async fn stop(self) -> Database {
        self.shutdown.cancel();
        for task in self.tasks {
            tokio::time::timeout(PATIENCE, task)
                .await
                .expect("it stops when asked")
                .unwrap();
        }
        self.database
    }
}

pub async fn got(client: &mut Client, by: By) -> Result<GetCustomerResponse, Status> {
    let request = GetCustomerRequest {
        channel: "furniture".into(),
        by: Some(by),
    };
    Ok(client.get_customer(request).await?.into_inner())
}

pub fn personal(name: &str) -> Personal {
    Personal {
        sell_to: Some(Address {
            name: name.into(),
            address_line1: "Heidestraße 17".into(),
            postal_code: "51147".into(),
            city: "Köln".into(),
            country_code: "DE".into(),
            ..Address::default()
        }),
        email: "erika@example.com".into(),
        ..Personal::default()
    }
}

fn tokens() -> Tokens {
    let token = |name: &str, secret: &str, channel: Option<&str>, scopes: &[&str]| TokenSettings {
        name: name.into(),
        token: Some(Secret::new(secret)),
        sha256: None,
        channel: channel.map(Into::into),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    };
    Tokens::new([
        token(
            "shop",
            SHOP,
            Some("furniture"),
            &["customer:read", "customer:register"],
        ),
        token(
            "service",
            SERVICE,
            None,
            &["customer:read", "customer:register", "customer:personal"],
        ),
        token(
            "toys",
            TOYS,
            Some("toys"),
            &["customer:read", "customer:register"],
        ),
        token("blind", BLIND, Some("furniture"), &["stock:read"]),
    ])
    .unwrap()
}

fn channels() -> Channels {
    let channel = |code: &str| -> Channel {
        let text = format!(
            "code = '{code}'\nerp = 'bc-main'\nlanguages = ['de-DE']\nlocation_group = ['MAIN']\ncurrency = 'EUR'\nprices_include_tax = false"
        );
        toml::from_str(&text).unwrap()
    };
    Channels::new([channel("furniture"), channel("toys")]).unwrap()
}
