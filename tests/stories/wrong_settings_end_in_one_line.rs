//! Whatever is wrong with the settings or the neighbours is said in one line, with an exit code a script can tell apart.

use std::net::TcpListener;
use std::process::{Command, Output};

use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::process::free_address;
use crate::world::{Plan, SHOP_TOKEN, World};

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
    assert_eq!(output.status.code(), Some(code), "{text}");
    let line = one_line(&text);
    assert!(line.contains(says), "{says:?} is not in {line:?}");
}

/// What is said to a person; lines of the log are for machines.
fn one_line(text: &str) -> &str {
    let mut lines = text.lines().filter(|line| !line.starts_with('{'));
    let line = lines.next().unwrap_or_default();
    assert_eq!(lines.next(), None, "more than one line:\n{text}");
    line
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

/// Row 97.
#[test]
fn a_doorbell_that_cannot_be_meant_is_named_with_its_setting() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("millrace.toml");
    let refused_with = |doorbell: &str, says: &str| {
        let text = format!(
            "[[channels]]\ncode = 'furniture'\nerp = 'bc-main'\nlanguages = ['de']\nlocation_group = ['MAIN']\ncurrency = 'EUR'\nprices_include_tax = true\n\
             [[shop_delivery.channels]]\nchannel = 'furniture'\n[[shop_delivery.channels.doorbells]]\nname = 'shop'\n{doorbell}"
        );
        std::fs::write(&file, text).unwrap();
        let output = millrace(
            &["--config", file.to_str().unwrap(), "config", "check"],
            &[],
        );
        refused(&output, 64, &format!("doorbell \"shop\": {says}"));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!text.contains("canary"), "{text}");
    };
    let url = "url = 'https://shop.example/'";
    let secret = "secrets = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw']";
    let broken = format!("{url}\n{secret}\nbody = '{{{{key'");
    refused_with(&broken, "body: the placeholder that begins at character 1");
    let unknown = format!("{url}\n{secret}\nbody = '{{{{canary}}}}'");
    refused_with(
        &unknown,
        "body: the placeholder at character 1 is none of id",
    );
    let no_secret = format!("{url}\nsecrets = ['whsec_canary!']");
    refused_with(&no_secret, "secrets: number 1 is not Base64");
    let inside = format!("url = 'https://169.254.169.254/canary'\n{secret}");
    refused_with(&inside, "url: 169.254.169.254 is an address inside");
}

#[test]
fn a_process_without_channels_says_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let addresses: Vec<String> = (0..3).map(|_| free_address().to_string()).collect();
    let environment = [
        ("MILLRACE_DATA_DIR", folder.path().to_str().unwrap()),
        ("MILLRACE_GRPC__LISTEN", &addresses[0]),
        ("MILLRACE_HTTP__LISTEN", "127.0.0.1:0"),
        ("MILLRACE_MONITORING__LISTEN", &addresses[1]),
        ("MILLRACE_HOOKS__LISTEN", &addresses[2]),
    ];
    refused(&millrace(&["run", "all"], &environment), 64, "[[channels]]");
}

#[test]
fn a_port_in_use_is_named_whichever_it_is() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let keys = ["GRPC", "HTTP", "MONITORING", "HOOKS"];
    let keys = keys.map(|part| format!("MILLRACE_{part}__LISTEN"));
    let folder = tempfile::tempdir().unwrap();
    for service in [&["run", "all"][..], &["demo"]] {
        for taken in &keys {
            let free: Vec<_> = keys.iter().map(|_| free_address().to_string()).collect();
            let mut environment = vec![("MILLRACE_DATA_DIR", folder.path().to_str().unwrap())];
            for (key, free) in keys.iter().zip(&free) {
                environment.push((key, if key == taken { &address } else { free }));
            }
            let simulator = free_address().to_string();
            let mut arguments = service.to_vec();
            if arguments == ["demo"] {
                arguments.extend(["--simulator", &simulator]);
            }
            refused(&millrace(&arguments, &environment), 1, &address);
        }
    }
}

