//! PostgreSQL's side of the writer: one connection of its own, one statement per batch.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use std::sync::Arc;
use uuid::Uuid;

use millrace_service_kit::{Clock, Ids};

use crate::log::{Appended, Held, LEASE_TAKEN, LeaseEpoch, StoreError};
use crate::row::{finer_key, lease_stream, signed, whole};
use crate::writer::{Batch, Facts, Ledger, Questions};

pub(super) struct PostgresLedger {
    pub(super) options: PgConnectOptions,
    pub(super) connection: Option<PgConnection>,
    pub(super) epoch: Uuid,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Ids,
}

/// The head row, held until the transaction ends.
const HOLD: &str = "SELECT position, fence, epoch FROM log_head WHERE shard = 0 FOR UPDATE";

impl PostgresLedger {
    async fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        if self.connection.is_none() {
            self.connection = Some(self.options.connect().await?);
        }
        self.connection.as_mut().ok_or(StoreError::Closed)
    }

    /// One statement, which is one transaction, or part of the one that holds the head row.
    async fn insert(
        connection: &mut PgConnection,
        epoch: Uuid,
        batch: &Batch<'_>,
    ) -> Result<Option<u64>, sqlx::Error> {
        let rows = &batch.rows;
        let statement = if batch.answers.is_empty() {
            include_str!("append.sql")
        } else {
            include_str!("append_with_answers.sql")
        };
        let mut query = sqlx::query_as::<_, (i64,)>(statement)
            .bind(rows.len() as i64)
            .bind(epoch)
            .bind(batch.fence)
            .bind(batch.recorded_at)
            .bind(
                rows.iter()
                    .map(|row| signed(row.version))
                    .collect::<Vec<_>>(),
            )
            .bind(
                rows.iter()
                    .map(|row| row.event.occurred_at.as_microsecond())
                    .collect::<Vec<_>>(),
            )
            .bind(rows.iter().map(|row| row.event.id).collect::<Vec<_>>())
            .bind(
                rows.iter()
                    .map(|row| row.event.cause.correlation_id)
                    .collect::<Vec<_>>(),
            )
            .bind(
                rows.iter()
                    .map(|row| row.event.cause.causation_id)
                    .collect::<Vec<_>>(),
            )
            .bind(rows.iter().map(|row| row.event.deleted).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.stream).collect::<Vec<_>>())
            .bind(
                rows.iter()
                    .map(|row| row.event.kind.as_str())
                    .collect::<Vec<_>>(),
            )
            .bind(
                rows.iter()
                    .map(|row| finer_key(row.stream, row.event))
                    .collect::<Vec<_>>(),
            )
            .bind(
                rows.iter()
                    .map(|row| row.event.erp.as_deref())
                    .collect::<Vec<_>>(),
            )
            .bind(
                rows.iter()
                    .map(|row| row.event.channel.as_deref())
                    .collect::<Vec<_>>(),
            )
            .bind(
                rows.iter()
                    .map(|row| row.event.cause.traceparent.as_deref())
                    .collect::<Vec<_>>(),
            )
            .bind(
                rows.iter()
                    .map(|row| row.event.cause.actor.as_str())
                    .collect::<Vec<_>>(),
            )
            .bind(
                rows.iter()
                    .map(|row| row.event.payload.as_ref())
                    .collect::<Vec<&[u8]>>(),
            );
        if !batch.answers.is_empty() {
            let spelled = |versions: &Vec<u64>| {
                versions
                    .iter()
                    .map(u64::to_string)
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            query = query
                .bind(
                    batch
                        .answers
                        .iter()
                        .map(|answer| answer.key)
                        .collect::<Vec<_>>(),
                )
                .bind(
                    batch
                        .answers
                        .iter()
                        .map(|answer| signed(answer.first))
                        .collect::<Vec<_>>(),
                )
                .bind(
                    batch
                        .answers
                        .iter()
                        .map(|answer| signed(answer.last))
                        .collect::<Vec<_>>(),
                )
                .bind(
                    batch
                        .answers
                        .iter()
                        .map(|answer| spelled(&answer.versions))
                        .collect::<Vec<_>>(),
                );
        }
        let base = query.fetch_optional(connection).await?;
        Ok(base.map(|(base,)| whole(base)))
    }

    async fn takeover(
        &mut self,
        name: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<(Held, bool)>, StoreError> {
        let now = self.clock.now();
        let id = self.ids.uuid_at(now);
        let epoch = self.epoch;
        let mut tx = self.connection().await?.begin().await?;
        let (position, _, found): (i64, i64, Uuid) =
            sqlx::query_as(HOLD).fetch_one(&mut *tx).await?;
        same_log(epoch, found)?;
        let lease: Option<(i64, bool)> = sqlx::query_as(include_str!("lease_for_takeover.sql"))
            .bind(name)
            .fetch_optional(&mut *tx)
            .await?;
        let next = match lease {
            Some((_, true)) => {
                tx.rollback().await?;
                return Ok(None);
            }
            Some((epoch, false)) => epoch + 1,
            None => 1,
        };
        let marker = position + 1;
        let event = sqlx::query(include_str!("marker.sql"))
            .bind(marker)
            .bind(next)
            .bind(now.as_microsecond())
            .bind(id);
        event
            .bind(lease_stream(name))
            .bind(LEASE_TAKEN)
            .bind(holder)
            .execute(&mut *tx)
            .await?;
        let taken = sqlx::query(include_str!("take_lease.sql"))
            .bind(name)
            .bind(holder)
            .bind(next)
            .bind(marker);
        taken.bind(ttl.as_secs_f64()).execute(&mut *tx).await?;
        sqlx::query("UPDATE log_head SET position = $1, fence = fence + 1 WHERE shard = 0")
            .bind(marker)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        let lease = LeaseEpoch {
            name: name.to_owned(),
            epoch: whole(next),
        };
        Ok(Some((
            Held {
                lease,
                marker: whole(marker),
            },
            true,
        )))
    }
}

