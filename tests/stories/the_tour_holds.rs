//! `millrace demo`, as a new user runs it, on ports of its own; and its tour against services on Kafka and PostgreSQL.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::process::{ends_after, free_address};
use crate::world::{PATIENCE, Plan, SERVICES, World};

fn demo(folder: &Path, simulator: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrace"));
    command
        .args(["demo", "--simulator", simulator])
        .args(arguments)
        .env("MILLRACE_DATA_DIR", folder.join("demo"))
        .env("MILLRACE_GRPC__LISTEN", free_address().to_string())
        .env("MILLRACE_HTTP__LISTEN", free_address().to_string())
        .env("MILLRACE_MONITORING__LISTEN", free_address().to_string())
        .env("MILLRACE_HOOKS__LISTEN", free_address().to_string());
    command
}

fn told(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .join("\n")
}

/// Reads what it prints until a line holds `words`.
fn until_printed(child: &mut Child, words: &str) -> String {
    let (lines, read) = mpsc::channel();
    let output = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in output.lines() {
            // Nobody waits any more: the rest is read all the same, so that the process is not kept from printing it.
            let _ = lines.send(line.unwrap());
        }
    });
    let deadline = Instant::now() + PATIENCE;
    let mut text = String::new();
    while !text.contains(words) {
        let line = read.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        let line = line.unwrap_or_else(|_| panic!("it never printed {words:?}:\n{text}"));
        text = text + &line + "\n";
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_holds_and_a_second_one_goes_on_until_ctrl_c() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = free_address().to_string();
    let first = demo(folder.path(), &simulator, &["--fresh", "--exit-after-tour"])
        .output()
        .unwrap();
    assert!(first.status.success(), "{}", told(&first));
    assert!(
        told(&first).contains("Every step held."),
        "{}",
        told(&first)
    );
    println!("{}", told(&first));

    let simulator = free_address().to_string();
    let mut second = demo(folder.path(), &simulator, &[])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text = until_printed(&mut second, "Ctrl-C stops everything");
    assert!(text.contains("Every step held."), "{text}");
    let status = ends_after(second, Signal::SIGINT).await;
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tour_whose_step_fails_ends_with_its_name_and_an_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = free_address().to_string();
    let child = demo(folder.path(), &simulator, &["--fresh", "--exit-after-tour"])
        // The services complain about the fault, too.
        .env("MILLRACE_TELEMETRY__FILTER", "off")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The pretend ERP answers long before the tour's first question.
    let rule = serde_json::json!({ "kind": "unavailable", "times": 0, "path": "/stockFigures" });
    millrace_test_rig::until(PATIENCE, "the ERP takes the fault", async || {
        let faults = format!("http://{simulator}/_faults");
        let answer = reqwest::Client::new().post(faults).json(&rule).send().await;
        answer.ok().filter(|answer| answer.status() == 201)
    })
    .await;
    let output = tokio::task::spawn_blocking(|| child.wait_with_output());
    let output = output.await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("step 1 of the tour failed (The first full sync"),
        "{said}"
    );
    assert!(said.contains("503"), "{said}");
}

/// Rows 2, 12, 41, 42, 43, 46, 58, 59 and 97: every step of the tour, with a process per service.
#[tokio::test(flavor = "multi_thread")]
async fn the_tour_holds_with_a_process_per_service_on_kafka_and_postgres() {
    let postgres = millrace_test_rig::postgres()
        .await
        .create_database("tour")
        .await
        .unwrap();
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let door = free_address().to_string();
    let plan = Plan {
        more_settings: format!(
            r#"
[[shop_delivery.channels]]
channel = "furniture"
[[shop_delivery.channels.doorbells]]
name = "tour"
url = "http://{door}/doorbell"
kinds = ["items"]
secrets = ["whsec_bWlsbHJhY2UtZGVtby1kb29yYmVsbC0x"]
allow_internal = ["127.0.0.1"]
"#
        ),
        ..Plan::default()
    };
    let world = World::distributed(plan, &postgres, &bootstrap).await;
    let mut tour = Command::new(env!("CARGO_BIN_EXE_millrace"));
    let simulator = world.simulator.address().to_string();
    tour.args(["demo", "--simulator", &simulator, "--doorbell", &door]);
    for service in SERVICES {
        let address = world.process(service).grpc;
        tour.args(["--at", &format!("{service}=http://{address}")]);
    }
    let output = tokio::task::spawn_blocking(move || tour.output());
    let output = output.await.unwrap().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    assert!(
        told(&output).contains("Every step held."),
        "{}",
        told(&output)
    );
    println!("{}", told(&output));
}

#[test]
fn a_tour_that_was_stopped_is_no_tour_that_held() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = demo(
        folder.path(),
        &free_address().to_string(),
        &["--exit-after-tour"],
    )
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
    std::fs::create_dir(folder.path().join("demo")).unwrap();
    let kept = folder.path().join("demo/catalog-sync.db");
    std::fs::write(folder.path().join("demo/made-by-millrace-demo"), "").unwrap();
    std::fs::write(&kept, "what another demo works with").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = demo(
        folder.path(),
        &free_address().to_string(),
        &["--exit-after-tour"],
    )
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
