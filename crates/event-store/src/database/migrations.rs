//! Brings a schema to where this binary needs it. Several owners (the store itself, the service, the bus) share one schema, each
//! with its own numbers; everything pending is one transaction, so a schema is never half way.

use std::fmt::{self, Display, Formatter};

use jiff::Timestamp;
use sqlx::migrate::{Migration, Migrator};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::database::place::{Place, PostgresPlace};
use crate::log::StoreError;

/// One owner's tables: embedded `migrations/postgres/*.sql` and `migrations/sqlite/*.sql`, see [`crate::migrations!`].
#[derive(Debug)]
pub struct Migrations {
    pub owner: &'static str,
    pub postgres: Migrator,
    pub sqlite: Migrator,
}

/// Embeds the `migrations/` folder of the calling crate: `pub static MIGRATIONS: Migrations = migrations!("catalog-sync");`.
/// The calling crate depends on `sqlx`.
#[macro_export]
macro_rules! migrations {
    ($owner:literal) => {
        $crate::Migrations {
            owner: $owner,
            postgres: ::sqlx::migrate!("migrations/postgres"),
            sqlite: ::sqlx::migrate!("migrations/sqlite"),
        }
    };
}

static STORE: Migrations = migrations!("event-store");

/// A migration that was not applied yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    pub owner: String,
    pub version: i64,
    pub description: String,
}

impl Display for Pending {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:04} {}", self.owner, self.version, self.description)
    }
}

/// A migration that was applied: owner, version, checksum.
type Applied = (String, i64, Vec<u8>);

pub(super) async fn pending(
    place: &Place,
    owners: &[&Migrations],
) -> Result<Vec<Pending>, StoreError> {
    let applied = match place {
        Place::Postgres(place) => {
            let known: Option<(String,)> =
                sqlx::query_as(include_str!("../postgres/has_migrations.sql"))
                    .bind(&place.schema)
                    .fetch_optional(&place.pool)
                    .await?;
            match known {
                Some(_) => sqlx::query_as(APPLIED).fetch_all(&place.pool).await?,
                None => Vec::new(),
            }
        }
        Place::Sqlite(place) => {
            let known: Option<(String,)> =
                sqlx::query_as(include_str!("../sqlite/has_migrations.sql"))
                    .fetch_optional(&place.pool)
                    .await?;
            match known {
                Some(_) => sqlx::query_as(APPLIED).fetch_all(&place.pool).await?,
                None => Vec::new(),
            }
        }
    };
    let missing = missing(place, owners, &applied)?;
    Ok(missing
        .into_iter()
        .map(|(owner, migration)| told(owner, migration))
        .collect())
}

pub(super) async fn migrate(
    place: &Place,
    owners: &[&Migrations],
    epoch: Uuid,
    now: Timestamp,
) -> Result<Vec<Pending>, StoreError> {
    match place {
        Place::Postgres(postgres) => {
            let mut connection = postgres.pool.acquire().await?;
            migrate_postgres(place, postgres, &mut connection, owners, epoch, now).await
        }
        Place::Sqlite(sqlite) => {
            let _turn = sqlite.turns.file.lock().await;
            let mut connection = sqlite.pool.acquire().await?;
            migrate_sqlite(place, &mut connection, owners, epoch, now).await
        }
    }
}

const APPLIED: &str = "SELECT owner, version, checksum FROM applied_migrations";
const NOTE: &str = "INSERT INTO applied_migrations (owner, version, description, checksum, applied_at) VALUES ($1, $2, $3, $4, $5)";
const HEAD: &str = "INSERT INTO log_head (shard, position, epoch, fence) VALUES (0, 0, $1, 0) ON CONFLICT (shard) DO NOTHING";

