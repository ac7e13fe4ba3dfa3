//! One database per service: its log, its read model and its checkpoints stand side by side, so that a projection's rows and
//! its position commit together. Services write each query once for PostgreSQL and SQLite, through `sqlx::Any`.

mod any;
mod cursor;
mod epoch;
mod fence;
mod memory;
mod migrations;
mod place;
mod places;
mod standing;
mod tx;

use std::collections::HashMap;
use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use sqlx::AnyPool;
use tokio::sync::{OnceCell, watch};
use uuid::Uuid;

use millrace_service_kit::{Clock, Ids};

use crate::log::{EventLog, StoreError};
use crate::{postgres, sqlite};
use place::Place;
pub(crate) use place::{Hold, PostgresPlace, SqlitePlace};

pub use cursor::{cursors, load_cursor, save_cursor};
pub use fence::still_held;
pub use migrations::{Migrations, Pending};
pub use places::{places, places_of_rows};
pub use standing::LeaseStanding;
use tx::Durability;
pub use tx::Tx;

/// Where a service keeps what it knows.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `postgres://user:password@host/database`, `sqlite:<directory>` or `sqlite::memory:`.
    pub url: String,
    /// The log's name, e.g. `catalog-sync`. PostgreSQL: a schema of that name (`catalog_sync`); SQLite: a file in the directory.
    pub name: String,
    /// Connections for the read model, at most.
    #[serde(default = "default_connections")]
    pub connections: u32,
}

fn default_connections() -> u32 {
    8
}

impl DatabaseSettings {
    #[must_use]
    pub fn new(url: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            name: name.into(),
            connections: default_connections(),
        }
    }
}

impl Debug for DatabaseSettings {
    /// Without the address: it carries a password.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseSettings")
            .field("url", &"***")
            .field("name", &self.name)
            .field("connections", &self.connections)
            .finish()
    }
}

/// Which SQL a query meets, for the few places where one text does not serve both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Postgres,
    Sqlite,
}

/// An open database: cheap to clone, closed by [`Database::close`] or when the last clone and the log are dropped.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    place: Place,
    pool: AnyPool,
    log: OnceCell<Arc<dyn Closable>>,
    projected: Mutex<HashMap<String, watch::Sender<u64>>>,
    clock: Arc<dyn Clock>,
    ids: Ids,
}

/// A log that can be asked to finish.
#[async_trait::async_trait]
pub(crate) trait Closable: EventLog {
    /// Finishes what was taken, then refuses everything with [`StoreError::Closed`].
    async fn close(&self);
}

impl Database {
    /// Connects. Writes nothing; the schema may not be there yet.
    ///
    /// # Errors
    /// [`StoreError::Address`] for a url that cannot be meant, [`StoreError::InUse`] when another process has the SQLite file,
    /// [`StoreError::Database`] when nobody answers.
    pub async fn open(
        settings: &DatabaseSettings,
        clock: Arc<dyn Clock>,
        ids: Ids,
    ) -> Result<Self, StoreError> {
        let place = Place::open(settings).await?;
        let pool = any::pool(&place, settings.connections).await?;
        Ok(Self(Arc::new(Inner {
            name: settings.name.as_str().into(),
            place,
            pool,
            log: OnceCell::new(),
            projected: Mutex::default(),
            clock,
            ids,
        })))
    }

