//! The log in SQLite: one file, one process, one writer task that takes turns with the read model's transactions.

mod insert;
mod ledger;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqlitePool;
use tokio::sync::watch;
use uuid::Uuid;

use millrace_service_kit::{Clock, Ids};

use crate::database::{Closable, Hold, SqlitePlace};
use crate::event::Recorded;
use crate::log::{Append, AppendError, Appended, EventLog, Held, LeaseEpoch, StoreError};
use crate::row::{Identity, Stored, signed, whole};
use crate::writer::Writer;
use ledger::{SqliteLedger, list};

struct SqliteLog {
    identity: Identity,
    pool: SqlitePool,
    writer: Writer,
    /// The file is ours for as long as anybody can write it.
    _hold: Arc<Hold>,
}

pub(crate) async fn open(
    place: &SqlitePlace,
    name: Arc<str>,
    clock: Arc<dyn Clock>,
    ids: Ids,
) -> Result<Arc<dyn Closable>, StoreError> {
    let head = sqlx::query_as("SELECT position, epoch FROM log_head WHERE shard = 0")
        .fetch_one(&place.pool)
        .await?;
    let (position, epoch): (i64, Uuid) = head;
    let ledger = SqliteLedger::new(place, clock.clone(), ids);
    let identity = Identity { log: name, epoch };
    let writer = Writer::start(ledger, clock, identity.clone(), whole(position));
    Ok(Arc::new(SqliteLog {
        identity,
        pool: place.pool.clone(),
        writer,
        _hold: place.hold.clone(),
    }))
}

#[async_trait]
impl EventLog for SqliteLog {
    fn name(&self) -> &str {
        &self.identity.log
    }

    fn epoch(&self) -> Uuid {
        self.identity.epoch
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.writer.append(append).await
    }

    async fn read_stream(
        &self,
        stream: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        let query = sqlx::query_as(include_str!("read_stream.sql"))
            .bind(stream)
            .bind(signed(after))
            .bind(signed(limit as u64));
        let rows: Vec<Stored> = query.fetch_all(&self.pool).await?;
        self.identity.recorded(rows)
    }

    async fn read_last(&self, streams: &[String]) -> Result<Vec<Recorded>, StoreError> {
        let rows: Vec<Stored> = sqlx::query_as(include_str!("read_last.sql"))
            .bind(list(streams))
            .fetch_all(&self.pool)
            .await?;
        self.identity.recorded(rows)
    }

    async fn read_feed(&self, after: u64, limit: usize) -> Result<Vec<Recorded>, StoreError> {
        if let Some(events) = self.writer.just_written(after, limit) {
            return Ok(events);
        }
        let query = sqlx::query_as(include_str!("read_feed.sql"))
            .bind(signed(after))
            .bind(signed(limit as u64));
        let rows: Vec<Stored> = query.fetch_all(&self.pool).await?;
        self.identity.recorded(rows)
    }

    async fn read_latest(
        &self,
        kinds: &[&str],
        up_to: u64,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        let query = sqlx::query_as(include_str!("read_latest.sql"))
            .bind(list(kinds))
            .bind(signed(after))
            .bind(signed(up_to));
        let rows: Vec<Stored> = query
            .bind(signed(limit as u64))
            .fetch_all(&self.pool)
            .await?;
        self.identity.recorded(rows)
    }

    async fn head(&self) -> Result<u64, StoreError> {
        let (position,): (i64,) = sqlx::query_as("SELECT position FROM log_head WHERE shard = 0")
            .fetch_one(&self.pool)
            .await?;
        Ok(whole(position))
    }

    fn moved(&self) -> watch::Receiver<u64> {
        self.writer.moved().subscribe()
    }

    async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<Held>, StoreError> {
        self.writer.take_lease(name, holder, ttl).await
    }

    async fn release_lease(&self, lease: &LeaseEpoch) -> Result<(), StoreError> {
        self.writer.release_lease(lease).await
    }
}

#[async_trait]
impl Closable for SqliteLog {
    async fn close(&self) {
        self.writer.close().await;
    }
}
