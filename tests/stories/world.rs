//! What a journey happens in: a pretend ERP, Millrace's processes, and the shop's way to them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use millrace_erp_simulator::{CompanyData, Config, Simulator};
use millrace_test_rig::until;
use tempfile::TempDir;

use crate::process::{Process, free_address, millrace};
use crate::shop::Shop;

pub const CHANNEL: &str = "furniture";
pub const SHOP_TOKEN: &str = "story-shop-token-of-furniture";
/// Of the same channel, with every scope.
pub const ALMIGHTY_SHOP_TOKEN: &str = "story-almighty-token-of-furniture";
/// Of the same channel, without any scope.
pub const POWERLESS_SHOP_TOKEN: &str = "story-powerless-token-of-furniture";
/// Of another channel, with every scope.
pub const OTHER_SHOP_TOKEN: &str = "story-shop-token-of-garden";
pub const OPERATOR_TOKEN: &str = "story-operator-token";

pub const SERVICES: [&str; 7] = [
    "catalog-sync",
    "customer-sync",
    "order-intake",
    "stock-availability",
    "reservation",
    "returns",
    "shop-delivery",
];

/// How long anything may take before a journey counts as stuck.
pub const PATIENCE: Duration = Duration::from_secs(90);

pub struct World {
    pub simulator: Arc<Simulator>,
    pub processes: Vec<Process>,
    /// Kafka's address and the topics' prefix, where there is one.
    pub kafka: Option<(String, String)>,
    /// What every process is told besides the settings file.
    common: Vec<(String, String)>,
    hooked: bool,
    folder: TempDir,
}

/// What a journey differs in.
pub struct Plan {
    pub company: CompanyData,
    pub location_group: Vec<String>,
    pub price_groups: Vec<String>,
    pub currency: String,
    /// Where Millrace looks for the ERP; `None`: where the world's simulator answers.
    pub erp: Option<SocketAddr>,
    /// Between two looks at the ERP's change queue.
    pub look_every: Duration,
    /// Whether the ERP tells of changes through webhooks.
    pub hooked: bool,
    /// What the ERP knows Millrace by.
    pub client_secret: String,
    /// What is logged.
    pub filter: String,
    /// At the end of the settings file.
    pub more_settings: String,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            company: Config::default().company,
            location_group: ["MAIN", "SOUTH", "STORE-HH", "STORE-B", "STORE-M"]
                .map(str::to_owned)
                .to_vec(),
            price_groups: vec!["RETAIL".to_owned()],
            currency: "EUR".to_owned(),
            erp: None,
            look_every: Duration::from_secs(1),
            hooked: false,
            client_secret: "millrace-demo".to_owned(),
            filter: "info".to_owned(),
            more_settings: String::new(),
        }
    }
}

impl World {
    /// Everything in one process, on SQLite and the embedded bus.
    pub async fn in_one_process(plan: Plan) -> Self {
        let mut world = Self::with_everything_in_one_process(plan).await;
        world.ready().await;
        world
    }

    /// The same, started and not waited for.
    pub async fn with_everything_in_one_process(plan: Plan) -> Self {
        let mut world = Self::empty(plan).await;
        world.add("all", &[]);
        world
    }

    /// Each service a process of its own, on PostgreSQL and Kafka.
    pub async fn distributed(plan: Plan, postgres: &str, bootstrap: &str) -> Self {
        let mut world = Self::prepared(plan, postgres, bootstrap).await;
        world.add_services(&SERVICES);
        world.ready().await;
        world
    }

