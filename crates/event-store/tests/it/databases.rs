//! Opening, migrating, closing.

use std::sync::Arc;

use millrace_event_store::{Database, DatabaseSettings, Dialect, Expected, StoreError};
use millrace_service_kit::{Ids, SystemClock};

use crate::everywhere;
use crate::world::{On, World, append, open, owner, whole_feed};

everywhere!(
    a_database_that_was_not_migrated_says_what_to_run,
    what_migrate_would_do_can_be_asked_before,
    two_owners_number_their_migrations_for_themselves,
    a_failed_migration_leaves_nothing_behind,
    a_schema_written_by_a_newer_binary_is_refused_by_name,
    an_applied_migration_that_reads_differently_is_refused,
    closing_finishes_what_was_taken_and_refuses_the_rest,
    a_transaction_that_is_dropped_leaves_nothing_and_holds_up_nobody,
    readers_and_writers_of_the_read_model_and_the_log_do_not_starve_each_other,
);

async fn fresh(on: On) -> (Database, Option<tempfile::TempDir>) {
    let (url, kept) = match on {
        On::Memory => ("sqlite::memory:".to_owned(), None),
        On::File => {
            let directory = tempfile::tempdir().unwrap();
            (
                format!("sqlite:{}/not/yet/there", directory.path().display()),
                Some(directory),
            )
        }
        On::Postgres => (
            millrace_test_rig::postgres()
                .await
                .create_database("store")
                .await
                .unwrap(),
            None,
        ),
    };
    (
        open(&DatabaseSettings::new(url, "catalog-sync")).await,
        kept,
    )
}

async fn a_database_that_was_not_migrated_says_what_to_run(on: On) {
    let (database, _kept) = fresh(on).await;
    let refused = database.log().await.err().unwrap();
    assert!(
        matches!(refused, StoreError::NotMigrated { ref name, missing: 1 } if name == "catalog-sync"),
        "{refused}"
    );
    assert_eq!(
        refused.to_string(),
        "catalog-sync has 1 migrations to go: run \"millrace migrate\""
    );
    database.migrate(&[]).await.unwrap();
    database.log().await.unwrap();
    assert!(matches!(
        database.check(&[&owner("shop", &["SELECT 1"])]).await,
        Err(StoreError::NotMigrated { missing: 1, .. })
    ));
}

async fn what_migrate_would_do_can_be_asked_before(on: On) {
    let (database, _kept) = fresh(on).await;
    let shop = owner(
        "shop",
        &[
            "CREATE TABLE shop (name TEXT PRIMARY KEY)",
            "CREATE TABLE till (name TEXT PRIMARY KEY)",
        ],
    );
    let pending = database.pending(&[&shop]).await.unwrap();
    assert_eq!(
        pending.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "event-store 0001 log",
            "shop 0001 a step",
            "shop 0002 a step"
        ]
    );
    assert_eq!(database.migrate(&[&shop]).await.unwrap(), pending);
    assert_eq!(database.pending(&[&shop]).await.unwrap(), []);
    assert_eq!(database.migrate(&[&shop]).await.unwrap(), []);
    database.check(&[&shop]).await.unwrap();
}

async fn two_owners_number_their_migrations_for_themselves(on: On) {
    let (database, _kept) = fresh(on).await;
    let shop = owner("shop", &["CREATE TABLE shop (name TEXT PRIMARY KEY)"]);
    let bus = owner("bus", &["CREATE TABLE bus (name TEXT PRIMARY KEY)"]);
    database.migrate(&[&shop]).await.unwrap();
    database.migrate(&[&shop, &bus]).await.unwrap();
    // Who does not know the other's tables leaves them alone.
    database.check(&[&bus]).await.unwrap();
    sqlx::query("SELECT count(*) FROM shop, bus")
        .execute(database.pool())
        .await
        .unwrap();
}

async fn a_failed_migration_leaves_nothing_behind(on: On) {
    let (database, _kept) = fresh(on).await;
    let broken = owner(
        "shop",
        &[
            "CREATE TABLE shop (name TEXT PRIMARY KEY)",
            "CREATE TABLE shop (name TEXT PRIMARY KEY)",
        ],
    );
    assert!(matches!(
        database.migrate(&[&broken]).await,
        Err(StoreError::Database(_))
    ));
    assert_eq!(database.pending(&[&broken]).await.unwrap().len(), 3);
    database
        .migrate(&[&owner(
            "shop",
            &["CREATE TABLE shop (name TEXT PRIMARY KEY)"],
        )])
        .await
        .unwrap();
}

