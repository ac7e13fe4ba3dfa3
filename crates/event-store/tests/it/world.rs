//! The databases the suite runs on, and small builders.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use millrace_event_store::{
    Append, Cause, Database, DatabaseSettings, EventLog, Expected, Migrations, NewEvent, Recorded,
    StreamAppend,
};
use millrace_service_kit::{Clock, Ids, SystemClock};
use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use uuid::Uuid;

/// Where a test runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Memory,
    File,
    Postgres,
}

/// A fresh, migrated database and what keeps it alive.
pub struct World {
    pub database: Database,
    pub log: Arc<dyn EventLog>,
    pub settings: DatabaseSettings,
    _directory: Option<tempfile::TempDir>,
}

impl World {
    pub async fn new(on: On) -> Self {
        let mut kept = None;
        let url = match on {
            On::Memory => "sqlite::memory:".to_owned(),
            On::File => {
                let directory = tempfile::tempdir().unwrap();
                let url = format!("sqlite:{}", directory.path().display());
                kept = Some(directory);
                url
            }
            On::Postgres => millrace_test_rig::postgres()
                .await
                .create_database("store")
                .await
                .unwrap(),
        };
        let settings = DatabaseSettings::new(url, "test-log");
        let database = open(&settings).await;
        database.migrate(&[]).await.unwrap();
        let log = database.log().await.unwrap();
        Self {
            database,
            log,
            settings,
            _directory: kept,
        }
    }
}

impl World {
    /// As a process that starts again finds it.
    pub async fn reopened(settings: &DatabaseSettings) -> Self {
        let database = open(settings).await;
        let log = database.log().await.unwrap();
        Self {
            database,
            log,
            settings: settings.clone(),
            _directory: None,
        }
    }
}

pub async fn open(settings: &DatabaseSettings) -> Database {
    Database::open(settings, Arc::new(SystemClock), Ids::random())
        .await
        .unwrap()
}

fn migration(version: i64, sql: &'static str) -> Migration {
    Migration::new(
        version,
        Cow::Borrowed("a step"),
        MigrationType::Simple,
        sql.into_sql_str(),
        false,
    )
}

/// Somebody's migrations, numbered from 1.
pub fn owner(name: &'static str, steps: &[&'static str]) -> Migrations {
    let steps: Vec<Migration> = (1..)
        .zip(steps)
        .map(|(version, sql)| migration(version, sql))
        .collect();
    Migrations {
        owner: name,
        postgres: Migrator::with_migrations(steps.clone()),
        sqlite: Migrator::with_migrations(steps),
    }
}

pub fn cause() -> Cause {
    Cause {
        correlation_id: Uuid::from_u128(7),
        causation_id: None,
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        actor: "suite".into(),
    }
}

pub fn event(text: &str) -> NewEvent {
    let now = Timestamp::from_microsecond(SystemClock.now().as_microsecond()).unwrap();
    NewEvent {
        id: Ids::random().uuid_at(now),
        kind: "millrace.items.v1.ItemChanged".into(),
        key: String::new(),
        erp: Some("bc-main".into()),
        channel: None,
        occurred_at: now,
        cause: cause(),
        payload: Bytes::copy_from_slice(text.as_bytes()),
        deleted: false,
    }
}

pub fn on_stream(stream: &str, expected: Expected, texts: &[&str]) -> StreamAppend {
    let events = texts
        .iter()
        .map(|text| NewEvent {
            key: stream.to_owned(),
            ..event(text)
        })
        .collect();
    StreamAppend {
        stream: stream.to_owned(),
        expected,
        events,
    }
}

pub fn append(stream: &str, expected: Expected, texts: &[&str]) -> Append {
    Append {
        streams: vec![on_stream(stream, expected, texts)],
        ..Append::default()
    }
}

pub fn text(recorded: &Recorded) -> &str {
    std::str::from_utf8(&recorded.event.payload).unwrap()
}

/// The whole feed; panics when positions are not 1, 2, 3 … and versions per stream not 1, 2, 3 ….
pub async fn whole_feed(log: &dyn EventLog) -> Vec<Recorded> {
    let mut all: Vec<Recorded> = Vec::new();
    loop {
        let page = log.read_feed(all.len() as u64, 700).await.unwrap();
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    let mut versions = std::collections::HashMap::new();
    for (index, recorded) in all.iter().enumerate() {
        assert_eq!(
            recorded.at.number,
            index as u64 + 1,
            "positions are gapless"
        );
        let version = versions.entry(recorded.stream.clone()).or_insert(0);
        *version += 1;
        assert_eq!(
            recorded.version, *version,
            "versions of {} are gapless and in feed order",
            recorded.stream
        );
    }
    all
}

/// Makes one test per database out of each function: `everywhere!(a_test, another)`.
#[macro_export]
macro_rules! everywhere {
    ($($test:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $test() { super::$test($crate::world::On::Memory).await; })+
        }
        mod file {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $test() { super::$test($crate::world::On::File).await; })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $test() { super::$test($crate::world::On::Postgres).await; })+
        }
    };
}