    /// PostgreSQL and Kafka with tables and topics; no process runs.
    pub async fn prepared(plan: Plan, postgres: &str, bootstrap: &str) -> Self {
        let mut world = Self::empty(plan).await;
        let prefix = format!("{}.", millrace_test_rig::unique("story"));
        let customers = free_address();
        let own = [
            ("MILLRACE_DATABASE__URL", postgres),
            ("MILLRACE_BUS__KIND", "kafka"),
            ("MILLRACE_BUS__KAFKA__BOOTSTRAP", bootstrap),
            ("MILLRACE_BUS__KAFKA__PREFIX", &prefix),
            (
                "MILLRACE_PERSONAL__KEY",
                "c3RvcnktcGVyc29uYWwta2V5LW9mLTMyLWJ5dGVzISE=",
            ),
            ("MILLRACE_SERVICES__TOKEN", "story-token-between-services"),
            (
                "MILLRACE_SERVICES__CUSTOMER_SYNC",
                &format!("http://{customers}"),
            ),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        world.common.extend(own);
        world.kafka = Some((bootstrap.to_owned(), prefix));
        world.migrate(&[]);
        world
    }

    /// The pretend ERP and the settings; no process yet, and no tables.
    pub async fn empty(plan: Plan) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = Config {
            company: plan.company.clone(),
            webhook_delay: Duration::from_millis(200),
            ..Config::default()
        };
        for client in &mut config.clients {
            client.secret.clone_from(&plan.client_secret);
        }
        let simulator = Simulator::start(config, listener).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let erp = plan.erp.unwrap_or(simulator.address());
        std::fs::write(folder.path().join("millrace.toml"), settings(&plan, erp)).unwrap();
        let data = folder.path().join("data").display().to_string();
        Self {
            simulator: Arc::new(simulator),
            processes: vec![],
            kafka: None,
            common: vec![("MILLRACE_DATA_DIR".to_owned(), data)],
            hooked: plan.hooked,
            folder,
        }
    }

    pub fn migrate(&self, environment: &[(String, String)]) {
        self.runs(&["migrate"], environment);
    }

