//! The rig against its own servers: they start, break, come back, and leave nothing behind.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use millrace_test_rig::{Kafka, Postgres, until};

const RIG: &str = env!("CARGO_BIN_EXE_millrace-test-rig");

#[tokio::test]
async fn databases_are_fresh_and_names_are_never_given_twice() {
    let postgres = millrace_test_rig::postgres().await;
    let first = postgres.create_database("rig").await.unwrap();
    let second = postgres.create_database("rig").await.unwrap();
    assert_ne!(first, second);
    assert!(
        first.starts_with("postgres://postgres@127.0.0.1:"),
        "{first}"
    );
}

#[tokio::test]
async fn a_statement_that_fails_says_why() {
    let postgres = millrace_test_rig::postgres().await;
    let error = postgres.execute("SELECT 1 / 0").await.unwrap_err();
    assert!(
        format!("{error:#}").contains("division by zero"),
        "{error:#}"
    );
}

#[tokio::test]
async fn shared_servers_cannot_be_broken() {
    assert!(millrace_test_rig::postgres().await.stop().await.is_err());
    assert!(millrace_test_rig::kafka().await.kill().await.is_err());
}

#[tokio::test]
async fn a_postgres_of_ones_own_keeps_its_data_over_a_restart_and_a_crash() {
    let postgres = Postgres::start().await.unwrap();
    postgres
        .execute("CREATE TABLE kept (number int)")
        .await
        .unwrap();
    postgres.restart().await.unwrap();
    postgres
        .execute("INSERT INTO kept VALUES (1)")
        .await
        .unwrap();
    postgres.kill().await.unwrap();
    assert!(postgres.execute("SELECT 1").await.is_err(), "it is gone");
    postgres.start_again().await.unwrap();
    postgres
        .execute("DO $$ BEGIN ASSERT (SELECT count(*) FROM kept) = 1; END $$")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_kafka_of_ones_own_comes_back_on_its_port() {
    let kafka = Kafka::start().await.unwrap();
    let bootstrap = kafka.bootstrap();
    assert!(TcpStream::connect(&bootstrap).is_ok());
    kafka.pause().unwrap();
    kafka.resume().unwrap();
    kafka.kill().await.unwrap();
    assert!(TcpStream::connect(&bootstrap).is_err(), "it is gone");
    kafka.start_again().await.unwrap();
    assert!(TcpStream::connect(&bootstrap).is_ok());
    kafka.stop().await.unwrap();
    assert!(TcpStream::connect(&bootstrap).is_err(), "it is gone");
}

#[test]
fn a_run_gives_the_addresses_and_the_exit_code_of_its_command() {
    let script =
        "test -n \"$MILLRACE_TEST_POSTGRES\" && test -n \"$MILLRACE_TEST_KAFKA\" && exit 7";
    let status = Command::new(RIG)
        .args(["run", "--", "sh", "-c", script])
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(7));
}

#[tokio::test]
async fn a_run_that_is_killed_takes_its_servers_along() {
    for (signal, expected) in [("-TERM", Some(143)), ("-KILL", None)] {
        let mut run = Command::new(RIG)
            .args([
                "run",
                "--",
                "sh",
                "-c",
                "echo $MILLRACE_TEST_KAFKA $MILLRACE_TEST_POSTGRES; exec cat /dev/fd/0",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(run.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let (kafka, postgres) = line.trim().split_once(' ').expect("both addresses");
        let postgres = postgres
            .trim_start_matches("postgres://postgres@")
            .trim_end_matches("/postgres");
        assert!(TcpStream::connect(kafka).is_ok() && TcpStream::connect(postgres).is_ok());

        assert!(
            Command::new("kill")
                .args([signal, &run.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(run.wait().unwrap().code(), expected);
        until(
            Duration::from_secs(20),
            "both servers are gone",
            async || {
                (TcpStream::connect(kafka).is_err() && TcpStream::connect(postgres).is_err())
                    .then_some(())
            },
        )
        .await;
    }
}

#[test]
fn wrong_words_are_answered_with_the_usage() {
    let output = Command::new(RIG).arg("jump").output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage"));
}

#[test]
fn the_material_beside_the_checkout_is_found_or_absent_but_never_a_file() {
    assert!(millrace_test_rig::shared_dir().is_none_or(|folder: PathBuf| folder.is_dir()));
}

/// Runs itself once more, as `make test` would run it.
#[test]
fn what_a_passing_test_says_is_heard() {
    const NAME: &str = "what_a_passing_test_says_is_heard";
    const AGAIN: &str = "MILLRACE_RIG_SPEAKS";
    if std::env::var_os(AGAIN).is_some() {
        println!("kept back");
        eprintln!("kept back");
        millrace_test_rig::say("told");
        return;
    }
    let again = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME])
        .env(AGAIN, "1")
        .output()
        .unwrap();
    let printed = [again.stdout, again.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(
        again.status.success() && printed[1].contains("told\n"),
        "{printed:?}"
    );
    assert!(!printed.concat().contains("kept back"), "{printed:?}");
}
