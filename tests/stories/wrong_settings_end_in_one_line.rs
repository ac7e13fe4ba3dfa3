//! Whatever is wrong with the settings or the neighbours is said in one line, with an exit code a script can tell apart.

use std::net::TcpListener;
use std::process::{Command, Output};

use crate::world::{Plan, World, free_address};

fn millrace(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrace"));
    command.args(arguments);
    for (name, value) in environment {
        command.env(name, value);
    }
    command.output().unwrap()
}

fn refused(output: &Output, code: i32, says: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().last().unwrap_or_default();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(last.contains(says), "{says:?} is not in {last:?}");
}

#[test]
fn a_key_nobody_knows_is_named() {
    refused(
        &millrace(
            &["config", "check"],
            &[("MILLRACE_GRPC__LISTNE", "127.0.0.1:1")],
        ),
        64,
        "listne",
    );
}

#[test]
fn a_value_that_does_not_fit_is_named_with_its_key() {
    refused(
        &millrace(&["config", "check"], &[("MILLRACE_DRAIN", "soon")]),
        64,
        "drain",
    );
}

#[test]
fn a_broken_file_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.toml");
    std::fs::write(&file, "[grpc\nlisten = 1").unwrap();
    refused(
        &millrace(
            &["--config", file.to_str().unwrap(), "config", "check"],
            &[],
        ),
        64,
        "broken.toml",
    );
}

#[test]
fn what_stands_in_a_broken_line_is_not_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.toml");
    std::fs::write(&file, "[erp]\nclient_secret = \"canary-of-a-secret\"x\n").unwrap();
    let output = millrace(
        &["--config", file.to_str().unwrap(), "config", "check"],
        &[],
    );
    refused(&output, 64, "broken.toml, line 2");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn a_process_without_channels_says_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let addresses: Vec<String> = (0..3).map(|_| free_address().to_string()).collect();
    let environment = [
        ("MILLRACE_DATA_DIR", folder.path().to_str().unwrap()),
        ("MILLRACE_GRPC__LISTEN", &addresses[0]),
        ("MILLRACE_MONITORING__LISTEN", &addresses[1]),
        ("MILLRACE_HOOKS__LISTEN", &addresses[2]),
    ];
    refused(&millrace(&["run", "all"], &environment), 64, "[[channels]]");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let environment = [
        ("MILLRACE_GRPC__LISTEN", address.as_str()),
        ("MILLRACE_DATA_DIR", folder.path().to_str().unwrap()),
    ];
    refused(&millrace(&["run", "all"], &environment), 1, &address);
}

#[test]
fn a_secret_is_never_printed() {
    let output = millrace(
        &["config", "print"],
        &[("MILLRACE_PERSONAL__KEY", "canary-of-a-secret")],
    );
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success());
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_files_is_refused() {
    let world = World::in_one_process(Plan::default()).await;
    let data = world.folder().join("data");
    let settings = world.folder().join("millrace.toml");
    let addresses: Vec<String> = (0..3).map(|_| free_address().to_string()).collect();
    let environment = [
        ("MILLRACE_DATA_DIR", data.to_str().unwrap()),
        ("MILLRACE_GRPC__LISTEN", &addresses[0]),
        ("MILLRACE_MONITORING__LISTEN", &addresses[1]),
        ("MILLRACE_HOOKS__LISTEN", &addresses[2]),
    ];
    let output = millrace(
        &["--config", settings.to_str().unwrap(), "run", "all"],
        &environment,
    );
    refused(&output, 1, "in use by another process");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_tables_are_missing_says_what_to_run() {
    let postgres = millrace_test_rig::postgres()
        .await
        .create_database("unmigrated")
        .await
        .unwrap();
    let world = World::in_one_process(Plan::default()).await;
    let settings = world.folder().join("millrace.toml");
    let addresses: Vec<String> = (0..3).map(|_| free_address().to_string()).collect();
    let environment = [
        ("MILLRACE_DATABASE__URL", postgres.as_str()),
        ("MILLRACE_BUS__KIND", "kafka"),
        ("MILLRACE_BUS__KAFKA__BOOTSTRAP", "127.0.0.1:1"),
        (
            "MILLRACE_PERSONAL__KEY",
            "c3RvcnktcGVyc29uYWwta2V5LW9mLTMyLWJ5dGVzISE=",
        ),
        ("MILLRACE_GRPC__LISTEN", &addresses[0]),
        ("MILLRACE_MONITORING__LISTEN", &addresses[1]),
        ("MILLRACE_HOOKS__LISTEN", &addresses[2]),
    ];
    let output = millrace(
        &[
            "--config",
            settings.to_str().unwrap(),
            "run",
            "catalog-sync",
        ],
        &environment,
    );
    refused(&output, 1, "millrace migrate");
}