    /// The binary with these arguments, to its good end; answers what it printed.
    pub fn runs(&self, arguments: &[&str], environment: &[(String, String)]) -> String {
        let environment = [&self.common, environment].concat();
        let output = millrace(&self.settings(), arguments, &environment)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{arguments:?} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn add_services(&mut self, services: &[&str]) {
        for service in services {
            // The one that another service calls: its address stands in everybody's settings.
            let called = self.common.iter().find_map(|(name, value)| {
                (*service == "customer-sync" && name == "MILLRACE_SERVICES__CUSTOMER_SYNC")
                    .then(|| value.trim_start_matches("http://").to_owned())
            });
            let own = called.map(|address| ("MILLRACE_GRPC__LISTEN".to_owned(), address));
            self.add(service, own.as_slice());
        }
    }

    pub fn add(&mut self, service: &str, environment: &[(String, String)]) {
        let mut environment = [&self.common, environment].concat();
        let mut address = |key: &str| {
            if let Some((_, value)) = environment.iter().find(|(name, _)| name == key) {
                return value.parse().unwrap();
            }
            let address = free_address();
            environment.push((key.to_owned(), address.to_string()));
            address
        };
        let (grpc, http, monitoring, hooks) = (
            address("MILLRACE_GRPC__LISTEN"),
            address("MILLRACE_HTTP__LISTEN"),
            address("MILLRACE_MONITORING__LISTEN"),
            address("MILLRACE_HOOKS__LISTEN"),
        );
        if self.hooked {
            environment.push((
                "MILLRACE_ERP__WEBHOOKS__PUBLIC_ADDRESS".to_owned(),
                format!("http://{hooks}/hooks"),
            ));
        }
        let mut process = Process {
            service: service.to_owned(),
            grpc,
            http,
            monitoring,
            environment,
            settings: self.settings(),
            log: self.folder.path().join(format!("{service}.log")),
            child: None,
        };
        process.start();
        self.processes.push(process);
    }

    pub fn position(&self, service: &str) -> usize {
        let fits = |process: &Process| process.service == service || process.service == "all";
        self.processes
            .iter()
            .position(fits)
            .unwrap_or_else(|| panic!("{service} runs nowhere"))
    }

    /// The process that serves this service.
    pub fn process(&self, service: &str) -> &Process {
        &self.processes[self.position(service)]
    }

    pub fn process_mut(&mut self, service: &str) -> &mut Process {
        let position = self.position(service);
        &mut self.processes[position]
    }

    /// SIGKILL: no chance to finish anything.
    pub fn kill(&mut self, service: &str) {
        self.process_mut(service).kill();
    }

    /// SIGTERM; answers how it ended.
    pub async fn stop(&mut self, service: &str) -> ExitStatus {
        self.process_mut(service).stop().await
    }

    /// Waits until it ends by itself; answers how.
    pub async fn ended(&mut self, service: &str) -> ExitStatus {
        let mut child = self.process_mut(service).child.take().expect("it runs");
        until(PATIENCE, "the process has ended", async || {
            child.try_wait().unwrap()
        })
        .await
    }

    /// What it has logged so far.
    pub fn log(&self, service: &str) -> String {
        std::fs::read_to_string(&self.process(service).log).unwrap_or_default()
    }

    pub fn start(&mut self, service: &str) {
        self.process_mut(service).start();
    }

    /// Waits until every process that runs says it is ready.
    pub async fn ready(&mut self) {
        for process in &mut self.processes {
            if process.child.is_some() {
                process.ready().await;
            }
        }
    }

    pub async fn shop(&self) -> Shop {
        self.shop_with(SHOP_TOKEN).await
    }

    pub async fn shop_with(&self, token: &str) -> Shop {
        let address = |service: &str| format!("http://{}", self.process(service).grpc);
        Shop::open(address, token).await
    }

    /// What every process is told besides the settings file.
    pub fn environment(&self) -> &[(String, String)] {
        &self.common
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn settings(&self) -> PathBuf {
        self.folder.path().join("millrace.toml")
    }
}

fn settings(plan: &Plan, erp: SocketAddr) -> String {
    let quoted = |list: &[String]| {
        list.iter()
            .map(|entry| format!("{entry:?}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    format!(
        r#"
drain = "10s"

[telemetry]
format = "json"
filter = "{filter}"

[erp]
code = "bc-main"
address = "http://{erp}/v2.0"
sign_in_address = "http://{erp}"
tenant = "demo"
environment = "production"
client_id = "millrace-demo"
client_secret = "{client_secret}"
reading = {{ queue_interval = "{look_every}ms" }}

[[channels]]
code = "{CHANNEL}"
erp = "bc-main"
languages = ["de-DE"]
price_groups = [{groups}]
location_group = [{locations}]
currency = "{currency}"
prices_include_tax = true
payment_methods = {{ paypal = "PAYPAL" }}
shipment_methods = {{ standard = "DAP" }}

[[channels]]
code = "garden"
erp = "bc-main"
languages = ["en"]
price_groups = ["TRADE"]
location_group = [{locations}]
currency = "{currency}"
prices_include_tax = false

[[reservation.stores]]
location = "STORE-HH"
channels = ["{CHANNEL}"]
time_zone = "Europe/Berlin"

[[tokens]]
name = "furniture-shop"
token = "{SHOP_TOKEN}"
channel = "{CHANNEL}"
scopes = ["catalog:read", "stock:read", "feed:read", "order:submit", "order:read", "customer:read", "reservation:create", "reservation:read", "return:submit", "return:read"]

[[tokens]]
name = "almighty-furniture-shop"
token = "{ALMIGHTY_SHOP_TOKEN}"
channel = "{CHANNEL}"
scopes = ["*"]

[[tokens]]
name = "powerless-furniture-shop"
token = "{POWERLESS_SHOP_TOKEN}"
channel = "{CHANNEL}"
scopes = []

[[tokens]]
name = "garden-shop"
token = "{OTHER_SHOP_TOKEN}"
channel = "garden"
scopes = ["*"]

[[tokens]]
name = "operator"
token = "{OPERATOR_TOKEN}"
scopes = ["*"]

# Those of `millrace demo`, so that its tour can be taken here.
[[tokens]]
name = "shop-of-the-tour"
token = "demo-furniture-shop-token"
channel = "{CHANNEL}"
scopes = ["catalog:read", "stock:read", "feed:read", "order:submit", "order:read", "customer:read", "reservation:create", "reservation:read", "return:submit", "return:read"]

[[tokens]]
name = "operator-of-the-tour"
token = "demo-operator-token"
scopes = ["*"]

{more}
"#,
        more = plan.more_settings,
        filter = plan.filter,
        client_secret = plan.client_secret,
        look_every = plan.look_every.as_millis(),
        groups = quoted(&plan.price_groups),
        locations = quoted(&plan.location_group),
        currency = plan.currency,
    )
}