async fn a_schema_written_by_a_newer_binary_is_refused_by_name(on: On) {
    let (database, _kept) = fresh(on).await;
    let newer = owner(
        "shop",
        &[
            "CREATE TABLE shop (name TEXT PRIMARY KEY)",
            "CREATE TABLE till (name TEXT PRIMARY KEY)",
        ],
    );
    let older = owner("shop", &["CREATE TABLE shop (name TEXT PRIMARY KEY)"]);
    database.migrate(&[&newer]).await.unwrap();
    for refused in [
        database.check(&[&older]).await.unwrap_err(),
        database.migrate(&[&older]).await.unwrap_err(),
    ] {
        assert!(
            matches!(
                refused,
                StoreError::NewerSchema {
                    found: 2,
                    known: 1,
                    ..
                }
            ),
            "{refused}"
        );
        assert!(
            refused.to_string().contains("catalog")
                && refused.to_string().contains("needs a newer binary"),
            "{refused}"
        );
    }
}

async fn an_applied_migration_that_reads_differently_is_refused(on: On) {
    let (database, _kept) = fresh(on).await;
    database
        .migrate(&[&owner(
            "shop",
            &["CREATE TABLE shop (name TEXT PRIMARY KEY)"],
        )])
        .await
        .unwrap();
    let edited = owner(
        "shop",
        &["CREATE TABLE shop (name TEXT PRIMARY KEY, till TEXT)"],
    );
    assert!(matches!(
        database.check(&[&edited]).await,
        Err(StoreError::Changed { version: 1, .. })
    ));
}

async fn closing_finishes_what_was_taken_and_refuses_the_rest(on: On) {
    let world = World::new(on).await;
    let epoch = world.log.epoch();
    let taken: Vec<_> = (0..50)
        .map(|number| {
            let log = world.log.clone();
            tokio::spawn(async move {
                log.append(append(&format!("s{number}"), Expected::Any, &["x"]))
                    .await
            })
        })
        .collect();
    world
        .log
        .append(append("last", Expected::Any, &["x"]))
        .await
        .unwrap();
    world.database.close().await;
    let mut stored = 1;
    for task in taken {
        stored += usize::from(task.await.unwrap().is_ok());
    }
    assert!(
        world
            .log
            .append(append("late", Expected::Any, &["x"]))
            .await
            .is_err()
    );
    if on != On::Memory {
        // Let go of while clones are still about: the next process may have it.
        let again = open(&world.settings).await;
        let log = again.log().await.unwrap();
        assert_eq!(whole_feed(log.as_ref()).await.len(), stored);
        assert_eq!(log.epoch(), epoch, "a log keeps its incarnation");
    }
}

async fn a_transaction_that_is_dropped_leaves_nothing_and_holds_up_nobody(on: On) {
    let world = World::new(on).await;
    for _ in 0..20 {
        let mut tx = world.database.begin().await.unwrap();
        millrace_event_store::save_cursor(&mut tx, "items", "half")
            .await
            .unwrap();
        drop(tx);
        world
            .log
            .append(append("s", Expected::Any, &["x"]))
            .await
            .unwrap();
    }
    assert_eq!(
        millrace_event_store::load_cursor(&world.database, "items")
            .await
            .unwrap(),
        None
    );
    let mut tx = world.database.begin().await.unwrap();
    millrace_event_store::save_cursor(&mut tx, "items", "one")
        .await
        .unwrap();
    millrace_event_store::save_cursor(&mut tx, "items", "two")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        millrace_event_store::load_cursor(&world.database, "items")
            .await
            .unwrap()
            .as_deref(),
        Some("two")
    );
}

async fn readers_and_writers_of_the_read_model_and_the_log_do_not_starve_each_other(on: On) {
    let world = World::new(on).await;
    let mut tasks = Vec::new();
    for writer in 0..12 {
        let (database, log) = (world.database.clone(), world.log.clone());
        tasks.push(tokio::spawn(async move {
            for round in 0..15 {
                let mut tx = database.begin().await.unwrap();
                millrace_event_store::save_cursor(
                    &mut tx,
                    &format!("cursor-{writer}"),
                    &round.to_string(),
                )
                .await
                .unwrap();
                tx.commit().await.unwrap();
                log.append(append(
                    &format!("s-{writer}"),
                    Expected::Version(round),
                    &["x"],
                ))
                .await
                .unwrap();
                millrace_event_store::load_cursor(&database, "cursor-0")
                    .await
                    .unwrap();
            }
        }));
    }
    for task in tasks {
        tokio::time::timeout(std::time::Duration::from_secs(30), task)
            .await
            .expect("nobody starves")
            .unwrap();
    }
    assert_eq!(whole_feed(world.log.as_ref()).await.len(), 180);
}