    /// The log's name, as it stands in every position.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match &self.0.place {
            Place::Postgres(_) => Dialect::Postgres,
            Place::Sqlite(_) => Dialect::Sqlite,
        }
    }

    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    #[must_use]
    pub fn ids(&self) -> &Ids {
        &self.0.ids
    }

    /// A new event id.
    #[must_use]
    pub fn new_id(&self) -> Uuid {
        self.0.ids.uuid_at(self.0.clock.now())
    }

    /// What [`Database::migrate`] would do now, in its order. Writes nothing.
    ///
    /// # Errors
    /// [`StoreError::NewerSchema`] when the schema was written by a newer binary.
    pub async fn pending(&self, owners: &[&Migrations]) -> Result<Vec<Pending>, StoreError> {
        migrations::pending(&self.0.place, owners).await
    }

    /// Brings the store's own tables and those of `owners` to where this binary needs them, all or nothing; several processes
    /// at once wait for each other. Returns what was done.
    ///
    /// # Errors
    /// [`StoreError::NewerSchema`] when the schema was written by a newer binary; [`StoreError::Changed`] when a migration that
    /// was applied reads differently now.
    pub async fn migrate(&self, owners: &[&Migrations]) -> Result<Vec<Pending>, StoreError> {
        let epoch = self.new_id();
        migrations::migrate(&self.0.place, owners, epoch, self.0.clock.now()).await
    }

    /// Makes the log another one, for a database that was restored to an earlier point: its readers know then that positions they
    /// have seen may mean something else now, and begin again. A process that has the log open must be started again.
    ///
    /// # Errors
    /// The database is away, or not migrated yet.
    pub async fn begin_epoch(&self) -> Result<(), StoreError> {
        self.check(&[]).await?;
        epoch::begin(&self.0.place, self.new_id()).await
    }

    /// Refuses a schema this binary cannot work with; a service calls it before it serves.
    ///
    /// # Errors
    /// [`StoreError::NotMigrated`] says what to run, [`StoreError::NewerSchema`] names the newer schema.
    pub async fn check(&self, owners: &[&Migrations]) -> Result<(), StoreError> {
        match self.pending(owners).await?.len() {
            0 => Ok(()),
            missing => Err(StoreError::NotMigrated {
                name: self.name().to_owned(),
                missing,
            }),
        }
    }

    /// The log of this database; the same one at every call.
    ///
    /// # Errors
    /// As [`Database::check`] for the store's own tables.
    pub async fn log(&self) -> Result<Arc<dyn EventLog>, StoreError> {
        let log = self.closable().await?;
        Ok(log)
    }

    async fn closable(&self) -> Result<Arc<dyn Closable>, StoreError> {
        let inner = &self.0;
        let open = || async {
            self.check(&[]).await?;
            let log: Arc<dyn Closable> = match &inner.place {
                Place::Postgres(place) => {
                    postgres::open(
                        place,
                        inner.name.clone(),
                        inner.clock.clone(),
                        inner.ids.clone(),
                    )
                    .await?
                }
                Place::Sqlite(place) => {
                    sqlite::open(
                        place,
                        inner.name.clone(),
                        inner.clock.clone(),
                        inner.ids.clone(),
                    )
                    .await?
                }
            };
            Ok::<_, StoreError>(log)
        };
        inner.log.get_or_try_init(open).await.cloned()
    }

    /// Connections for reading the read model. Writing goes through [`Database::begin`].
    #[must_use]
    pub fn pool(&self) -> &AnyPool {
        &self.0.pool
    }

    /// Begins a transaction of the read model. In SQLite there is one writer at a time, the log included: take turns quickly, and
    /// never await an append while holding one.
    ///
    /// # Errors
    /// The database is away.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        tx::begin(&self.0.pool, self.0.place.turns(), Durability::Kept).await
    }

    /// Begins a transaction of what is derived from a log or topic, together with how far it has been derived. In PostgreSQL its
    /// commit does not wait for the disk: when the server's machine dies, the rows and the position go back together, and what is
    /// missing is derived again. Nothing that exists only here may stand in it.
    ///
    /// # Errors
    /// The database is away.
    pub async fn begin_derived(&self) -> Result<Tx, StoreError> {
        tx::begin(&self.0.pool, self.0.place.turns(), Durability::Derived).await
    }

    /// Readiness: does the database answer?
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.0.pool).await?;
        Ok(())
    }

    /// Finishes appends that were taken, then closes every connection and lets go of the file.
    pub async fn close(&self) {
        if let Some(log) = self.0.log.get() {
            log.close().await;
        }
        self.0.pool.close().await;
        self.0.place.close().await;
    }

    /// Follows how far the projection `name` of this process has come.
    pub(crate) fn projected(&self, name: &str) -> watch::Sender<u64> {
        let mut projected = self
            .0
            .projected
            .lock()
            .expect("no holder of this lock panics");
        projected
            .entry(name.to_owned())
            .or_insert_with(|| watch::Sender::new(0))
            .clone()
    }
}

impl Debug for Database {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("name", &self.0.name)
            .field("dialect", &self.dialect())
            .finish_non_exhaustive()
    }
}