async fn migrate_postgres(
    place: &Place,
    postgres: &PostgresPlace,
    connection: &mut PgConnection,
    owners: &[&Migrations],
    epoch: Uuid,
    now: Timestamp,
) -> Result<Vec<Pending>, StoreError> {
    let mut tx = connection.begin().await?;
    // Everybody else who wants to migrate this schema waits here until this transaction has ended, however it ends.
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('millrace/' || $1, 0))")
        .bind(&postgres.schema)
        .execute(&mut *tx)
        .await?;
    // Where an administrator made the schema, the role may not be allowed to, and even IF NOT EXISTS asks for the right.
    let there: Option<(i32,)> = sqlx::query_as("SELECT 1 FROM pg_namespace WHERE nspname = $1")
        .bind(&postgres.schema)
        .fetch_optional(&mut *tx)
        .await?;
    if there.is_none() {
        let schema = format!("CREATE SCHEMA {}", postgres.schema);
        sqlx::raw_sql(AssertSqlSafe(schema))
            .execute(&mut *tx)
            .await?;
    }
    sqlx::raw_sql(include_str!("../postgres/applied_migrations.sql"))
        .execute(&mut *tx)
        .await?;
    let applied: Vec<Applied> = sqlx::query_as(APPLIED).fetch_all(&mut *tx).await?;
    let mut done = Vec::new();
    for (owner, migration) in missing(place, owners, &applied)? {
        sqlx::raw_sql(migration.sql.clone())
            .execute(&mut *tx)
            .await?;
        let note = sqlx::query(NOTE)
            .bind(owner)
            .bind(migration.version)
            .bind(migration.description.as_ref());
        note.bind(migration.checksum.as_ref())
            .bind(now.as_microsecond())
            .execute(&mut *tx)
            .await?;
        done.push(told(owner, migration));
    }
    sqlx::query(HEAD).bind(epoch).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(done)
}

async fn migrate_sqlite(
    place: &Place,
    connection: &mut SqliteConnection,
    owners: &[&Migrations],
    epoch: Uuid,
    now: Timestamp,
) -> Result<Vec<Pending>, StoreError> {
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::raw_sql(include_str!("../sqlite/applied_migrations.sql"))
        .execute(&mut *tx)
        .await?;
    let applied: Vec<Applied> = sqlx::query_as(APPLIED).fetch_all(&mut *tx).await?;
    let mut done = Vec::new();
    for (owner, migration) in missing(place, owners, &applied)? {
        sqlx::raw_sql(migration.sql.clone())
            .execute(&mut *tx)
            .await?;
        let note = sqlx::query(NOTE)
            .bind(owner)
            .bind(migration.version)
            .bind(migration.description.as_ref());
        note.bind(migration.checksum.as_ref())
            .bind(now.as_microsecond())
            .execute(&mut *tx)
            .await?;
        done.push(told(owner, migration));
    }
    sqlx::query(HEAD).bind(epoch).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(done)
}

/// What is left to do, the store's own first.
///
/// An owner this binary does not name is left alone: several binaries may share a schema.
fn missing<'a>(
    place: &Place,
    owners: &[&'a Migrations],
    applied: &[Applied],
) -> Result<Vec<(&'static str, &'a Migration)>, StoreError> {
    let mut missing = Vec::new();
    let store: &'static Migrations = &STORE;
    for owner in std::iter::once(&store).chain(owners) {
        let (name, migrator) = match place {
            Place::Postgres(place) => (place.schema.clone(), &owner.postgres),
            Place::Sqlite(place) => (place.file_name(), &owner.sqlite),
        };
        let mine = || applied.iter().filter(|(of, ..)| of == owner.owner);
        let known = migrator
            .iter()
            .map(|migration| migration.version)
            .max()
            .unwrap_or(0);
        if let Some(found) = mine()
            .map(|(_, version, _)| *version)
            .max()
            .filter(|found| *found > known)
        {
            return Err(StoreError::NewerSchema {
                name: format!("{name} ({})", owner.owner),
                found,
                known,
            });
        }
        for migration in migrator.iter() {
            match mine().find(|(_, version, _)| *version == migration.version) {
                None => missing.push((owner.owner, migration)),
                Some((.., checksum)) if checksum.as_slice() == migration.checksum.as_ref() => {}
                Some(_) => {
                    return Err(StoreError::Changed {
                        name,
                        owner: owner.owner.to_owned(),
                        version: migration.version,
                    });
                }
            }
        }
    }
    Ok(missing)
}

fn told(owner: &str, migration: &Migration) -> Pending {
    Pending {
        owner: owner.to_owned(),
        version: migration.version,
        description: migration.description.to_string(),
    }
}
