//! `millrace demo --exit-after-tour`, as a new user runs it, on ports of its own; twice, because the second goes on with the
//! data of the first.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::world::free_address;

#[test]
fn the_tour_holds_and_a_second_one_goes_on_with_its_data() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["--fresh"][..], &[]] {
        let output = demo(&folder.path().join("demo"))
            .args(arguments)
            .output()
            .unwrap();
        let (told, failed) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{told}\n{failed}");
        assert!(told.contains("Every step held."), "{told}");
    }
}

#[test]
fn a_tour_that_was_stopped_is_no_tour_that_held() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = demo(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    assert!(line.starts_with("Millrace"), "{line}");
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(id, Signal::SIGTERM).unwrap();
    std::io::copy(&mut told, &mut std::io::sink()).unwrap();
    let mut failed = String::new();
    let mut errors = child.stderr.take().unwrap();
    errors.read_to_string(&mut failed).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(1), "{failed}");
    assert!(failed.contains("before the tour was through"), "{failed}");
}

#[test]
fn a_fresh_demo_whose_address_is_taken_forgets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("catalog-sync.db");
    std::fs::write(folder.path().join("made-by-millrace-demo"), "").unwrap();
    std::fs::write(&kept, "what another demo works with").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = demo(folder.path())
        .arg("--fresh")
        .env(
            "MILLRACE_MONITORING__LISTEN",
            taken.local_addr().unwrap().to_string(),
        )
        .output()
        .unwrap();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{failed}");
    assert!(failed.contains("monitoring.listen"), "{failed}");
    assert!(kept.exists(), "deleted before the addresses were taken");
}

/// On addresses of its own.
fn demo(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrace"));
    command
        .args([
            "demo",
            "--exit-after-tour",
            "--simulator",
            &free_address().to_string(),
        ])
        .env("MILLRACE_DATA_DIR", data)
        .env("MILLRACE_GRPC__LISTEN", free_address().to_string())
        .env("MILLRACE_MONITORING__LISTEN", free_address().to_string())
        .env("MILLRACE_HOOKS__LISTEN", free_address().to_string());
    command
}
