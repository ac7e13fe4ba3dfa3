//! Child processes that never outlive us.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Mutex, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

type Request = (Command, mpsc::Sender<io::Result<Child>>);

/// Starts a child in a process group of its own that gets `farewell` when this process dies, however it dies.
///
/// The kernel sends that signal when the *thread* that forked is gone, and a test's thread goes early: so one thread that
/// stays for ever starts all children.
pub fn start(mut command: Command, farewell: Signal) -> Result<Child> {
    static KEEPER: OnceLock<Mutex<mpsc::Sender<Request>>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (sender, requests) = mpsc::channel::<Request>();
        thread::spawn(move || {
            for (mut command, answer) in requests {
                // An asker that went away leaves a child nobody waits for; it dies with this process.
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(sender)
    });
    let program = command.get_program().to_owned();
    die_with_us(&mut command, farewell);
    let (answer, child) = mpsc::channel();
    keeper
        .lock()
        .expect("the keeper's queue is never held across a panic")
        .send((command, answer))
        .context("the keeper thread is gone")?;
    child
        .recv()
        .context("the keeper thread is gone")?
        .with_context(|| format!("could not start {}", program.display()))
}

#[expect(
    unsafe_code,
    reason = "PR_SET_PDEATHSIG can only be set between fork and exec; both calls there are async-signal-safe"
)]
fn die_with_us(command: &mut Command, farewell: Signal) {
    let parent = std::process::id();
    command.process_group(0);
    // SAFETY: prctl and getppid are plain system calls; nothing is allocated and no lock is taken in the forked child.
    unsafe {
        command.pre_exec(move || {
            nix::sys::prctl::set_pdeathsig(farewell)?;
            // Whoever runs us may have signals blocked to take them itself; a child that inherits that cannot be asked to stop.
            nix::sys::signal::SigSet::all().thread_unblock()?;
            if nix::unistd::getppid().as_raw() as u32 != parent {
                return Err(io::ErrorKind::NotFound.into());
            }
            Ok(())
        });
    }
}

/// Sends a signal; a process that is gone already is no error.
pub fn signal(pid: u32, signal: Signal) -> Result<()> {
    match kill(Pid::from_raw(pid.cast_signed()), signal) {
        Ok(()) | Err(nix::Error::ESRCH) => Ok(()),
        Err(error) => {
            Err(error).with_context(|| format!("could not send {signal} to process {pid}"))
        }
    }
}

/// Asks the child to stop; when it has not within `patience`, it is killed. Returns when it is gone.
pub fn stop(child: &mut Child, polite: Signal, patience: Duration) -> Result<()> {
    signal(child.id(), polite)?;
    // A stopped process only notices once it goes on.
    signal(child.id(), Signal::SIGCONT)?;
    if !wait(child, patience)? {
        child.kill().context("could not kill the server")?;
        child.wait().context("could not wait for the server")?;
    }
    Ok(())
}

/// Waits for the child's end; `false` when `patience` was over first.
pub fn wait(child: &mut Child, patience: Duration) -> Result<bool> {
    let deadline = Instant::now() + patience;
    while child
        .try_wait()
        .context("could not ask after the server")?
        .is_none()
    {
        if Instant::now() >= deadline {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(true)
}

/// Kills the servers whose numbers stand in `<folder>/*/pid`, if they still are what they were, and says how many there were.
pub fn end_left_behind(folder: &Path) -> usize {
    let mut ended = 0;
    for server in fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
    {
        let Some(pid) = fs::read_to_string(server.join("pid"))
            .ok()
            .and_then(|text| text.trim().parse::<u32>().ok())
        else {
            continue;
        };
        // A number is given again to somebody else; a server names its folder on its command line.
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let needle = server.as_os_str().as_encoded_bytes();
        if words.windows(needle.len()).any(|window| window == needle)
            && signal(pid, Signal::SIGKILL).is_ok()
        {
            ended += 1;
        }
    }
    ended
}
