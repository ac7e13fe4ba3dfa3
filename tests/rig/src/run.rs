//! A command with both servers around it.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::unistd::Pid;

use crate::{Kafka, Postgres, place, process, report};

/// How long a command that was asked to stop may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts one PostgreSQL and one Kafka, runs the command with their addresses in its environment, stops both whatever happened,
/// and gives the command's exit code (128 + n after signal n).
///
/// Ctrl-C, SIGTERM and SIGHUP go to the command's whole process group; twenty seconds later it is killed.
/// To be called from the main thread, before any other thread exists.
pub fn run(program: &OsString, arguments: &[OsString]) -> Result<u8> {
    let asked = watch_signals()?;
    let code = with_servers(program, arguments, &asked);
    place::leave();
    code
}

fn with_servers(program: &OsString, arguments: &[OsString], asked: &AtomicI32) -> Result<u8> {
    let began = Instant::now();
    let kafka = thread::spawn(Kafka::start_now);
    let postgres = Postgres::start_now();
    let kafka = kafka.join().expect("starting Kafka reports its errors")?;
    let postgres = postgres?;
    report(&format!(
        "PostgreSQL on port {}, Kafka on {}, ready after {:.1} s",
        postgres.port(),
        kafka.bootstrap(),
        began.elapsed().as_secs_f32()
    ));

    let mut command = Command::new(program);
    command
        .args(arguments)
        .env(crate::POSTGRES_VARIABLE, postgres.url("postgres"))
        .env(crate::KAFKA_VARIABLE, kafka.bootstrap());
    let mut child = process::start(command, Signal::SIGTERM)?;
    let group = Pid::from_raw(child.id().cast_signed());
    let mut since = None;
    let status = loop {
        if let Some(status) = child
            .try_wait()
            .context("could not ask after the command")?
        {
            break status;
        }
        if let (None, Ok(signal)) = (since, Signal::try_from(asked.load(Ordering::Relaxed))) {
            since = Some(Instant::now());
            // Gone meanwhile is as good.
            let _ = killpg(group, signal);
        }
        if since.is_some_and(|asked| asked.elapsed() > PATIENCE) {
            let _ = killpg(group, Signal::SIGKILL);
        }
        thread::sleep(Duration::from_millis(20));
    };
    // A test process that its runner left behind would hold on to servers that are about to go.
    let _ = killpg(group, Signal::SIGKILL);
    Ok(code(status, asked))
}

fn code(status: ExitStatus, asked: &AtomicI32) -> u8 {
    let signal = status
        .signal()
        .or_else(|| Some(asked.load(Ordering::Relaxed)).filter(|asked| *asked != 0));
    match (signal, status.code()) {
        (Some(signal), _) => u8::try_from(128 + signal).unwrap_or(255),
        (None, Some(code)) => u8::try_from(code).unwrap_or(255),
        (None, None) => 255,
    }
}

/// Signals are taken by a thread of their own, so that servers started or stopping at that moment are not forgotten.
fn watch_signals() -> Result<Arc<AtomicI32>> {
    let asked = Arc::new(AtomicI32::new(0));
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]
        .into_iter()
        .collect();
    signals.thread_block().context("could not block signals")?;
    let watched = Arc::clone(&asked);
    thread::spawn(move || {
        while let Ok(signal) = signals.wait() {
            report(&format!("{signal}: stopping"));
            watched.store(signal as i32, Ordering::Relaxed);
        }
    });
    Ok(asked)
}
