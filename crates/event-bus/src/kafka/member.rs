//! What happens to a group's member in librdkafka's callbacks: partitions come and go, and each begins where the consumer's
//! database says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millrace_event_store::StoreError;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::Handle;
use tracing::{debug, warn};

use crate::kafka::client::said;
use crate::subscription::{Change, Mark, Partition, Positions};

const WATERMARK_PATIENCE: Duration = Duration::from_secs(5);

/// A partition of this member.
#[derive(Debug, Clone)]
pub(super) struct Share {
    /// The next offset to be delivered.
    pub next: i64,
    /// Nothing is delivered until the loop seeks.
    pub lost: bool,
}

#[derive(Default)]
pub(super) struct Shared {
    pub shares: HashMap<Partition, Share>,
    pub changes: Vec<Change>,
    /// The end of each partition as it was last told.
    pub ends: HashMap<(String, i32), i64>,
    /// The database could not say where to begin.
    pub failure: Option<StoreError>,
}

/// The member's context: the callbacks run on the thread that polls.
pub(super) struct Membership {
    pub shared: Mutex<Shared>,
    /// Short topic names by full ones.
    pub topics: HashMap<String, &'static str>,
    pub positions: Arc<dyn Positions>,
    pub runtime: Handle,
}

impl Membership {
    pub(super) fn partition(&self, topic: &str, number: i32) -> Option<Partition> {
        let topic = self.topics.get(topic)?;
        Some(Partition {
            topic,
            number,
            source: "".into(),
        })
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Shared) -> T) -> T {
        work(&mut self.shared.lock().expect("no holder of this lock panics"))
    }

    fn assigned(
        &self,
        consumer: &BaseConsumer<Self>,
        list: &TopicPartitionList,
    ) -> KafkaResult<()> {
        let mut start = TopicPartitionList::new();
        for element in list.elements() {
            let (topic, number) = (element.topic(), element.partition());
            let Some(partition) = self.partition(topic, number) else {
                continue;
            };
            let offset = match self.runtime.block_on(self.positions.load(&partition)) {
                Ok(mark) => self.begin(consumer, topic, partition, mark),
                Err(failure) => {
                    // The session ends with this; where reading would begin meanwhile does not matter.
                    self.with(|shared| shared.failure = Some(failure));
                    Offset::End
                }
            };
            start.add_partition_offset(topic, number, offset)?;
        }
        consumer.incremental_assign(&start)
    }

    fn begin(
        &self,
        consumer: &BaseConsumer<Self>,
        topic: &str,
        partition: Partition,
        mark: Option<Mark>,
    ) -> Offset {
        let next = mark.as_ref().map_or(-1, |mark| mark.next);
        let lost = (next >= 0)
            .then(|| self.lost(consumer, topic, partition.number, next))
            .flatten();
        self.with(|shared| {
            shared
                .changes
                .push(Change::Assigned(partition.clone(), mark));
            shared.shares.insert(
                partition.clone(),
                Share {
                    next,
                    lost: lost.is_some(),
                },
            );
            if let Some(reason) = &lost {
                shared.changes.push(Change::Lost {
                    partition,
                    reason: reason.clone(),
                    now: None,
                });
            }
        });
        if next < 0 || lost.is_some() {
            Offset::Beginning
        } else {
            Offset::Offset(next)
        }
    }

    /// Why reading cannot go on at `next`, if so.
    fn lost(
        &self,
        consumer: &BaseConsumer<Self>,
        topic: &str,
        number: i32,
        next: i64,
    ) -> Option<String> {
        match consumer.fetch_watermarks(topic, number, WATERMARK_PATIENCE) {
            Ok((low, _)) if next < low => Some(format!(
                "records from {next} to {low} of partition {number} are gone"
            )),
            Ok((_, high)) if next > high => Some(format!(
                "partition {number} ends at {high}, before {next}: the topic is not the one read so far"
            )),
            Ok(_) => None,
            Err(failure) => {
                // The broker will say it itself when reading begins out of range.
                debug!(%failure, topic, "could not ask where the partition begins and ends");
                None
            }
        }
    }

    /// The broker says that some position is out of range: which?
    pub(super) fn look_for_lost(&self, consumer: &BaseConsumer<Self>) {
        let shares: Vec<(Partition, Share)> = self.with(|shared| {
            shared
                .shares
                .iter()
                .map(|(p, s)| (p.clone(), s.clone()))
                .collect()
        });
        for (partition, share) in shares
            .into_iter()
            .filter(|(_, share)| !share.lost && share.next >= 0)
        {
            let Some((topic, _)) = self
                .topics
                .iter()
                .find(|(_, short)| **short == partition.topic)
            else {
                continue;
            };
            if let Some(reason) = self.lost(consumer, topic, partition.number, share.next) {
                self.with(|shared| {
                    if let Some(share) = shared.shares.get_mut(&partition) {
                        share.lost = true;
                        shared.changes.push(Change::Lost {
                            partition,
                            reason,
                            now: None,
                        });
                    }
                });
            }
        }
    }

    fn revoked(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> KafkaResult<()> {
        let gone = |element: &TopicPartitionListElem<'_>| {
            self.partition(element.topic(), element.partition())
        };
        let gone: Vec<Partition> = list.elements().iter().filter_map(gone).collect();
        self.with(|shared| {
            for partition in gone {
                shared.shares.remove(&partition);
                shared.changes.push(Change::Revoked(partition));
            }
        });
        consumer.incremental_unassign(list)
    }
}

impl ClientContext for Membership {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        said(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!(%error, reason, "librdkafka");
    }

    fn stats(&self, statistics: Statistics) {
        let ends = statistics.topics.into_iter().flat_map(|(name, topic)| {
            let partitions = topic
                .partitions
                .into_iter()
                .filter(|(number, partition)| *number >= 0 && partition.ls_offset >= 0);
            partitions
                .map(move |(number, partition)| ((name.clone(), number), partition.ls_offset))
                .collect::<Vec<_>>()
        });
        let ends = ends.collect();
        self.with(|shared| shared.ends = ends);
    }
}

impl ConsumerContext for Membership {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let done = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assigned(consumer, list),
            _ => self.revoked(consumer, list),
        };
        if let Err(failure) = done {
            warn!(
                error = &failure as &dyn std::error::Error,
                "could not take over the partitions the group gave"
            );
        }
    }
}