#[test]
fn the_simulators_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(
        &millrace(&["simulate", "--listen", &address], &[]),
        1,
        &address,
    );
    let folder = tempfile::tempdir().unwrap();
    let environment = [("MILLRACE_DATA_DIR", folder.path().to_str().unwrap())];
    refused(
        &millrace(&["demo", "--simulator", &address], &environment),
        1,
        &address,
    );
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
        ("MILLRACE_HTTP__LISTEN", "127.0.0.1:0"),
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
        ("MILLRACE_HTTP__LISTEN", "127.0.0.1:0"),
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

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_newer_binary_are_refused_by_a_run_and_by_migrate() {
    let mut world = World::in_one_process(Plan::default()).await;
    world.stop("all").await;
    let data = world.folder().join("data");
    let file = format!("sqlite:{}", data.join("order-intake.db").display());
    let mut database = SqliteConnection::connect(&file).await.unwrap();
    sqlx::query(FROM_THE_FUTURE)
        .execute(&mut database)
        .await
        .unwrap();
    database.close().await.unwrap();

    let settings = world.settings();
    let environment = [("MILLRACE_DATA_DIR", data.to_str().unwrap())];
    for command in [&["run", "all"][..], &["migrate"]] {
        let addresses: Vec<String> = (0..3).map(|_| free_address().to_string()).collect();
        let listening = [
            ("MILLRACE_GRPC__LISTEN", addresses[0].as_str()),
            ("MILLRACE_HTTP__LISTEN", "127.0.0.1:0"),
            ("MILLRACE_MONITORING__LISTEN", &addresses[1]),
            ("MILLRACE_HOOKS__LISTEN", &addresses[2]),
        ];
        let environment = [&environment[..], &listening].concat();
        let arguments = [&["--config", settings.to_str().unwrap()], command].concat();
        refused(
            &millrace(&arguments, &environment),
            1,
            "needs a newer binary",
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_schema_of_a_newer_binary_is_refused() {
    let postgres = millrace_test_rig::postgres().await;
    let postgres = postgres.create_database("newer").await.unwrap();
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let mut world = World::prepared(Plan::default(), &postgres, &bootstrap).await;
    let mut database = PgConnection::connect(&postgres).await.unwrap();
    sqlx::query("SET search_path TO order_intake")
        .execute(&mut database)
        .await
        .unwrap();
    sqlx::query(FROM_THE_FUTURE)
        .execute(&mut database)
        .await
        .unwrap();

    world.add_services(&["order-intake"]);
    assert_eq!(world.ended("order-intake").await.code(), Some(1));
    let text = world.log("order-intake");
    assert!(one_line(&text).contains("needs a newer binary"), "{text}");
}

/// What a newer binary would leave behind.
const FROM_THE_FUTURE: &str = "INSERT INTO applied_migrations (owner, version, description, checksum, applied_at) \
     SELECT owner, 9999, 'from the future', checksum, applied_at FROM applied_migrations LIMIT 1";

#[tokio::test(flavor = "multi_thread")]
async fn a_quantity_that_is_no_number_is_named_with_its_place_and_nothing_is_sent() {
    let world = World::in_one_process(Plan::default()).await;
    let file = world.folder().join("order.json");
    let server = format!("http://{}", world.process("order-intake").grpc);
    for quantity in [r#"{"units":"two"}"#, r#""two""#, r#"{"units":1.5}"#] {
        let order = format!(
            r#"{{"order":{{"channel":"furniture","order_number":"WEB-WORDS","lines":[{{"line_number":1,"quantity":{quantity}}}]}}}}"#
        );
        std::fs::write(&file, order).unwrap();
        let environment = [
            ("MILLRACE_SERVER", server.as_str()),
            ("MILLRACE_TOKEN", SHOP_TOKEN),
        ];
        let output = millrace(&["order", "submit", file.to_str().unwrap()], &environment);
        refused(&output, 64, "order.json: order.lines[0].quantity");
    }
    let mut shop = world.shop().await;
    let nothing = shop.view("WEB-WORDS").await.unwrap_err();
    assert_eq!(nothing.code(), tonic::Code::NotFound);
}