#[async_trait]
impl Ledger for PostgresLedger {
    async fn write(&mut self, batch: &Batch<'_>) -> Result<Option<u64>, StoreError> {
        let epoch = self.epoch;
        match Self::insert(self.connection().await?, epoch, batch).await {
            Ok(base) => Ok(base),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn heads(&mut self, streams: &[&str]) -> Result<Vec<(String, u64)>, StoreError> {
        let connection = self.connection().await?;
        let found: Vec<(String, i64)> = sqlx::query_as(include_str!("heads.sql"))
            .bind(streams)
            .fetch_all(connection)
            .await?;
        Ok(found
            .into_iter()
            .map(|(stream, version)| (stream, whole(version)))
            .collect())
    }

    async fn lock(&mut self, questions: &Questions<'_>) -> Result<Facts, StoreError> {
        let epoch = self.epoch;
        let connection = self.connection().await?;
        sqlx::raw_sql("BEGIN").execute(&mut *connection).await?;
        let (position, fence, found): (i64, i64, Uuid) =
            sqlx::query_as(HOLD).fetch_one(&mut *connection).await?;
        same_log(epoch, found)?;
        // From here on in statements of their own: a snapshot taken before the lock would not show what was waited for.
        let heads: Vec<(String, i64)> = sqlx::query_as(include_str!("heads.sql"))
            .bind(&questions.streams)
            .fetch_all(&mut *connection)
            .await?;
        let ids: Vec<(Uuid, i64, i64)> = sqlx::query_as(include_str!("found_ids.sql"))
            .bind(&questions.ids)
            .fetch_all(&mut *connection)
            .await?;
        let mut answers: Vec<(String, i64, i64, Vec<i64>)> = Vec::new();
        if !questions.keys.is_empty() {
            answers = sqlx::query_as(include_str!("found_answers.sql"))
                .bind(&questions.keys)
                .fetch_all(&mut *connection)
                .await?;
        }
        let mut leases: Vec<(String, i64)> = Vec::new();
        if !questions.leases.is_empty() {
            let asked =
                sqlx::query_as("SELECT name, epoch FROM leases WHERE name = ANY($1::text[])")
                    .bind(&questions.leases);
            leases = asked.fetch_all(&mut *connection).await?;
        }
        let answer = |(key, first, last, versions): (String, i64, i64, Vec<i64>)| {
            let versions = versions.into_iter().map(whole).collect();
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
            heads: heads
                .into_iter()
                .map(|(stream, version)| (stream, whole(version)))
                .collect(),
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
        let epoch = self.epoch;
        let connection = self.connection().await?;
        let Some(batch) = batch else {
            sqlx::raw_sql("ROLLBACK").execute(connection).await?;
            return Ok(());
        };
        Self::insert(connection, epoch, batch).await?;
        sqlx::raw_sql("COMMIT").execute(connection).await?;
        Ok(())
    }

    async fn take_lease(
        &mut self,
        name: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<(Held, bool)>, StoreError> {
        let connection = self.connection().await?;
        let renewed: Option<(i64, i64)> = sqlx::query_as(include_str!("renew_lease.sql"))
            .bind(name)
            .bind(holder)
            .bind(ttl.as_secs_f64())
            .fetch_optional(&mut *connection)
            .await?;
        if let Some((epoch, marker)) = renewed {
            let lease = LeaseEpoch {
                name: name.to_owned(),
                epoch: whole(epoch),
            };
            return Ok(Some((
                Held {
                    lease,
                    marker: whole(marker),
                },
                false,
            )));
        }
        // Those who stand by ask every moment; they must not hold the head row for it.
        let another: Option<(i32,)> = sqlx::query_as(include_str!("held_by_another.sql"))
            .bind(name)
            .fetch_optional(connection)
            .await?;
        if another.is_some() {
            return Ok(None);
        }
        self.takeover(name, holder, ttl).await
    }

    async fn release_lease(&mut self, lease: &LeaseEpoch) -> Result<(), StoreError> {
        let connection = self.connection().await?;
        let release =
            sqlx::query("UPDATE leases SET expires_at = NULL WHERE name = $1 AND epoch = $2");
        release
            .bind(&lease.name)
            .bind(signed(lease.epoch))
            .execute(connection)
            .await?;
        Ok(())
    }

    async fn reset(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Without a farewell: the connection may hang. The server ends its transaction when the socket closes.
            let _ = tokio::time::timeout(Duration::from_secs(1), connection.close_hard()).await;
        }
    }
}

fn same_log(known: Uuid, found: Uuid) -> Result<(), StoreError> {
    if known == found {
        return Ok(());
    }
    Err(StoreError::Replaced { known, found })
}
