//! Where a relay has come to: the last record of a small compacted topic of its own, written in the transaction that published
//! what it speaks of. It is read after the relay has fenced its predecessor, so it cannot move any more.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::bus::Routes;
use crate::kafka::client::Quiet;
use crate::kafka::settings::KafkaSettings;
use crate::kafka::topic_admin::Wish;

pub(super) const KEY: &str = "checkpoint";

/// How far from the end the newest checkpoint is looked for first; markers and aborted attempts stand in between.
const NEAR_THE_END: i64 = 200;
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    pub log: String,
    pub epoch: Uuid,
    pub shard: u16,
    /// The last position that was published or passed over.
    pub position: u64,
    /// Which event that was: a log that has another one there was restored to an earlier point. Missing at the beginning.
    #[serde(default)]
    pub last: Option<Uuid>,
}

/// Name of the relay: its transactional id, and after the prefix its checkpoint's topic.
pub(super) fn relay_name(settings: &KafkaSettings, log: &str, routes: &Routes) -> String {
    match routes {
        Routes::Internal => format!("{}relay.{log}", settings.prefix),
        Routes::Channel(channel) => format!("{}relay.{log}.shop.{channel}", settings.prefix),
    }
}

pub(super) fn wish(settings: &KafkaSettings, name: &str) -> Wish {
    Wish {
        name: name.to_owned(),
        partitions: 1,
        replication: settings.replication.unwrap_or(-1),
        config: vec![
            ("cleanup.policy", "compact".to_owned()),
            ("segment.bytes", "1048576".to_owned()),
            ("min.cleanable.dirty.ratio", "0.1".to_owned()),
        ],
    }
}

/// The newest committed checkpoint in `topic`. Waits; call it where waiting is allowed.
pub(super) fn read(
    settings: &KafkaSettings,
    topic: &str,
) -> Result<Option<Checkpoint>, KafkaError> {
    let mut config = settings.reader("checkpoint");
    config
        .set("group.id", format!("{topic}.nobody"))
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "20")
        .set("auto.offset.reset", "earliest");
    let reader: BaseConsumer<Quiet> = config.create_with_context(Quiet)?;
    let (low, high) = reader.fetch_watermarks(topic, 0, PATIENCE)?;
    // Two places only: near the end it is found almost always, and from the beginning always.
    for start in [high - NEAR_THE_END, low] {
        if low == high {
            break;
        }
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, 0, Offset::Offset(start.max(low)))?;
        reader.assign(&assignment)?;
        let found = last(&reader)?;
        if found.is_some() || start <= low {
            return Ok(found);
        }
        reader.unassign()?;
    }
    Ok(None)
}

fn last(reader: &BaseConsumer<Quiet>) -> Result<Option<Checkpoint>, KafkaError> {
    let mut found = None;
    let mut silent = 0;
    loop {
        match reader.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                silent = 0;
                if let Some(checkpoint) = message
                    .payload()
                    .and_then(|payload| serde_json::from_slice(payload).ok())
                {
                    found = Some(checkpoint);
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(found),
            Some(Err(failure)) => return Err(failure),
            None => {
                silent += 1;
                if silent > 100 {
                    return Err(KafkaError::NoMessageReceived);
                }
            }
        }
    }
}
