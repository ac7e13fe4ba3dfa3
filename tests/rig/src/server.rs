//! One running server: started, stopped, killed, paused; gone when its owner is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Result, bail};
use nix::sys::signal::Signal;

use crate::{place, process};

/// What a kind of server does in its own way. Everything here blocks.
pub trait Kind: Send + Sync + 'static {
    /// The command that runs the server in the foreground.
    fn command(&self) -> Result<Command>;
    /// Waits until it serves; an error carries the end of its log.
    fn wait_until_ready(&self, child: &mut Child) -> Result<()>;
    /// Asks for an orderly end.
    const POLITE: Signal;
    /// Sent by the kernel when we die: the quickest end after which nothing is left running.
    const FAREWELL: Signal;
}

pub struct Server<K: Kind> {
    kind: K,
    folder: PathBuf,
    child: Mutex<Option<Child>>,
}

impl<K: Kind> Server<K> {
    /// Starts the server of `kind`, whose data live in `folder`.
    pub fn start(kind: K, folder: PathBuf) -> Result<Server<K>> {
        let server = Server {
            kind,
            folder,
            child: Mutex::new(None),
        };
        server.start_again()?;
        Ok(server)
    }

    pub fn start_again(&self) -> Result<()> {
        let mut slot = self.slot();
        if slot.is_some() {
            bail!("the server is running already");
        }
        let mut child = process::start(self.kind.command()?, K::FAREWELL)?;
        let ready = fs::write(self.folder.join("pid"), child.id().to_string())
            .map_err(Into::into)
            .and_then(|()| self.kind.wait_until_ready(&mut child));
        if let Err(error) = ready {
            process::stop(&mut child, Signal::SIGKILL, Duration::from_secs(5))?;
            return Err(error);
        }
        *slot = Some(child);
        Ok(())
    }

    /// An orderly stop. A server that is not running stays so.
    pub fn stop(&self) -> Result<()> {
        self.end(K::POLITE)
    }

    /// SIGKILL.
    pub fn kill(&self) -> Result<()> {
        self.end(Signal::SIGKILL)
    }

    pub fn send(&self, signal: Signal) -> Result<()> {
        match self.slot().as_ref() {
            Some(child) => process::signal(child.id(), signal),
            None => bail!("the server is not running"),
        }
    }

    fn end(&self, polite: Signal) -> Result<()> {
        match self.slot().take() {
            Some(mut child) => process::stop(&mut child, polite, Duration::from_secs(30)),
            None => Ok(()),
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<Child>> {
        self.child
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl<K: Kind> Drop for Server<K> {
    fn drop(&mut self) {
        // The data are thrown away: no reason for a slow and orderly end.
        if let Err(error) = self.end(K::FAREWELL) {
            crate::report(&format!(
                "could not end the server in {}: {error:#}",
                self.folder.display()
            ));
        }
        place::remove(&self.folder);
    }
}

/// Runs blocking work away from the runtime, so that a test's other tasks go on while a server stops or starts.
pub async fn aside<K: Kind, T: Send + 'static>(
    server: &Arc<Server<K>>,
    work: impl FnOnce(&Server<K>) -> Result<T> + Send + 'static,
) -> Result<T> {
    let server = Arc::clone(server);
    tokio::task::spawn_blocking(move || work(&server)).await?
}

/// The last lines of a log, for an error message.
pub fn end_of(log: &Path) -> String {
    let text = fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
