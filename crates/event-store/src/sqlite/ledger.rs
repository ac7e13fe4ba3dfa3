//! SQLite's side of the writer. The file belongs to this process, so holding the file's turn is holding the head row.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use millrace_service_kit::{Clock, Ids};

use crate::database::{Hold, SqlitePlace};
use crate::log::{Appended, Held, LEASE_TAKEN, LeaseEpoch, StoreError};
use crate::row::{lease_stream, signed, whole};
use crate::sqlite::insert;
use crate::writer::{Batch, Facts, Ledger, Questions};

pub(super) struct SqliteLedger {
    options: SqliteConnectOptions,
    // Closed before the file is let go: the next process must find nobody writing.
    connection: Option<SqliteConnection>,
    turn: Option<OwnedMutexGuard<()>>,
    turns: Arc<tokio::sync::Mutex<()>>,
    clock: Arc<dyn Clock>,
    ids: Ids,
    _hold: Arc<Hold>,
}

impl SqliteLedger {
    pub(super) fn new(place: &SqlitePlace, clock: Arc<dyn Clock>, ids: Ids) -> Self {
        Self {
            // Its pages are the ones every batch meets again: the ends of the indexes.
            options: place.options.clone().pragma("cache_size", "-2048"),
            connection: None,
            turn: None,
            turns: place.turns.file.clone(),
            clock,
            ids,
            _hold: place.hold.clone(),
        }
    }

