//! What is stored: one event in its envelope (DESIGN.md §3), before and after the log took it.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

/// An event as its author hands it to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Unique for ever; consumers drop repeats by it, and so does the log.
    pub id: Uuid,
    /// Full Protobuf name, e.g. `millrace.items.v1.ItemChanged`. Its package names the topic.
    pub kind: String,
    /// The Kafka key. Equal to the stream unless a topic is finer.
    pub key: String,
    /// Which ERP and company, by its code in the settings; `None` where no ERP is involved.
    pub erp: Option<String>,
    /// For which shop, where it is one.
    pub channel: Option<String>,
    /// When it happened in the ERP or the shop.
    pub occurred_at: Timestamp,
    /// Which story, which cause, which trace, who.
    pub cause: Cause,
    /// Protobuf bytes. Empty together with `deleted` means: the record is gone.
    pub payload: Bytes,
    /// The last event of its key: on a compacted topic a record without a value.
    pub deleted: bool,
}

/// Where an event comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The story this belongs to: the same for everything one outside act set off.
    pub correlation_id: Uuid,
    /// The event that caused this one.
    pub causation_id: Option<Uuid>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// Who did it: a service, a token's name, an ERP user. Never a person's name.
    pub actor: String,
}

/// An event as the log holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub at: Position,
    pub stream: Arc<str>,
    /// 1, 2, 3 … within the stream.
    pub version: u64,
    pub recorded_at: Timestamp,
    pub event: NewEvent,
}

/// A place in a log: which log, which incarnation, which shard, which gapless number in commit order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position {
    pub log: Arc<str>,
    /// A restored or rebuilt log gets a new one: positions of different epochs do not compare.
    pub epoch: Uuid,
    pub shard: u16,
    pub number: u64,
}