#[tokio::test]
async fn a_second_user_of_a_sqlite_file_is_refused_with_a_clear_message() {
    let world = World::new(On::File).await;
    let refused = Database::open(&world.settings, Arc::new(SystemClock), Ids::random())
        .await
        .unwrap_err();
    assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
    assert!(
        refused
            .to_string()
            .ends_with("test-log.db is in use by another process"),
        "{refused}"
    );
    world
        .log
        .append(append("s", Expected::Any, &["unharmed"]))
        .await
        .unwrap();
}

#[tokio::test]
async fn several_processes_migrating_at_once_wait_for_each_other() {
    let url = millrace_test_rig::postgres()
        .await
        .create_database("store")
        .await
        .unwrap();
    let settings = DatabaseSettings::new(url, "catalog-sync");
    let shop = Arc::new(owner(
        "shop",
        &[
            "CREATE TABLE shop (name TEXT PRIMARY KEY)",
            "SELECT pg_sleep(0.1)",
        ],
    ));
    let mut tasks = Vec::new();
    for _ in 0..6 {
        let (settings, shop) = (settings.clone(), shop.clone());
        tasks.push(tokio::spawn(async move {
            let database = open(&settings).await;
            let done = database.migrate(&[&shop]).await.unwrap().len();
            (done, database.log().await.unwrap().epoch())
        }));
    }
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    assert_eq!(outcomes.iter().filter(|(done, _)| *done == 3).count(), 1);
    assert_eq!(outcomes.iter().filter(|(done, _)| *done == 0).count(), 5);
    assert!(
        outcomes.iter().all(|(_, epoch)| *epoch == outcomes[0].1),
        "the log has one epoch"
    );
}

#[tokio::test]
async fn a_role_that_may_not_create_schemas_migrates_one_that_was_made_for_it() {
    let server = millrace_test_rig::postgres().await;
    let url = server.create_database("store").await.unwrap();
    let role = millrace_test_rig::unique("clerk");
    server
        .execute(&format!("CREATE ROLE {role} LOGIN"))
        .await
        .unwrap();
    sqlx::any::install_default_drivers();
    let admin = sqlx::AnyPool::connect(&url).await.unwrap();
    let schema = format!("CREATE SCHEMA catalog_sync AUTHORIZATION {role}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(schema))
        .execute(&admin)
        .await
        .unwrap();
    let settings = DatabaseSettings::new(
        url.replace("postgres@", &format!("{role}@")),
        "catalog-sync",
    );
    let database = open(&settings).await;
    database.migrate(&[]).await.unwrap();
    database
        .log()
        .await
        .unwrap()
        .append(append("s", Expected::Any, &["x"]))
        .await
        .unwrap();
}

#[tokio::test]
async fn an_address_that_cannot_be_meant_is_refused_by_name() {
    for (url, name, words) in [
        ("mysql://localhost/x", "log", "a database url starts with"),
        ("sqlite:/tmp/x", "../log", "a database cannot be called"),
        (
            "sqlite:/proc/nowhere",
            "log",
            "the data directory /proc/nowhere cannot be used",
        ),
        ("postgres://[", "log", "the postgres url cannot be read"),
    ] {
        let refused = Database::open(
            &DatabaseSettings::new(url, name),
            Arc::new(SystemClock),
            Ids::random(),
        )
        .await
        .unwrap_err();
        assert!(refused.to_string().contains(words), "{refused}");
    }
    let settings = DatabaseSettings::new("postgres://user:secret@host/x", "log");
    assert!(!format!("{settings:?}").contains("secret"));
}

#[tokio::test]
async fn a_database_says_which_dialect_it_speaks_and_whether_it_answers() {
    let sqlite = World::new(On::Memory).await;
    assert_eq!(sqlite.database.dialect(), Dialect::Sqlite);
    sqlite.database.ping().await.unwrap();
    let postgres = World::new(On::Postgres).await;
    assert_eq!(postgres.database.dialect(), Dialect::Postgres);
    postgres.database.ping().await.unwrap();
}
