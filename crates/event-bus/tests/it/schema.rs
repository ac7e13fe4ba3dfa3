//! Tables of an earlier version are brought to this one with what is in them.

use std::borrow::Cow;
use std::sync::Arc;

use millrace_event_bus::{ParkedState, count_parked, list_parked, migrations};
use millrace_event_store::{Database, DatabaseSettings, Migrations};
use millrace_service_kit::{Ids, SystemClock};
use sqlx::migrate::Migrator;

/// Only the first of this crate's migrations.
fn first() -> Migrations {
    let first = |migrator: &Migrator| Migrator {
        migrations: Cow::Owned(migrator.iter().take(1).cloned().collect()),
        ..Migrator::DEFAULT
    };
    Migrations {
        owner: migrations().owner,
        postgres: first(&migrations().postgres),
        sqlite: first(&migrations().sqlite),
    }
}

async fn what_was_kept_stays(url: &str) {
    let settings = DatabaseSettings::new(url, "old");
    let database = Database::open(&settings, Arc::new(SystemClock), Ids::random())
        .await
        .expect("opens");
    database.migrate(&[&first()]).await.expect("migrates");
    for (offset, status) in [(7, "parked"), (8, "waiting"), (9, "dropped")] {
        keep(&database, offset, status).await;
    }
    let last = list_parked(&database, 0, 10).await.expect("readable")[1].id + 1;
    sqlx::query("DELETE FROM bus_held WHERE status = 'dropped'")
        .execute(database.pool())
        .await
        .expect("deleted");

    let steps = database.migrate(&[migrations()]).await.expect("migrates");
    assert_eq!(steps.len(), 3, "all that came since: {steps:?}");
    let kept = list_parked(&database, 0, 10).await.expect("readable");
    let known: Vec<(i64, ParkedState, u64)> = kept
        .iter()
        .map(|kept| (kept.offset, kept.state, kept.waiting_behind))
        .collect();
    assert_eq!(
        known,
        [(7, ParkedState::Parked, 1), (8, ParkedState::Waiting, 0)]
    );
    let counts = count_parked(&database).await.expect("readable");
    assert_eq!((counts[0].parked, counts[0].waiting), (1, 1));
    keep(&database, 10, "parked").await;
    let newest = list_parked(&database, 0, 10).await.expect("readable")[2].id;
    assert!(newest > last, "{newest} was given out before");
}

async fn keep(database: &Database, offset: i64, status: &str) {
    sqlx::query(include_str!("keep.sql"))
        .bind(offset)
        .bind(status)
        .execute(database.pool())
        .await
        .expect("inserted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_by_the_version_before_stays_in_sqlite() {
    what_was_kept_stays("sqlite::memory:").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_by_the_version_before_stays_in_postgres() {
    let url = millrace_test_rig::postgres()
        .await
        .create_database("held_before")
        .await
        .expect("a database");
    what_was_kept_stays(&url).await;
}
