//! A single-node Kafka (KRaft) on 127.0.0.1, small, with every replication factor at 1.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use crate::server::{Kind, Server, aside, end_of};
use crate::{fetch, place, ports, process};

/// A handle on a Kafka server. A server of one's own is gone, data included, when its last handle is dropped.
#[derive(Clone)]
pub struct Kafka {
    bootstrap: String,
    server: Option<Arc<Server<Settings>>>,
    is_shared: bool,
}

impl Kafka {
    /// Starts a server of one's own, on ports of its own, with fresh data.
    pub async fn start() -> Result<Kafka> {
        tokio::task::spawn_blocking(Kafka::start_now).await?
    }

    /// Starts one that lets clients in over TLS only, and who can sign in.
    pub async fn start_guarded(guard: Guard) -> Result<Kafka> {
        tokio::task::spawn_blocking(move || Kafka::launch(Some(&guard))).await?
    }

    /// [`Kafka::start`] for who has no runtime.
    pub fn start_now() -> Result<Kafka> {
        Kafka::launch(None)
    }

    fn launch(guard: Option<&Guard>) -> Result<Kafka> {
        let packages = fetch::fetch()?;
        let mut attempts = 3;
        loop {
            let settings = Settings::prepare(&packages, guard)?;
            let (bootstrap, folder) = (
                format!("127.0.0.1:{}", settings.port),
                settings.folder.clone(),
            );
            attempts -= 1;
            match Server::start(settings, folder) {
                Ok(server) => {
                    return Ok(Kafka {
                        bootstrap,
                        server: Some(Arc::new(server)),
                        is_shared: false,
                    });
                }
                // Somebody else may have taken a port meanwhile.
                Err(_) if attempts > 0 => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn foreign(bootstrap: &str) -> Result<Kafka> {
        if !bootstrap.contains(':') {
            bail!(
                "{} is not <host>:<port>: {bootstrap}",
                crate::KAFKA_VARIABLE
            );
        }
        Ok(Kafka {
            bootstrap: bootstrap.to_owned(),
            server: None,
            is_shared: true,
        })
    }

    pub(crate) fn shared(self) -> Kafka {
        Kafka {
            is_shared: true,
            ..self
        }
    }

    /// `bootstrap.servers` for a client.
    pub fn bootstrap(&self) -> String {
        self.bootstrap.clone()
    }

    /// An orderly stop.
    pub async fn stop(&self) -> Result<()> {
        aside(self.own()?, Server::stop).await
    }

    /// Starts it again after [`Kafka::stop`] or [`Kafka::kill`], same port, same data.
    pub async fn start_again(&self) -> Result<()> {
        aside(self.own()?, Server::start_again).await
    }

    pub async fn restart(&self) -> Result<()> {
        self.stop().await?;
        self.start_again().await
    }

    /// SIGKILL.
    pub async fn kill(&self) -> Result<()> {
        aside(self.own()?, Server::kill).await
    }

    /// SIGSTOP: connections stay open and nobody answers, as with a network that swallows everything.
    pub fn pause(&self) -> Result<()> {
        self.own()?.send(Signal::SIGSTOP)
    }

    /// SIGCONT after [`Kafka::pause`].
    pub fn resume(&self) -> Result<()> {
        self.own()?.send(Signal::SIGCONT)
    }

    fn own(&self) -> Result<&Arc<Server<Settings>>> {
        match &self.server {
            Some(server) if !self.is_shared => Ok(server),
            Some(_) | None => bail!(
                "the shared Kafka is in use by other tests; start one of your own to break it"
            ),
        }
    }
}

/// What a guarded Kafka shows (PEM), and whom it lets in, by SCRAM-SHA-512.
pub struct Guard {
    pub certificate: String,
    /// PKCS #8.
    pub key: String,
    pub user: String,
    pub password: String,
}

struct Settings {
    java: PathBuf,
    classes: String,
    folder: PathBuf,
    port: u16,
    /// How much of the log belongs to earlier starts.
    log_read: AtomicU64,
}

impl Settings {
    fn prepare(packages: &fetch::Packages, guard: Option<&Guard>) -> Result<Settings> {
        let settings = Settings {
            java: packages.java.clone(),
            classes: format!("{}/*", packages.kafka.display()),
            folder: place::server_folder("kafka")?,
            port: ports::free()?,
            log_read: AtomicU64::new(0),
        };
        let controller = ports::free()?;
        let mut properties = properties(controller, &settings.folder);
        match guard {
            Some(guard) => {
                let identity = settings.folder.join("identity.pem");
                fs::write(&identity, format!("{}{}", guard.key, guard.certificate))
                    .context("could not write Kafka's certificate")?;
                properties += &guarded(settings.port, ports::free()?, controller, &identity);
            }
            None => properties += &open(settings.port, controller),
        }
        fs::write(settings.properties(), properties).context("could not write Kafka's settings")?;
        let mut format = settings.program("-Xmx128m");
        // The cluster's id is any 16 bytes in base64; the data live and die with this folder.
        format
            .args([
                "kafka.tools.StorageTool",
                "format",
                "--cluster-id",
                "TWlsbHJhY2VUZXN0UmlnMQ",
                "--config",
            ])
            .arg(settings.properties());
        if let Some(Guard { user, password, .. }) = guard {
            let scram = format!("SCRAM-SHA-512=[name={user},password={password}]");
            format.args(["--add-scram", &scram]);
        }
        let output = format
            .stdin(Stdio::null())
            .output()
            .context("could not start java")?;
        if !output.status.success() {
            bail!(
                "Kafka's storage could not be formatted: {}",
                String::from_utf8_lossy(&output.stderr).trim_end()
            );
        }
        Ok(settings)
    }

    fn properties(&self) -> PathBuf {
        self.folder.join("server.properties")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("kafka.log")
    }

    fn program(&self, heap: &str) -> Command {
        let mut java = Command::new(&self.java);
        java.args([
            heap,
            "-XX:+UseSerialGC",
            // It lives for minutes beside what is tested, on the same two cores: the second compiler would take more than it gives.
            "-XX:TieredStopAtLevel=1",
            "-Djava.awt.headless=true",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
        ]);
        java.args([
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
        ]);
        java.arg("-cp").arg(&self.classes).current_dir(&self.folder);
        java
    }
}

impl Kind for Settings {
    const POLITE: Signal = Signal::SIGTERM;
    const FAREWELL: Signal = Signal::SIGKILL;

    fn command(&self) -> Result<Command> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .context("could not open Kafka's log")?;
        self.log_read
            .store(log.metadata()?.len(), Ordering::Relaxed);
        let mut kafka = self.program("-Xmx384m");
        kafka.arg("kafka.Kafka").arg(self.properties());
        kafka
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Ok(kafka)
    }

    fn wait_until_ready(&self, child: &mut Child) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(180);
        let before = usize::try_from(self.log_read.load(Ordering::Relaxed))?;
        loop {
            let log = fs::read(self.log()).context("could not read Kafka's log")?;
            if String::from_utf8_lossy(&log[before.min(log.len())..])
                .contains("Kafka Server started")
            {
                return Ok(());
            }
            if process::wait(child, Duration::from_millis(30))? || Instant::now() > deadline {
                bail!(
                    "Kafka did not start; its log ends:\n{}",
                    end_of(&self.log())
                );
            }
        }
    }
}

/// Everybody gets in, in the clear.
fn open(port: u16, controller: u16) -> String {
    format!(
        "listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
    )
}

/// Clients are led to the guarded port; the broker speaks to itself at another one.
fn guarded(port: u16, itself: u16, controller: u16, identity: &Path) -> String {
    format!(
        "listeners=GUARDED://127.0.0.1:{port},ITSELF://127.0.0.1:{itself},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=GUARDED://127.0.0.1:{port},ITSELF://127.0.0.1:{itself}\n\
         listener.security.protocol.map=GUARDED:SASL_SSL,ITSELF:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=ITSELF\n\
         sasl.enabled.mechanisms=SCRAM-SHA-512\n\
         listener.name.guarded.scram-sha-512.sasl.jaas.config=\
         org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
         ssl.keystore.type=PEM\n\
         ssl.keystore.location={identity}\n",
        identity = identity.display(),
    )
}

fn properties(controller: u16, folder: &Path) -> String {
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\n\
         log.dirs={data}\n\
         auto.create.topics.enable=false\n\
         num.partitions=1\n\
         default.replication.factor=1\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=4\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         transaction.state.log.num.partitions=4\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         share.coordinator.state.topic.num.partitions=1\n\
         group.initial.rebalance.delay.ms=0\n\
         group.min.session.timeout.ms=1000\n\
         log.cleaner.backoff.ms=500\n\
         log.cleaner.dedupe.buffer.size=16777216\n\
         controlled.shutdown.enable=true\n",
        data = folder.join("data").display(),
    )
}
