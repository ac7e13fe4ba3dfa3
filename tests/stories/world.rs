//! What a journey happens in: a pretend ERP, Millrace's processes, and the shop's way to them.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use millrace_erp_simulator::{CompanyData, Config, Simulator};
use millrace_test_rig::until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::shop::Shop;

pub const CHANNEL: &str = "furniture";
pub const SHOP_TOKEN: &str = "story-shop-token-of-furniture";
pub const OTHER_SHOP_TOKEN: &str = "story-shop-token-of-garden";
pub const OPERATOR_TOKEN: &str = "story-operator-token";

pub const SERVICES: [&str; 5] = [
    "catalog-sync",
    "customer-sync",
    "order-intake",
    "stock-availability",
    "shop-delivery",
];

/// How long anything may take before a journey counts as stuck.
pub const PATIENCE: Duration = Duration::from_secs(90);

pub struct World {
    pub simulator: Simulator,
    pub processes: Vec<Process>,
    /// Kafka's address and the topics' prefix, where there is one.
    pub kafka: Option<(String, String)>,
    folder: TempDir,
}

/// What a journey differs in.
pub struct Plan {
    pub company: CompanyData,
    pub location_group: Vec<String>,
    pub price_groups: Vec<String>,
    pub currency: String,
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
            more_settings: String::new(),
        }
    }
}

impl World {
    /// Everything in one process, on SQLite and the embedded bus.
    pub async fn in_one_process(plan: Plan) -> Self {
        let mut world = Self::empty(plan, None).await;
        world.add("all", &[]);
        world.ready().await;
        world
    }

    /// The pretend ERP and the settings; no process yet.
    pub async fn prepared(plan: Plan) -> Self {
        Self::empty(plan, None).await
    }

    /// Each service a process of its own, on PostgreSQL and Kafka.
    pub async fn distributed(plan: Plan, postgres: &str, bootstrap: &str) -> Self {
        let prefix = format!("{}.", millrace_test_rig::unique("story"));
        let mut world = Self::empty(plan, Some((bootstrap.to_owned(), prefix.clone()))).await;
        let common = vec![
            ("MILLRACE_DATABASE__URL".to_owned(), postgres.to_owned()),
            ("MILLRACE_BUS__KIND".to_owned(), "kafka".to_owned()),
            (
                "MILLRACE_BUS__KAFKA__BOOTSTRAP".to_owned(),
                bootstrap.to_owned(),
            ),
            ("MILLRACE_BUS__KAFKA__PREFIX".to_owned(), prefix),
            (
                "MILLRACE_PERSONAL__KEY".to_owned(),
                "c3RvcnktcGVyc29uYWwta2V5LW9mLTMyLWJ5dGVzISE=".to_owned(),
            ),
            (
                "MILLRACE_SERVICES__TOKEN".to_owned(),
                "story-token-between-services".to_owned(),
            ),
        ];
        world.migrate(&common);
        let customers = free_address();
        for service in SERVICES {
            let mut own = common.clone();
            own.push((
                "MILLRACE_SERVICES__CUSTOMER_SYNC".to_owned(),
                format!("http://{customers}"),
            ));
            if service == "customer-sync" {
                own.push(("MILLRACE_GRPC__LISTEN".to_owned(), customers.to_string()));
            }
            world.add(service, &own);
        }
        world.ready().await;
        world
    }

