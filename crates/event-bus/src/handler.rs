//! What a service writes to read topics: a [`Handler`], and what it may answer.

use std::error::Error;

use async_trait::async_trait;
use millrace_event_store::{AppendError, Recorded, StoreError, StreamAppend, Tx};
use thiserror::Error;

/// What one consumer does with each record. Called for one record at a time; per key in order, every position once.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Takes one record into the consumer's database. Everything goes through `tx`, which commits together with the
    /// consumer's position. May be called again for the same record after a rollback: no effects outside `tx`.
    async fn handle(&self, tx: &mut Tx, recorded: &Recorded) -> Result<Outcome, HandleError>;

    /// Told at the start of every transaction which records are coming: what they need can be loaded at once instead of one by
    /// one. Whatever a handler remembers between calls is void when this is called; the transaction before may have been rolled back.
    async fn foresee(&self, tx: &mut Tx, coming: &[&Recorded]) -> Result<(), StoreError> {
        let _ = (tx, coming);
        Ok(())
    }

    /// Told before the transaction commits: what was gathered while its records were handled can be written at once. What belongs to
    /// a record that was parked or left unresolved must not be in it.
    async fn conclude(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let _ = tx;
        Ok(())
    }
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its effect is in the transaction (or there was nothing to do).
    Done,
    /// Its effect is an append to the consumer's own log as well. The loop appends before it commits the transaction, then
    /// calls the handler again; the event ids must be derived from the record's, so that a repeat is recognised.
    Append(Vec<StreamAppend>),
    /// It refers to something not here yet: `items/<key>`. Heals itself when that arrives.
    Unresolved { waits_for: String },
    /// It cannot be processed as it is. The reason is shown to operators; nothing personal in it.
    Parked { reason: String },
}

impl Outcome {
    /// Waits for the record `key` of `topic`.
    #[must_use]
    pub fn waits_for(topic: &str, key: &str) -> Self {
        Self::Unresolved {
            waits_for: format!("{topic}/{key}"),
        }
    }

    /// Cannot be processed, and why.
    #[must_use]
    pub fn parked(reason: impl Into<String>) -> Self {
        Self::Parked {
            reason: reason.into(),
        }
    }
}

/// The world broke while a record was handled: it is retried with growing pauses for as long as it takes, and never parked.
#[derive(Debug, Error)]
pub enum HandleError {
    #[error("could not handle the record")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

impl HandleError {
    /// From any failure.
    #[must_use]
    pub fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(error.into())
    }
}

impl From<sqlx::Error> for HandleError {
    fn from(error: sqlx::Error) -> Self {
        Self::failed(error)
    }
}

impl From<StoreError> for HandleError {
    fn from(error: StoreError) -> Self {
        Self::failed(error)
    }
}

impl From<AppendError> for HandleError {
    fn from(error: AppendError) -> Self {
        Self::failed(error)
    }
}
