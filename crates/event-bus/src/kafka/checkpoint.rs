//! Where a relay has come to: the last record of a small compacted topic of its own, written in the transaction that published
//! what it speaks of. It is read after the relay has fenced its predecessor, so it cannot move any more.

use std::collections::{BTreeMap, BTreeSet};
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
    /// By short name the topics that were published to, and where they ended when they were looked at last.
    #[serde(default)]
    pub topics: BTreeMap<String, i64>,
    /// What is published once more, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Again>,
}

/// Some topics were lost: up to a position only they are published to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Again {
    pub topics: BTreeSet<String>,
    pub up_to: u64,
}

impl Checkpoint {
    /// After everything up to `position` was published, to the topics `entered` among others.
    pub(super) fn moved(
        &self,
        position: u64,
        last: Option<Uuid>,
        entered: &BTreeSet<&'static str>,
    ) -> Self {
        let mut next = self.clone();
        (next.position, next.last) = (position, last);
        for &topic in entered {
            next.topics.entry(topic.to_owned()).or_default();
        }
        next.again.take_if(|again| again.up_to <= position);
        next
    }

    /// Which topics end before the place where they ended, or hold nothing although they were published to.
    pub(super) fn lost(&self, ends: &BTreeMap<String, i64>) -> BTreeSet<String> {
        let lost = ends.iter().filter(|(topic, end)| {
            **end == 0 || self.topics.get(*topic).is_some_and(|before| *end < before)
        });
        lost.map(|(topic, _)| topic.clone()).collect()
    }

    /// From the log's beginning, for the topics `lost` and those that were being filled again already.
    pub(super) fn filling_again(&self, lost: BTreeSet<String>) -> Self {
        let mut topics = self.topics.clone();
        topics.retain(|topic, _| !lost.contains(topic));
        let mut again = Again {
            topics: lost,
            up_to: self.position,
        };
        if let Some(before) = &self.again {
            again.topics.extend(before.topics.iter().cloned());
            again.up_to = again.up_to.max(before.up_to);
        }
        Self {
            position: 0,
            last: None,
            topics,
            again: Some(again),
            ..self.clone()
        }
    }

    /// Whether `topic` lacks its event at `position`.
    pub(super) fn wants(&self, position: u64, topic: &str) -> bool {
        self.again
            .as_ref()
            .is_none_or(|again| position > again.up_to || again.topics.contains(topic))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(position: u64, topics: &[(&str, i64)]) -> Checkpoint {
        Checkpoint {
            log: "source".to_owned(),
            epoch: Uuid::nil(),
            shard: 0,
            position,
            last: None,
            topics: ends(topics),
            again: None,
        }
    }

    fn ends(topics: &[(&str, i64)]) -> BTreeMap<String, i64> {
        let named = topics.iter().map(|(name, end)| ((*name).to_owned(), *end));
        named.collect()
    }

    fn names(topics: &[&str]) -> BTreeSet<String> {
        topics.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_topic_is_lost_when_it_holds_nothing_or_less_than_before() {
        let checkpoint = at(9, &[("items", 5), ("prices", 0), ("releases", 7)]);
        let now = ends(&[("items", 5), ("prices", 0), ("releases", 3)]);
        assert_eq!(checkpoint.lost(&now), names(&["prices", "releases"]));
    }

    #[test]
    fn only_what_was_lost_is_published_again_and_everything_after_it() {
        let again = at(9, &[("items", 5), ("prices", 4)]).filling_again(names(&["items"]));
        assert_eq!(again.position, 0);
        assert!(again.wants(9, "items") && !again.wants(9, "prices"));
        assert!(again.wants(10, "prices"));
        let done = again.moved(9, None, &["items"].into());
        assert_eq!((done.again, done.topics.len()), (None, 2));
    }

    #[test]
    fn what_is_lost_meanwhile_is_filled_together_with_what_was_lost_before() {
        let again = at(9, &[("items", 5), ("prices", 4)]).filling_again(names(&["items"]));
        let again = again
            .moved(3, None, &["items"].into())
            .filling_again(names(&["prices"]));
        assert!(again.wants(9, "items") && again.wants(9, "prices"));
    }

    #[test]
    fn a_checkpoint_without_topics_can_be_read() {
        let text = r#"{"log":"source","epoch":"00000000-0000-0000-0000-000000000000","shard":0,"position":9}"#;
        assert_eq!(
            serde_json::from_str::<Checkpoint>(text).unwrap(),
            at(9, &[])
        );
    }
}