    async fn empty(plan: Plan, kafka: Option<(String, String)>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = Config {
            company: plan.company.clone(),
            webhook_delay: Duration::from_millis(200),
            ..Config::default()
        };
        let simulator = Simulator::start(config, listener).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("millrace.toml"),
            settings(&plan, &simulator),
        )
        .unwrap();
        Self {
            simulator,
            processes: vec![],
            kafka,
            folder,
        }
    }

    pub fn migrate(&self, environment: &[(String, String)]) {
        let mut command = self.command(&["migrate"], environment);
        let output = command
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "migrate failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn command(&self, arguments: &[&str], environment: &[(String, String)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millrace"));
        command
            .arg("--config")
            .arg(self.folder.path().join("millrace.toml"))
            .args(arguments);
        command.env("MILLRACE_DATA_DIR", self.folder.path().join("data"));
        for (name, value) in environment {
            command.env(name, value);
        }
        command
    }

    pub fn add(&mut self, service: &str, environment: &[(String, String)]) {
        let mut environment = environment.to_vec();
        let mut address = |key: &str| {
            if let Some((_, value)) = environment.iter().find(|(name, _)| name == key) {
                return value.parse().unwrap();
            }
            let address = free_address();
            environment.push((key.to_owned(), address.to_string()));
            address
        };
        let (grpc, monitoring) = (
            address("MILLRACE_GRPC__LISTEN"),
            address("MILLRACE_MONITORING__LISTEN"),
        );
        address("MILLRACE_HOOKS__LISTEN");
        let log = self.folder.path().join(format!("{service}.log"));
        let mut process = Process {
            service: service.to_owned(),
            grpc,
            monitoring,
            environment,
            log,
            child: None,
        };
        process.child = Some(self.spawn(&process));
        self.processes.push(process);
    }

    fn spawn(&self, process: &Process) -> Child {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&process.log)
            .unwrap();
        let mut command = self.command(&["run", &process.service], &process.environment);
        command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
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

    /// SIGKILL: no chance to finish anything.
    pub fn kill(&mut self, service: &str) {
        let position = self.position(service);
        let mut child = self.processes[position].child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM; answers how it ended.
    pub async fn stop(&mut self, service: &str) -> std::process::ExitStatus {
        let position = self.position(service);
        let mut child = self.processes[position].child.take().expect("it runs");
        kill(
            Pid::from_raw(i32::try_from(child.id()).unwrap()),
            Signal::SIGTERM,
        )
        .unwrap();
        until(PATIENCE, "the process has stopped", async || {
            child.try_wait().unwrap()
        })
        .await
    }

    /// Waits until it ends by itself; answers how.
    pub async fn ended(&mut self, service: &str) -> std::process::ExitStatus {
        let position = self.position(service);
        let mut child = self.processes[position].child.take().expect("it runs");
        until(PATIENCE, "the process has ended", async || {
            child.try_wait().unwrap()
        })
        .await
    }

    pub fn start(&mut self, service: &str) {
        let position = self.position(service);
        let child = self.spawn(&self.processes[position]);
        self.processes[position].child = Some(child);
    }

    /// Waits until every process says it is ready.
    pub async fn ready(&mut self) {
        for position in 0..self.processes.len() {
            let (service, url) = {
                let process = &self.processes[position];
                (
                    process.service.clone(),
                    format!("http://{}/ready", process.monitoring),
                )
            };
            let log = self.processes[position].log.clone();
            let what = format!("{service} is ready; its log is {}", log.display());
            let child = self.processes[position].child.as_mut();
            if let Some(child) = child {
                until(PATIENCE, &what, async || {
                    if let Some(status) = child.try_wait().unwrap() {
                        panic!("{service} ended with {status}:\n{}", tail(&log));
                    }
                    reqwest::get(&url)
                        .await
                        .ok()
                        .filter(|answer| answer.status().is_success())
                        .map(drop)
                })
                .await;
            }
        }
    }

    /// What the process that serves this service has logged.
    pub fn log(&self, service: &str) -> String {
        std::fs::read_to_string(&self.process(service).log).unwrap_or_default()
    }

    pub async fn shop(&self) -> Shop {
        self.shop_with(SHOP_TOKEN).await
    }

    pub async fn shop_with(&self, token: &str) -> Shop {
        let address = |service: &str| format!("http://{}", self.process(service).grpc);
        Shop::open(address, token).await
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// One process of Millrace.
pub struct Process {
    pub service: String,
    pub grpc: SocketAddr,
    pub monitoring: SocketAddr,
    environment: Vec<(String, String)>,
    log: PathBuf,
    child: Option<Child>,
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            println!("--- {} ---\n{}", self.service, tail(&self.log));
        }
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(40).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// An address nobody listens at. The process binds it a moment later, and again after a restart.
pub fn free_address() -> SocketAddr {
    let port = millrace_test_rig::free_port().unwrap();
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn settings(plan: &Plan, simulator: &Simulator) -> String {
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
filter = "info"

[erp]
code = "bc-main"
address = "{url}/v2.0"
sign_in_address = "{url}"
tenant = "demo"
environment = "production"
client_id = "millrace-demo"
client_secret = "millrace-demo"

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

[[tokens]]
name = "furniture-shop"
token = "{SHOP_TOKEN}"
channel = "{CHANNEL}"
scopes = ["catalog:read", "stock:read", "feed:read", "order:submit", "order:read", "customer:read"]

[[tokens]]
name = "garden-shop"
token = "{OTHER_SHOP_TOKEN}"
channel = "garden"
scopes = ["catalog:read", "stock:read", "feed:read", "order:submit", "order:read", "customer:read"]

[[tokens]]
name = "operator"
token = "{OPERATOR_TOKEN}"
scopes = ["*"]

{more}
"#,
        more = plan.more_settings,
        url = simulator.url(),
        groups = quoted(&plan.price_groups),
        locations = quoted(&plan.location_group),
        currency = plan.currency,
    )
}
