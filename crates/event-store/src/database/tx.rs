//! A transaction of the read model: one SQL for both databases, and in SQLite a fair turn among the file's writers.

use std::ops::{Deref, DerefMut};

use sqlx::{Any, AnyConnection, AnyPool, SqlSafeStr, Transaction};
use tokio::sync::OwnedMutexGuard;

use crate::database::place::Turns;
use crate::log::StoreError;

/// Use it as a connection: `sqlx::query("…").bind(x).execute(&mut **tx)`. Rolled back when dropped.
pub struct Tx {
    // Dropped before the turn is given on: the next writer must find this one's rollback begun.
    inner: Transaction<'static, Any>,
    _turn: Option<OwnedMutexGuard<()>>,
}

/// What may become of a transaction when the database's machine dies right after its commit was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    Kept,
    /// It may be gone, whole: everything in it is derived and will be derived again.
    Derived,
}

pub(super) async fn begin(
    pool: &AnyPool,
    turns: Option<&Turns>,
    durability: Durability,
) -> Result<Tx, StoreError> {
    let Some(turns) = turns else {
        let inner = match durability {
            Durability::Kept => pool.begin().await?,
            // In one go, so that it costs no round trip.
            Durability::Derived => {
                pool.begin_with("BEGIN; SET LOCAL synchronous_commit = off")
                    .await?
            }
        };
        return Ok(Tx { inner, _turn: None });
    };
    let queued = turns.queue.lock().await;
    // The connection first: who waits for one must not hold up the log.
    let connection = pool.acquire().await?;
    let turn = turns.file.clone().lock_owned().await;
    drop(queued);
    // IMMEDIATE: a transaction that reads first and writes later must not fail half-way because somebody wrote in between.
    let inner = Transaction::begin(connection, Some("BEGIN IMMEDIATE".into_sql_str())).await?;
    Ok(Tx {
        inner,
        _turn: Some(turn),
    })
}

impl Tx {
    /// # Errors
    /// The outcome is unknown when the database went away at this moment.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.inner.commit().await?)
    }

    /// # Errors
    /// The database went away; nothing was written either way.
    pub async fn rollback(self) -> Result<(), StoreError> {
        Ok(self.inner.rollback().await?)
    }
}

impl Deref for Tx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}
