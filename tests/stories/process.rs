//! One process of Millrace: the real binary, with settings of its own, a log that can be read, and the signals it gets.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use millrace_test_rig::until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::world::PATIENCE;

pub struct Process {
    pub service: String,
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    pub monitoring: SocketAddr,
    /// Settings of this process alone.
    pub environment: Vec<(String, String)>,
    /// Its settings file.
    pub settings: PathBuf,
    pub log: PathBuf,
    pub child: Option<Child>,
}

/// The binary with a settings file and what is set over it.
pub fn millrace(settings: &Path, arguments: &[&str], environment: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrace"));
    command.arg("--config").arg(settings).args(arguments);
    for (name, value) in environment {
        command.env(name, value);
    }
    command
}

impl Process {
    pub fn start(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .unwrap();
        let mut command = millrace(&self.settings, &["run", &self.service], &self.environment);
        self.child = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }

    /// SIGKILL: no chance to finish anything.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM; answers how it ended.
    pub async fn stop(&mut self) -> ExitStatus {
        let child = self.child.take().expect("it runs");
        ends_after(child, Signal::SIGTERM).await
    }

    /// Waits until it says it is ready.
    pub async fn ready(&mut self) {
        let what = format!(
            "{} is ready; its log is {}",
            self.service,
            self.log.display()
        );
        until(PATIENCE, &what, async || {
            let (ready, _) = self.readiness().await?;
            ready.then_some(())
        })
        .await;
    }

    /// What it says of itself: whether it is ready, and the parts it consists of. `None`: it does not answer yet.
    ///
    /// # Panics
    /// It has ended.
    pub async fn readiness(&mut self) -> Option<(bool, Value)> {
        let child = self.child.as_mut().expect("it was started");
        if let Some(status) = child.try_wait().unwrap() {
            panic!("{} ended with {status}:\n{}", self.service, tail(&self.log));
        }
        let url = format!("http://{}/ready", self.monitoring);
        let answer = reqwest::get(&url).await.ok()?;
        let ready = answer.status().is_success();
        Some((ready, answer.json().await.ok()?))
    }
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

/// Sends the signal and waits for the end.
pub async fn ends_after(mut child: Child, signal: Signal) -> ExitStatus {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    until(PATIENCE, "the process has stopped", async || {
        child.try_wait().unwrap()
    })
    .await
}

/// An address nobody listens at. The process binds it a moment later, and again after a restart.
pub fn free_address() -> SocketAddr {
    let port = millrace_test_rig::free_port().unwrap();
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(40).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
