//! Writes what the rules decided: each item by itself, many at once.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use jiff::Timestamp;
use millrace_erp_reader::SinkError;
use millrace_event_store::{
    Append, AppendError, Cause, EventLog, LeaseEpoch, NewEvent, StoreError, StreamAppend,
};
use millrace_service_kit::{Clock, Ids};
use millrace_values::{ErpCode, SystemId};
use thiserror::Error;
use uuid::Uuid;

/// Observations decided and written together: bounds what is in memory.
pub(crate) const CHUNK: usize = 250;
/// How often a chunk is decided anew because somebody else wrote in between.
pub(crate) const ATTEMPTS: usize = 8;

#[derive(Debug, Error)]
pub(crate) enum RecordError {
    /// Another process does this work now.
    #[error("another process reads from the erp now")]
    Superseded,
    #[error("item {0} kept changing while it was written")]
    Conflict(SystemId),
    #[error("changes of item {item} cannot be stored")]
    Refused { item: SystemId, source: AppendError },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RecordError> for SinkError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Superseded => Self::Superseded,
            RecordError::Store(error) => Self::Store(error),
            error @ (RecordError::Conflict(_) | RecordError::Refused { .. }) => {
                Self::Failed(Box::new(error))
            }
        }
    }
}

/// The act of the ERP an observation belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub at: Timestamp,
    /// Who did it in the ERP, where it says so.
    pub by: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Recorder {
    pub erp: ErpCode,
    pub log: Arc<dyn EventLog>,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
}

/// An event without what all events of an act have in common.
pub(crate) struct Draft {
    pub kind: &'static str,
    pub payload: Bytes,
    pub deleted: bool,
}

/// All streams of one item that are written together.
pub(crate) struct ItemAppend {
    pub item: SystemId,
    pub streams: Vec<StreamAppend>,
}

impl Recorder {
    /// An act the ERP does not date.
    pub(crate) fn noticed(&self) -> Act {
        Act {
            at: self.clock.now(),
            by: None,
        }
    }

    /// Why an act's events are there: one story per act.
    pub(crate) fn cause(&self, act: &Act, traceparent: &str) -> Cause {
        Cause {
            correlation_id: self.new_id(),
            causation_id: None,
            traceparent: Some(traceparent.to_owned()),
            actor: act.by.clone().unwrap_or_else(|| "catalog-sync".to_owned()),
        }
    }

    pub(crate) fn event(&self, stream: &str, draft: Draft, act: &Act, cause: &Cause) -> NewEvent {
        NewEvent {
            id: self.new_id(),
            kind: draft.kind.to_owned(),
            key: stream.to_owned(),
            erp: Some(self.erp.to_string()),
            channel: None,
            occurred_at: act.at,
            cause: cause.clone(),
            payload: draft.payload,
            deleted: draft.deleted,
        }
    }

    /// Writes each item's streams atomically; the log makes one transaction of many. Answers the items that changed under us.
    pub(crate) async fn write(
        &self,
        appends: Vec<ItemAppend>,
        lease: &LeaseEpoch,
    ) -> Result<Vec<SystemId>, RecordError> {
        let writing = appends.into_iter().map(|append| async move {
            let written = self
                .log
                .append(Append {
                    streams: append.streams,
                    idempotency_key: None,
                    lease: Some(lease.clone()),
                })
                .await;
            (append.item, written)
        });
        let mut changed = Vec::new();
        for (item, written) in join_all(writing).await {
            match written {
                Ok(_) => {}
                Err(AppendError::Conflict { .. }) => changed.push(item),
                Err(AppendError::StaleLease { .. }) => return Err(RecordError::Superseded),
                Err(AppendError::Store(error)) => return Err(error.into()),
                Err(source) => return Err(RecordError::Refused { item, source }),
            }
        }
        Ok(changed)
    }

    fn new_id(&self) -> Uuid {
        self.ids.uuid_at(self.clock.now())
    }
}
