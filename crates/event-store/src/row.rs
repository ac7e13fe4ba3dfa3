//! How an event stands in a row; the same columns in both databases.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use crate::event::{Cause, NewEvent, Position, Recorded};
use crate::log::StoreError;

/// The columns of `events` in the order of `postgres/` and `sqlite/` statements: position, version, occurred_at, recorded_at, id,
/// correlation_id, causation_id, deleted, stream, kind, key, erp, channel, traceparent, actor, payload.
pub(crate) type Stored = (
    i64,
    i64,
    i64,
    i64,
    Uuid,
    Uuid,
    Option<Uuid>,
    bool,
    String,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    String,
    Vec<u8>,
);

/// Which log, in which incarnation.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) log: Arc<str>,
    pub(crate) epoch: Uuid,
}

impl Identity {
    pub(crate) fn recorded(&self, rows: Vec<Stored>) -> Result<Vec<Recorded>, StoreError> {
        rows.into_iter().map(|row| self.one(row)).collect()
    }

    fn one(&self, row: Stored) -> Result<Recorded, StoreError> {
        let (
            position,
            version,
            occurred,
            recorded,
            id,
            correlation_id,
            causation_id,
            deleted,
            stream,
            kind,
            key,
            erp,
            channel,
            traceparent,
            actor,
            payload,
        ) = row;
        let number = whole(position);
        let time = |micros| {
            Timestamp::from_microsecond(micros).map_err(|error| StoreError::Corrupt {
                number,
                reason: error.to_string(),
            })
        };
        let event = NewEvent {
            id,
            kind,
            key: key.unwrap_or_else(|| stream.clone()),
            erp,
            channel,
            occurred_at: time(occurred)?,
            cause: Cause {
                correlation_id,
                causation_id,
                traceparent,
                actor,
            },
            payload: Bytes::from(payload),
            deleted,
        };
        let at = Position {
            log: self.log.clone(),
            epoch: self.epoch,
            shard: 0,
            number,
        };
        Ok(Recorded {
            at,
            stream: stream.into(),
            version: whole(version),
            recorded_at: time(recorded)?,
            event,
        })
    }
}

/// Numbers count up from one; the databases know signed ones only.
pub(crate) fn whole(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The key where it says more than the stream.
pub(crate) fn finer_key<'a>(stream: &str, event: &'a NewEvent) -> Option<&'a str> {
    (event.key != stream).then_some(event.key.as_str())
}

/// Where the markers of a lease stand, see [`crate::LEASE_TAKEN`].
pub(crate) fn lease_stream(name: &str) -> String {
    format!("lease/{name}")
}
