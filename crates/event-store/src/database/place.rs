//! What a url means: a schema in a PostgreSQL database, or a file that belongs to one process.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, PgPool, SqlitePool};
use tempfile::TempDir;
use url::Url;

use crate::database::{DatabaseSettings, memory};
use crate::log::StoreError;

/// A connection that was in use a moment ago is not asked whether it is still there: that would be a round trip before each
/// question. One that was idle for longer is.
pub(crate) const PRESUMED_ALIVE: Duration = Duration::from_secs(1);

pub(crate) enum Place {
    Postgres(PostgresPlace),
    Sqlite(SqlitePlace),
}

pub(crate) struct PostgresPlace {
    pub(crate) schema: String,
    pub(crate) options: PgConnectOptions,
    /// The log's readers.
    pub(crate) pool: PgPool,
    url: Url,
}

pub(crate) struct SqlitePlace {
    pub(crate) options: SqliteConnectOptions,
    /// The log's readers.
    pub(crate) pool: SqlitePool,
    pub(crate) turns: Turns,
    file: PathBuf,
    in_memory: bool,
    /// Held until the last user of the file is gone, the log's writer included.
    pub(crate) hold: Arc<Hold>,
}

/// Whose turn it is to write the file. Both locks are fair, so that neither the log nor the read model starves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns {
    /// The read model's writers wait here without holding a connection, so that readers find one.
    pub(crate) queue: Arc<tokio::sync::Mutex<()>>,
    pub(crate) file: Arc<tokio::sync::Mutex<()>>,
}

/// Every statement of the log has its index. A plan made while the log was small must not scan it once it is large, and plans of
/// prepared statements live long.
const BY_INDEX: [(&str, &str); 4] = [
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];

/// Keeps other processes away from the file, and the directory of a database in memory alive.
#[derive(Debug)]
pub(crate) struct Hold {
    lock: Mutex<Option<File>>,
    _directory: Option<TempDir>,
}

impl Place {
    pub(super) async fn open(settings: &DatabaseSettings) -> Result<Self, StoreError> {
        let url = settings.url.as_str();
        let name = sanitised(&settings.name)?;
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return PostgresPlace::open(url, name).await.map(Place::Postgres);
        }
        let Some(directory) = url.strip_prefix("sqlite:") else {
            return Err(StoreError::Address(
                "a database url starts with postgres:// or sqlite:".to_owned(),
            ));
        };
        // The file keeps the name as given: people look for it.
        SqlitePlace::open(directory, &settings.name)
            .await
            .map(Place::Sqlite)
    }

    pub(super) fn any_url(&self) -> Url {
        match self {
            Place::Postgres(place) => place.url.clone(),
            Place::Sqlite(place) => place.any_url(),
        }
    }

    pub(super) fn turns(&self) -> Option<&Turns> {
        match self {
            Place::Postgres(_) => None,
            Place::Sqlite(place) => Some(&place.turns),
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Place::Postgres(place) => place.pool.close().await,
            Place::Sqlite(place) => {
                place.pool.close().await;
                place.hold.release();
            }
        }
    }
}

impl PostgresPlace {
    async fn open(url: &str, schema: String) -> Result<Self, StoreError> {
        let mut url = Url::parse(url).map_err(|error| {
            StoreError::Address(format!("the postgres url cannot be read: {error}"))
        })?;
        url.query_pairs_mut()
            .append_pair("options[search_path]", &schema);
        let options = PgConnectOptions::from_str(url.as_str())?.options(BY_INDEX);
        let pool = PgPoolOptions::new()
            .max_connections(6)
            .idle_timeout(Duration::from_secs(60))
            .acquire_timeout(Duration::from_secs(10))
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    Ok(meta.idle_for < PRESUMED_ALIVE || connection.ping().await.is_ok())
                })
            })
            .connect_with(options.clone())
            .await?;
        Ok(Self {
            schema,
            options,
            pool,
            url,
        })
    }
}

impl SqlitePlace {
    async fn open(directory: &str, name: &str) -> Result<Self, StoreError> {
        let in_memory = directory == ":memory:";
        let (directory, kept) = if in_memory {
            memory::place()?
        } else {
            (made(directory)?, None)
        };
        let file = directory.join(format!("{name}.db"));
        let lock = locked(&directory.join(format!("{name}.lock")), &file)?;
        let hold = Arc::new(Hold {
            lock: Mutex::new(Some(lock)),
            _directory: kept,
        });
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(if in_memory {
                SqliteSynchronous::Off
            } else {
                SqliteSynchronous::Full
            })
            .busy_timeout(Duration::from_secs(10))
            .pragma("cache_size", "-512")
            .pragma("journal_size_limit", "67108864");
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .test_before_acquire(false)
            .acquire_timeout(Duration::from_secs(10))
            .idle_timeout(Duration::from_secs(60))
            .connect_with(options.clone())
            .await?;
        Ok(Self {
            options,
            pool,
            turns: Turns::default(),
            file,
            in_memory,
            hold,
        })
    }

    fn any_url(&self) -> Url {
        let mut url = Url::parse("sqlite:///").expect("a constant that parses");
        url.set_path(&self.file.to_string_lossy());
        url.set_query(Some("mode=rw"));
        url
    }

    pub(super) fn file_name(&self) -> String {
        self.file.display().to_string()
    }

    /// What every connection of the read model sets first.
    pub(super) fn pragmas(&self) -> &'static str {
        if self.in_memory {
            return "PRAGMA synchronous = OFF; PRAGMA busy_timeout = 10000; PRAGMA cache_size = -512";
        }
        "PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000; PRAGMA cache_size = -512"
    }
}

impl Hold {
    fn release(&self) {
        if let Some(lock) = self
            .lock
            .lock()
            .expect("no holder of this lock panics")
            .take()
        {
            // Said, not only closed: a child that is just being started has a copy of the handle for a moment.
            let _ = lock.unlock();
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.release();
    }
}

/// A schema, file and topic part: letters, digits and underscores, beginning with a letter.
fn sanitised(name: &str) -> Result<String, StoreError> {
    let clean: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect();
    let plain = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if !plain || clean.len() > 48 || !clean.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(StoreError::Address(format!(
            "a database cannot be called {name:?}: letters, digits, - and _ only, a letter first"
        )));
    }
    Ok(clean)
}

fn made(directory: &str) -> Result<PathBuf, StoreError> {
    let path = Path::new(directory.strip_prefix("//").unwrap_or(directory));
    let told = |error: std::io::Error| {
        StoreError::Address(format!(
            "the data directory {} cannot be used: {error}",
            path.display()
        ))
    };
    std::fs::create_dir_all(path).map_err(told)?;
    path.canonicalize().map_err(told)
}

/// The lock goes with the process, however it ends.
fn locked(path: &Path, file: &Path) -> Result<File, StoreError> {
    let told = |error: std::io::Error| {
        StoreError::Address(format!("{} cannot be used: {error}", path.display()))
    };
    let lock = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(path)
        .map_err(told)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            name: file.display().to_string(),
        }),
        Err(TryLockError::Error(error)) => Err(told(error)),
    }
}
