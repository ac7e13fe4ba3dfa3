//! A PostgreSQL that is durable (fsync on), listens on 127.0.0.1 only, and trusts everybody there.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use crate::server::{Kind, Server, aside, end_of};
use crate::{fetch, place, ports, process, query};

/// A handle on a PostgreSQL server. A server of one's own is gone, data included, when its last handle is dropped.
#[derive(Clone)]
pub struct Postgres {
    port: u16,
    server: Option<Arc<Server<Settings>>>,
    is_shared: bool,
}

impl Postgres {
    /// Starts a server of one's own, on a port of its own, with fresh data.
    pub async fn start() -> Result<Postgres> {
        tokio::task::spawn_blocking(Postgres::start_now).await?
    }

    /// Starts one that shows this certificate (PEM, as its key), and takes what comes to its databases over TLS only.
    pub async fn start_encrypted(certificate: &str, key: &str) -> Result<Postgres> {
        let identity = Identity {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        };
        tokio::task::spawn_blocking(move || Postgres::launch(Some(&identity))).await?
    }

    /// [`Postgres::start`] for who has no runtime.
    pub fn start_now() -> Result<Postgres> {
        Postgres::launch(None)
    }

    fn launch(identity: Option<&Identity>) -> Result<Postgres> {
        let binaries = fetch::fetch()?.postgres;
        let mut attempts = 3;
        loop {
            let settings = Settings::prepare(binaries.clone(), identity)?;
            let (port, folder) = (settings.port, settings.folder.clone());
            attempts -= 1;
            match Server::start(settings, folder) {
                Ok(server) => {
                    return Ok(Postgres {
                        port,
                        server: Some(Arc::new(server)),
                        is_shared: false,
                    });
                }
                // Somebody else may have taken the port meanwhile.
                Err(_) if attempts > 0 => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn foreign(url: &str) -> Result<Postgres> {
        let port = url
            .rsplit_once(':')
            .and_then(|(_, rest)| rest.split('/').next())
            .and_then(|port| port.parse().ok());
        let port = port.with_context(|| {
            format!(
                "{} is not postgres://postgres@127.0.0.1:<port>/postgres: {url}",
                crate::POSTGRES_VARIABLE
            )
        })?;
        Ok(Postgres {
            port,
            server: None,
            is_shared: true,
        })
    }

    pub(crate) fn shared(self) -> Postgres {
        Postgres {
            is_shared: true,
            ..self
        }
    }

    /// The superuser's URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// A fresh, empty database whose name begins with `prefix` (lower case letters, digits, `_`) and is used by nobody else. Gives its URL.
    pub async fn create_database(&self, prefix: &str) -> Result<String> {
        let name = crate::unique(prefix);
        let (port, statement) = (
            self.port,
            format!("CREATE DATABASE \"{name}\" TEMPLATE template0"),
        );
        tokio::task::spawn_blocking(move || query::execute(port, &statement)).await??;
        Ok(self.url(&name))
    }

    /// Runs one statement as superuser in the `postgres` database, e.g. `SELECT pg_terminate_backend(…)`.
    pub async fn execute(&self, statement: &str) -> Result<()> {
        let (port, statement) = (self.port, statement.to_owned());
        tokio::task::spawn_blocking(move || query::execute(port, &statement)).await?
    }

    /// A fast shutdown: connections are closed, then a checkpoint, then the end.
    pub async fn stop(&self) -> Result<()> {
        aside(self.own()?, Server::stop).await
    }

    /// Starts it again after [`Postgres::stop`] or [`Postgres::kill`], same port, same data.
    pub async fn start_again(&self) -> Result<()> {
        aside(self.own()?, Server::start_again).await
    }

    pub async fn restart(&self) -> Result<()> {
        self.stop().await?;
        self.start_again().await
    }

    /// An immediate end as in a crash; the next start recovers from the log.
    /// (SIGQUIT, because after a SIGKILL of the postmaster its children linger for a moment and refuse the next start.)
    pub async fn kill(&self) -> Result<()> {
        self.own()?.send(Signal::SIGQUIT)?;
        aside(self.own()?, Server::stop).await
    }

    fn own(&self) -> Result<&Arc<Server<Settings>>> {
        match &self.server {
            Some(server) if !self.is_shared => Ok(server),
            Some(_) | None => bail!(
                "the shared PostgreSQL is in use by other tests; start one of your own to break it"
            ),
        }
    }
}

struct Identity {
    certificate: String,
    key: String,
}

struct Settings {
    binaries: PathBuf,
    folder: PathBuf,
    port: u16,
    is_encrypted: bool,
}

/// The rig itself speaks in the clear, to the `postgres` database alone.
const ENCRYPTED: &str = "hostnossl postgres postgres 127.0.0.1/32 trust\n\
                         hostssl all all 127.0.0.1/32 trust\n";

impl Settings {
    fn prepare(binaries: PathBuf, identity: Option<&Identity>) -> Result<Settings> {
        let folder = place::server_folder("postgres")?;
        let settings = Settings {
            binaries,
            folder,
            port: ports::free()?,
            is_encrypted: identity.is_some(),
        };
        let data = settings.data();
        fs::create_dir(&data)
            .and_then(|()| fs::set_permissions(&data, fs::Permissions::from_mode(0o700)))
            .context("could not create the data folder")?;
        if let Some((user, group)) = place::unprivileged() {
            chown(&data, Some(user.as_raw()), Some(group.as_raw()))
                .context("could not give the data folder to PostgreSQL's user")?;
        }
        let mut initdb = settings.program("initdb");
        initdb.args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
            "--pgdata",
        ]);
        let output = initdb
            .arg(&data)
            .stdin(Stdio::null())
            .output()
            .context("could not start initdb")?;
        if !output.status.success() {
            bail!(
                "initdb failed: {}",
                String::from_utf8_lossy(&output.stderr).trim_end()
            );
        }
        if let Some(identity) = identity {
            settings
                .encrypt(identity)
                .context("could not write PostgreSQL's certificate")?;
        }
        Ok(settings)
    }

    fn encrypt(&self, identity: &Identity) -> std::io::Result<()> {
        for (name, content) in [
            ("server.crt", identity.certificate.as_str()),
            ("server.key", &identity.key),
            ("pg_hba.conf", ENCRYPTED),
        ] {
            let file = self.data().join(name);
            fs::write(&file, content)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
            if let Some((user, group)) = place::unprivileged() {
                chown(&file, Some(user.as_raw()), Some(group.as_raw()))?;
            }
        }
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("postgres.log")
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join("bin").join(name));
        command
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .current_dir("/");
        if let Some((user, group)) = place::unprivileged() {
            command.uid(user.as_raw()).gid(group.as_raw());
        }
        command
    }
}

impl Kind for Settings {
    const POLITE: Signal = Signal::SIGINT;
    const FAREWELL: Signal = Signal::SIGQUIT;

    fn command(&self) -> Result<Command> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .context("could not open PostgreSQL's log")?;
        let mut postgres = self.program("postgres");
        postgres
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=400",
            "shared_buffers=128MB",
            "max_wal_size=1GB",
            "fsync=on",
            // A server that has run for a while writes its log into files it has used before. A new one fills each with zeros first, and
            // every commit waits for that, up to a tenth of a second.
            "wal_init_zero=off",
            "synchronous_commit=on",
            "full_page_writes=on",
            "timezone=UTC",
        ] {
            postgres.args(["-c", setting]);
        }
        if self.is_encrypted {
            postgres.args(["-c", "ssl=on"]);
        }
        postgres
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Ok(postgres)
    }

    fn wait_until_ready(&self, child: &mut Child) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let Err(error) = query::execute(self.port, "SELECT 1") else {
                return Ok(());
            };
            if process::wait(child, Duration::from_millis(20))? || Instant::now() > deadline {
                return Err(error.context(format!(
                    "PostgreSQL did not start; its log ends:\n{}",
                    end_of(&self.log())
                )));
            }
        }
    }
}
