//! The log in PostgreSQL: one schema, one writer task per process, the head row as the only lock between processes.

mod ledger;
mod wake;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use millrace_service_kit::{Clock, Ids};

use crate::database::{Closable, PostgresPlace};
use crate::event::Recorded;
use crate::log::{Append, AppendError, Appended, EventLog, Held, LeaseEpoch, StoreError};
use crate::row::{Identity, Stored, signed, whole};
use crate::writer::Writer;
use ledger::PostgresLedger;

/// The writer's connection. Durable whatever the server's default says; and a process that fell asleep or vanished while it held
/// the head row must not hold up the others for long.
const WRITING: [(&str, &str); 6] = [
    ("synchronous_commit", "on"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("client_connection_check_interval", "5s"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
];

struct PostgresLog {
    identity: Identity,
    pool: PgPool,
    writer: Writer,
    /// Ends the tasks that carry wake-ups between processes.
    wake: CancellationToken,
}

pub(crate) async fn open(
    place: &PostgresPlace,
    name: Arc<str>,
    clock: Arc<dyn Clock>,
    ids: Ids,
) -> Result<Arc<dyn Closable>, StoreError> {
    let head = sqlx::query_as("SELECT position, epoch FROM log_head WHERE shard = 0")
        .fetch_one(&place.pool)
        .await?;
    let (position, epoch): (i64, Uuid) = head;
    let options = place
        .options
        .clone()
        .options(WRITING)
        .application_name("millrace log");
    let ledger = PostgresLedger {
        options,
        connection: None,
        epoch,
        clock: clock.clone(),
        ids,
    };
    let identity = Identity { log: name, epoch };
    let writer = Writer::start(ledger, clock, identity.clone(), whole(position));
    let stop = CancellationToken::new();
    wake::start(place, writer.moved().clone(), stop.clone());
    Ok(Arc::new(PostgresLog {
        identity,
        pool: place.pool.clone(),
        writer,
        wake: stop,
    }))
}

#[async_trait]
impl EventLog for PostgresLog {
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
            .bind(streams)
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
            .bind(kinds)
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
impl Closable for PostgresLog {
    async fn close(&self) {
        self.writer.close().await;
        self.wake.cancel();
    }
}

impl Drop for PostgresLog {
    fn drop(&mut self) {
        self.wake.cancel();
    }
}
