//! `millrace doctor` finds what is wrong with settings, databases, Kafka and the ERP, and says how each is mended.

use std::process::Stdio;

use millrace_erp_simulator::faults::{Kind, Rule};
use millrace_test_rig::until;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use serde_json::Value;
use sqlx::{Connection, PgConnection};

use crate::process::millrace;
use crate::world::{PATIENCE, Plan, World};

/// Its exit code, and what is wrong: each check with what was found and its mend.
pub fn doctor(
    world: &World,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> (i32, Vec<(String, String, String)>) {
    let mut all = world.environment().to_vec();
    let own = environment.iter();
    all.extend(own.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let arguments = [&["doctor", "--output", "json"], arguments].concat();
    let mut command = millrace(&world.settings(), &arguments, &all);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("canary"), "{text}");
    let said = String::from_utf8_lossy(&output.stderr);
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text} {said}"));
    let findings = answer["findings"].as_array().unwrap();
    assert!(
        findings.len() > 1 || output.status.code() == Some(1),
        "{text}"
    );
    let word =
        |finding: &Value, field: &str| finding[field].as_str().unwrap_or_default().to_owned();
    let wrong = findings
        .iter()
        .filter(|finding| finding["verdict"] == "wrong")
        .map(|one| (word(one, "check"), word(one, "found"), word(one, "mend")));
    (output.status.code().unwrap(), wrong.collect())
}

/// Row 134.
#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_is_well_has_nothing_wrong_running_or_not() {
    let mut world = World::empty(Plan::default()).await;
    assert_eq!(
        doctor(&world, &["--erp"], &[]),
        (0, vec![]),
        "before its first start"
    );
    world.add("all", &[]);
    world.ready().await;
    assert_eq!(
        doctor(&world, &["--erp"], &[]),
        (0, vec![]),
        "while it runs"
    );
    world.stop("all").await;
    assert_eq!(
        doctor(&world, &["--after-restore"], &[]),
        (0, vec![]),
        "stopped"
    );
    let printed = world.runs(&["doctor"], &[]);
    assert!(printed.contains("ok       erp.sign-in: "), "{printed}");
}

/// Row 134.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_settings_and_erp_is_told_with_its_mend_and_no_secret() {
    let world = World::empty(Plan::default()).await;
    let wrong_secret = [("MILLRACE_ERP__CLIENT_SECRET", "canary-of-a-secret")];
    let (code, wrong) = doctor(&world, &[], &wrong_secret);
    let (check, _, mend) = &wrong[0];
    assert_eq!((code, wrong.len(), check.as_str()), (1, 1, "erp.sign-in"));
    assert!(mend.contains("erp.client_secret"), "{mend}");

    let (code, wrong) = doctor(&world, &[], &[("MILLRACE_PERSONAL__KEY", "canary")]);
    let (check, found, mend) = &wrong[0];
    assert_eq!((code, wrong.len(), check.as_str()), (1, 1, "settings"));
    assert!(found.contains("personal.key") && mend.contains("openssl rand -base64 32"));

    let (code, wrong) = doctor(&world, &["order-intake"], &[]);
    let found: Vec<&str> = wrong.iter().map(|(_, found, _)| found.as_str()).collect();
    assert_eq!((code, wrong.len()), (1, 3), "{found:?}");
    for key in ["bus.kind", "services.token", "services.customer_sync"] {
        assert!(
            found.iter().any(|found| found.contains(key)),
            "{key}: {found:?}"
        );
    }

    let (code, wrong) = doctor(&world, &[], &[("MILLRACE_DRAIN", "soon")]);
    assert_eq!((code, wrong.len()), (1, 1));
    assert!(wrong[0].1.contains("drain"), "{wrong:?}");

    let refused = Rule::new(Kind::PermissionMissing)
        .on("GET", "priceLines")
        .times(0);
    world.simulator.fault(refused);
    let (code, wrong) = doctor(&world, &["--erp"], &[]);
    let (check, _, mend) = &wrong[0];
    assert_eq!(
        (code, wrong.len(), check.as_str()),
        (1, 1, "erp.page.priceLines")
    );
    assert!(mend.contains("permission sets"), "{mend}");
}

/// Row 134.
#[tokio::test(flavor = "multi_thread")]
async fn databases_and_topics_that_are_not_as_they_have_to_be_are_named() {
    let postgres = millrace_test_rig::postgres().await;
    let postgres = postgres.create_database("doctor").await.unwrap();
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let world = World::prepared(Plan::default(), &postgres, &bootstrap).await;
    // Brokers may take a while to know of topics that were just made.
    until(PATIENCE, "nothing is wrong", async || {
        (doctor(&world, &[], &[]) == (0, vec![])).then_some(())
    })
    .await;

    let (_, prefix) = world.kafka.clone().unwrap();
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .create()
        .unwrap();
    let (items, orders) = (format!("{prefix}items"), format!("{prefix}webshop-orders"));
    let options = AdminOptions::new();
    let deleted = admin.delete_topics(&[&items], &options).await.unwrap();
    assert!(deleted[0].is_ok(), "{deleted:?}");
    // What is not named goes back to its default.
    let shorter = AlterConfig::new(ResourceSpecifier::Topic(&orders))
        .set("retention.ms", "1000")
        .set("max.message.bytes", "2000000");
    let altered = admin.alter_configs([&shorter], &options).await.unwrap();
    assert!(altered[0].is_ok(), "{altered:?}");
    let mut database = PgConnection::connect(&postgres).await.unwrap();
    sqlx::raw_sql(
        "DELETE FROM customer_sync.applied_migrations WHERE owner = 'customer-sync';
         INSERT INTO catalog_sync.leases (name, holder, epoch, marker, expires_at) VALUES ('relay', 'who died', 1, 0, now() - interval '1 hour')",
    )
    .execute(&mut database)
    .await
    .unwrap();

    // Nor do they know at once of what was changed.
    let wrong = until(PATIENCE, "all four are found", async || {
        let (code, wrong) = doctor(&world, &[], &[]);
        (code == 1 && wrong.len() == 4).then_some(wrong)
    })
    .await;
    let mend = |check: &str| {
        let found = wrong.iter().find(|(name, _, _)| name == check);
        &found.unwrap_or_else(|| panic!("{check}: {wrong:?}")).2
    };
    assert_eq!(
        mend("database.customer-sync"),
        "millrace migrate customer-sync"
    );
    assert!(mend("leases.catalog-sync").contains("start catalog-sync"));
    assert!(mend(&format!("kafka.topic.{items}")).contains("millrace migrate"));
    assert!(
        mend(&format!("kafka.topic.{orders}")).contains("--add-config retention.ms=2592000000")
    );

    let nobody = [("MILLRACE_BUS__KAFKA__BOOTSTRAP", "127.0.0.1:1")];
    let (_, wrong) = doctor(&world, &[], &nobody);
    assert!(
        wrong.iter().any(|(check, _, _)| check == "kafka"),
        "{wrong:?}"
    );
}
