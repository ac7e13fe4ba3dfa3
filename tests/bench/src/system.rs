//! Millrace as processes: the simulator, `run all`, the echo. Each is killed when it is dropped.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// The demo's company, shop and tokens.
pub const SETTINGS: &str = include_str!("../../../crates/millrace/demo.toml");
pub const CHANNEL: &str = "furniture";
pub const SHOP_TOKEN: &str = "demo-furniture-shop-token";

/// A child process with its output in a file.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    pub fn start(mut command: Command, log: PathBuf) -> Result<Process> {
        let output =
            File::create(&log).with_context(|| format!("could not create {}", log.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let program = command.get_program().to_owned();
        let child = command.spawn().with_context(|| {
            format!(
                "could not start {}; `make bench` builds it",
                program.display()
            )
        })?;
        Ok(Process { child, log })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails when the process has ended, with the end of what it said.
    fn is_alive(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = said.lines().collect();
            bail!(
                "a process of the bench ended with {status}:\n{}",
                lines[lines.len().saturating_sub(15)..].join("\n")
            );
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the parts of a system listen.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    pub simulator: SocketAddr,
    pub grpc: SocketAddr,
    pub monitoring: SocketAddr,
    pub hooks: SocketAddr,
}

/// Every service in one process.
pub const ALL: &[&str] = &["all"];

/// The simulator and services beside it in one process, in a folder of their own.
pub struct System {
    pub millrace: Process,
    pub addresses: Addresses,
    // Dropped after the processes, in this order.
    _simulator: Process,
    _folder: TempDir,
}

impl System {
    /// Starts both and waits until everything has caught up once. `services` are the words for `run`, `simulate` are further words for the simulator, `settings`
    /// further `MILLRACE_…` variables for the rest.
    pub async fn start(
        services: &[&str],
        simulate: &[&str],
        settings: impl FnOnce(&Addresses) -> Vec<(&'static str, String)>,
    ) -> Result<System> {
        let base = millrace_test_rig::workspace().join("target/bench");
        std::fs::create_dir_all(&base)?;
        let folder = tempfile::Builder::new()
            .prefix("system-")
            .tempdir_in(base)?;
        let addresses = Addresses {
            simulator: free()?,
            grpc: free()?,
            monitoring: free()?,
            hooks: free()?,
        };
        let file = folder.path().join("millrace.toml");
        std::fs::write(&file, SETTINGS)?;

        let mut command = Command::new(binary()?);
        command
            .args(["simulate", "--listen", &addresses.simulator.to_string()])
            .args(simulate);
        let mut simulator = Process::start(command, folder.path().join("simulator.log"))?;
        wait_for_listener(&mut simulator, addresses.simulator).await?;

        let settings = settings(&addresses);
        let command = |words: &[&str]| -> Result<Command> {
            let mut command = Command::new(binary()?);
            command
                .arg("--config")
                .arg(&file)
                .args(words)
                .args(services);
            command.env("MILLRACE_DATA_DIR", folder.path().join("data"));
            command.env(
                "MILLRACE_ERP__ADDRESS",
                format!("http://{}/v2.0", addresses.simulator),
            );
            command.env(
                "MILLRACE_ERP__SIGN_IN_ADDRESS",
                format!("http://{}", addresses.simulator),
            );
            command.env("MILLRACE_GRPC__LISTEN", addresses.grpc.to_string());
            command.env("MILLRACE_HTTP__LISTEN", "127.0.0.1:0");
            command.envs(without_quota());
            command.env(
                "MILLRACE_MONITORING__LISTEN",
                addresses.monitoring.to_string(),
            );
            command.env("MILLRACE_HOOKS__LISTEN", addresses.hooks.to_string());
            command.envs(settings.iter().map(|(key, value)| (*key, value)));
            Ok(command)
        };
        // `run all` does it by itself.
        if services != ALL {
            let migrated = command(&["migrate"])?.output()?;
            if !migrated.status.success() {
                let said = String::from_utf8_lossy(&migrated.stderr);
                bail!("the tables could not be made: {said}");
            }
        }
        let mut millrace = Process::start(command(&["run"])?, folder.path().join("millrace.log"))?;
        wait_until_ready(&mut millrace, addresses.monitoring).await?;
        Ok(System {
            millrace,
            addresses,
            _simulator: simulator,
            _folder: folder,
        })
    }
}

/// What a channel may do is not what is measured.
pub fn without_quota() -> [(&'static str, String); 2] {
    let most = 1_000_000_000.to_string();
    [
        ("MILLRACE_GRPC__LIMITS__CALLS_PER_SECOND", most.clone()),
        ("MILLRACE_GRPC__LIMITS__BURST", most),
    ]
}

/// The binary that `make bench` built beside this one.
pub fn binary() -> Result<PathBuf> {
    let own = std::env::current_exe().context("could not find the bench's own file")?;
    Ok(own.with_file_name("millrace"))
}

/// This program again, as the echo.
pub async fn start_echo(folder: &Path) -> Result<(Process, SocketAddr)> {
    let address = free()?;
    let mut command =
        Command::new(std::env::current_exe().context("could not find the bench's own file")?);
    command
        .arg("echo-server")
        .arg(address.to_string())
        .arg(folder);
    let mut process = Process::start(command, folder.join("echo.log"))?;
    wait_for_listener(&mut process, address).await?;
    Ok((process, address))
}

pub fn free() -> Result<SocketAddr> {
    Ok(SocketAddr::from((
        Ipv4Addr::LOCALHOST,
        millrace_test_rig::free_port()?,
    )))
}

async fn wait_for_listener(process: &mut Process, address: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(address).is_err() {
        process.is_alive()?;
        if Instant::now() > deadline {
            bail!("nobody listens on {address} after a minute");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

pub async fn wait_until_ready(process: &mut Process, monitoring: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(180);
    loop {
        process.is_alive()?;
        let answer = get(monitoring, "/ready").unwrap_or_default();
        if answer.starts_with("HTTP/1.1 200") {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("not ready after three minutes: {answer}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// One GET, answered with head and body.
pub fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Resident memory of a process in MiB.
pub fn resident_mib(process: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))
        .context("the process is gone")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("the kernel tells no VmRSS")?;
    let kib: f64 = line
        .trim()
        .trim_end_matches("kB")
        .trim()
        .parse()
        .context("VmRSS is no number")?;
    Ok(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_memory() {
        assert!(resident_mib(std::process::id()).unwrap() > 0.5);
    }

    #[test]
    fn the_demo_has_the_shop_the_cases_ask_as() {
        assert!(
            SETTINGS.contains(&format!("code = \"{CHANNEL}\""))
                && SETTINGS.contains(&format!("token = \"{SHOP_TOKEN}\""))
        );
    }
}