    async fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        if self.connection.is_none() {
            self.connection = Some(self.options.connect().await?);
        }
        self.connection.as_mut().ok_or(StoreError::Closed)
    }

    /// Waits for the turn and begins; the turn is kept until [`SqliteLedger::end`].
    async fn begin(&mut self) -> Result<(i64, i64), StoreError> {
        let turn = self.turns.clone().lock_owned().await;
        self.turn = Some(turn);
        let connection = self.connection().await?;
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut *connection)
            .await?;
        Ok(
            sqlx::query_as("SELECT position, fence FROM log_head WHERE shard = 0")
                .fetch_one(connection)
                .await?,
        )
    }

    async fn end(&mut self, statement: &'static str) -> Result<(), StoreError> {
        let connection = self.connection().await?;
        sqlx::query(statement).execute(connection).await?;
        self.turn = None;
        Ok(())
    }

    async fn insert(&mut self, base: u64, batch: &Batch<'_>) -> Result<(), StoreError> {
        let connection = self.connection().await?;
        insert::events(connection, base, batch).await?;
        for answer in &batch.answers {
            let versions = answer
                .versions
                .iter()
                .map(u64::to_string)
                .collect::<Vec<_>>()
                .join(" ");
            let keep = sqlx::query(
                "INSERT INTO answers (key, first, last, versions, recorded_at) VALUES ($1, $2, $3, $4, $5)",
            );
            let keep = keep
                .bind(answer.key)
                .bind(signed(base + answer.first))
                .bind(signed(base + answer.last));
            keep.bind(versions)
                .bind(batch.recorded_at)
                .execute(&mut *connection)
                .await?;
        }
        let head = sqlx::query("UPDATE log_head SET position = $1 WHERE shard = 0")
            .bind(signed(base + batch.rows.len() as u64));
        head.execute(connection).await?;
        Ok(())
    }

    async fn renew(
        &mut self,
        name: &str,
        holder: &str,
        expires_at: Timestamp,
    ) -> Result<Option<Held>, StoreError> {
        let connection = self.connection().await?;
        let renew = sqlx::query_as(include_str!("renew_lease.sql"))
            .bind(name)
            .bind(holder)
            .bind(expires_at.as_microsecond());
        let renewed: Option<(i64, i64)> = renew.fetch_optional(connection).await?;
        Ok(renewed.map(|(epoch, marker)| Held {
            lease: LeaseEpoch {
                name: name.to_owned(),
                epoch: whole(epoch),
            },
            marker: whole(marker),
        }))
    }

    /// The epoch a takeover would bring; `None` while another holds the lease.
    async fn free(&mut self, name: &str, now: Timestamp) -> Result<Option<i64>, StoreError> {
        let connection = self.connection().await?;
        let lease: Option<(i64, Option<i64>)> =
            sqlx::query_as("SELECT epoch, expires_at FROM leases WHERE name = $1")
                .bind(name)
                .fetch_optional(connection)
                .await?;
        Ok(match lease {
            Some((_, Some(expires_at))) if expires_at > now.as_microsecond() => None,
            Some((epoch, _)) => Some(epoch + 1),
            None => Some(1),
        })
    }

    async fn takeover(
        &mut self,
        lease: &LeaseEpoch,
        holder: &str,
        now: Timestamp,
        expires_at: Timestamp,
        marker: i64,
    ) -> Result<(), StoreError> {
        let id = self.ids.uuid_at(now);
        let connection = self.connection().await?;
        let event = sqlx::query(include_str!("marker.sql"))
            .bind(marker)
            .bind(signed(lease.epoch))
            .bind(now.as_microsecond())
            .bind(id);
        event
            .bind(lease_stream(&lease.name))
            .bind(LEASE_TAKEN)
            .bind(holder)
            .execute(&mut *connection)
            .await?;
        let taken = sqlx::query(include_str!("take_lease.sql"))
            .bind(&lease.name)
            .bind(holder)
            .bind(signed(lease.epoch))
            .bind(marker);
        taken
            .bind(expires_at.as_microsecond())
            .execute(&mut *connection)
            .await?;
        let head =
            sqlx::query("UPDATE log_head SET position = $1, fence = fence + 1 WHERE shard = 0")
                .bind(marker);
        head.execute(connection).await?;
        Ok(())
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn write(&mut self, batch: &Batch<'_>) -> Result<Option<u64>, StoreError> {
        let (position, fence) = self.begin().await?;
        if batch.fence.is_some_and(|expected| expected != fence) {
            self.end("ROLLBACK").await?;
            return Ok(None);
        }
        match self.insert(whole(position), batch).await {
            Ok(()) => {
                self.end("COMMIT").await?;
                Ok(Some(whole(position)))
            }
            Err(StoreError::Database(sqlx::Error::Database(error)))
                if error.is_unique_violation() =>
            {
                self.end("ROLLBACK").await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn heads(&mut self, streams: &[&str]) -> Result<Vec<(String, u64)>, StoreError> {
        let connection = self.connection().await?;
        let found: Vec<(String, i64)> = sqlx::query_as(include_str!("heads.sql"))
            .bind(list(streams))
            .fetch_all(connection)
            .await?;
        Ok(found
            .into_iter()
            .map(|(stream, version)| (stream, whole(version)))
            .collect())
    }

    async fn lock(&mut self, questions: &Questions<'_>) -> Result<Facts, StoreError> {
        let (position, fence) = self.begin().await?;
        let heads = self.heads(&questions.streams).await?;
        let connection = self.connection().await?;
        let ids = questions
            .ids
            .iter()
            .map(|id| id.simple().to_string())
            .collect::<Vec<_>>();
        let ids: Vec<(Uuid, i64, i64)> = sqlx::query_as(include_str!("found_ids.sql"))
            .bind(list(&ids))
            .fetch_all(&mut *connection)
            .await?;
        let keys = sqlx::query_as(include_str!("found_answers.sql")).bind(list(&questions.keys));
        let answers: Vec<(String, i64, i64, String)> = keys.fetch_all(&mut *connection).await?;
        let leases = sqlx::query_as(include_str!("found_leases.sql")).bind(list(&questions.leases));
        let leases: Vec<(String, i64)> = leases.fetch_all(connection).await?;
        let answer = |(key, first, last, versions): (String, i64, i64, String)| {
            let versions = versions
                .split_whitespace()
                .filter_map(|version| version.parse().ok())
                .collect();
            (
                key,
                Appended {
                    first: whole(first),
                    last: whole(last),
                    versions,
                    repeated: true,
                },
            )
        };
        Ok(Facts {
            position: whole(position),
            fence,
            heads: heads.into_iter().collect(),
            ids: ids
                .into_iter()
                .map(|(id, position, version)| (id, (whole(position), whole(version))))
                .collect(),
            answers: answers.into_iter().map(answer).collect(),
            leases: leases
                .into_iter()
                .map(|(name, epoch)| (name, whole(epoch)))
                .collect(),
        })
    }

    async fn finish(&mut self, batch: Option<&Batch<'_>>) -> Result<(), StoreError> {
        let Some(batch) = batch else {
            return self.end("ROLLBACK").await;
        };
        let connection = self.connection().await?;
        let (position,): (i64,) = sqlx::query_as("SELECT position FROM log_head WHERE shard = 0")
            .fetch_one(connection)
            .await?;
        self.insert(whole(position), batch).await?;
        self.end("COMMIT").await
    }

    async fn take_lease(
        &mut self,
        name: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<(Held, bool)>, StoreError> {
        let now = self.clock.now();
        let expires_at = now.checked_add(ttl).unwrap_or(Timestamp::MAX);
        let (position, _) = self.begin().await?;
        if let Some(held) = self.renew(name, holder, expires_at).await? {
            self.end("COMMIT").await?;
            return Ok(Some((held, false)));
        }
        let Some(epoch) = self.free(name, now).await? else {
            self.end("ROLLBACK").await?;
            return Ok(None);
        };
        let held = Held {
            lease: LeaseEpoch {
                name: name.to_owned(),
                epoch: whole(epoch),
            },
            marker: whole(position) + 1,
        };
        self.takeover(&held.lease, holder, now, expires_at, position + 1)
            .await?;
        self.end("COMMIT").await?;
        Ok(Some((held, true)))
    }

    async fn release_lease(&mut self, lease: &LeaseEpoch) -> Result<(), StoreError> {
        self.begin().await?;
        let connection = self.connection().await?;
        let release =
            sqlx::query("UPDATE leases SET expires_at = NULL WHERE name = $1 AND epoch = $2");
        release
            .bind(&lease.name)
            .bind(signed(lease.epoch))
            .execute(connection)
            .await?;
        self.end("COMMIT").await
    }

    async fn reset(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Closing rolls back what was open.
            let _ = connection.close().await;
        }
        self.turn = None;
    }
}

/// As JSON, which is how SQLite takes a list in one parameter.
pub(super) fn list(texts: &[impl AsRef<str>]) -> String {
    let mut json = String::from("[");
    for text in texts {
        if json.len() > 1 {
            json.push(',');
        }
        json.push('"');
        for c in text.as_ref().chars() {
            match c {
                '"' => json.push_str("\\\""),
                '\\' => json.push_str("\\\\"),
                c if u32::from(c) < 0x20 => json.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => json.push(c),
            }
        }
        json.push('"');
    }
    json.push(']');
    json
}
