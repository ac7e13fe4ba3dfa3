//! What happens to a group's member in librdkafka's callbacks: partitions come and go, and each begins where the consumer's
//! database says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

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

use crate::bus::BusError;
use crate::kafka::client::{ends, said};
use crate::subscription::{Change, Mark, Partition, Positions, Seen, Taken};

/// How far before its mark a partition is read to see whether it is the one read so far: enough to meet a record among the marks of
/// transactions.
const LOOK_BACK: i64 = 10;

/// A partition of this member.
#[derive(Debug, Clone)]
pub(super) struct Share {
    /// The next offset to be delivered.
    pub next: i64,
    /// Nothing is delivered until the loop seeks.
    pub lost: bool,
    /// Reading began a little before the mark: what stands before `.1` must be what was taken, up to `.0`.
    pub known: Option<(Seen, i64)>,
}

#[derive(Default)]
pub(super) struct Shared {
    pub shares: HashMap<Partition, Share>,
    pub changes: Vec<Change>,
    /// The end of each partition as it was last told.
    pub ends: HashMap<(String, i32), i64>,
    /// Why this member cannot go on.
    pub failure: Option<BusError>,
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
        let mut failed = false;
        for element in list.elements() {
            let (topic, number) = (element.topic(), element.partition());
            let Some(partition) = self.partition(topic, number) else {
                continue;
            };
            // Once one could not be asked for, the session ends: where reading would begin meanwhile does not matter.
            let offset = if failed {
                Offset::End
            } else {
                let begun = self
                    .runtime
                    .block_on(self.positions.load(&partition))
                    .map_err(BusError::from)
                    .and_then(|mark| self.begin(consumer, topic, partition, mark));
                begun.unwrap_or_else(|failure| {
                    failed = true;
                    self.with(|shared| shared.failure = Some(failure));
                    Offset::End
                })
            };
            start.add_partition_offset(topic, number, offset)?;
        }
        // librdkafka keeps a pause over losing and getting a partition again; whoever paused it then has forgotten it.
        // It fails for partitions that are new to this member, which are not paused.
        let _ = consumer.resume(&start);
        consumer.incremental_assign(&start)
    }

    fn begin(
        &self,
        consumer: &BaseConsumer<Self>,
        topic: &str,
        partition: Partition,
        mark: Option<Mark>,
    ) -> Result<Offset, BusError> {
        let next = mark.as_ref().map_or(-1, |mark| mark.next);
        let seen = mark.as_ref().and_then(|mark| mark.seen.clone());
        let old_until = mark.as_ref().map_or(-1, |mark| mark.old_until);
        let (low, high) = ends(consumer, topic, partition.number)?;
        let lost = lost(partition.number, next, (low, high));
        self.with(|shared| {
            shared.changes.push(Change::Assigned {
                partition: partition.clone(),
                mark,
                end: high,
            });
            shared.shares.insert(
                partition.clone(),
                Share {
                    next,
                    lost: lost.is_some(),
                    known: seen.filter(|_| next > old_until).map(|seen| (seen, next)),
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
        Ok(if next < 0 || lost.is_some() {
            Offset::Beginning
        } else {
            Offset::Offset((next - LOOK_BACK).max(low).min(next))
        })
    }

    /// The broker says that some position is out of range: which? `false`: none that we can see.
    pub(super) fn look_for_lost(&self, consumer: &BaseConsumer<Self>) -> bool {
        let mut found = false;
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
            let Ok(ends) = ends(consumer, topic, partition.number) else {
                continue;
            };
            if let Some(reason) = lost(partition.number, share.next, ends) {
                found = true;
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
        found
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

impl Share {
    /// Judges a record of this partition as it comes: to be delivered, passed over because it stands before the mark, or a sign that
    /// the topic is not the one read so far.
    pub(super) fn judge(&mut self, taken: &Taken) -> Judged {
        if self.lost {
            return Judged::PassedOver;
        }
        match &self.known {
            Some((seen, mark)) if taken.offset < *mark => match &taken.event {
                Ok(recorded) if seen.comes_before(&recorded.at) => {
                    self.lost = true;
                    Judged::Strange
                }
                Ok(_) | Err(_) => Judged::PassedOver,
            },
            Some(_) | None => {
                self.known = None;
                self.next = taken.offset + 1;
                Judged::Delivered
            }
        }
    }
}

pub(super) enum Judged {
    Delivered,
    PassedOver,
    Strange,
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
                .filter(|(number, partition)| *number >= 0 && partition.hi_offset >= 0);
            partitions
                .map(move |(number, partition)| ((name.clone(), number), partition.hi_offset))
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
            // Else librdkafka waits for an answer to this for ever, and goes on telling the group that all is well.
            let _ = consumer.unassign();
            self.with(|shared| shared.failure = Some(failure.into()));
        }
    }
}

/// Why reading cannot go on at `next`, if so.
fn lost(number: i32, next: i64, (low, high): (i64, i64)) -> Option<String> {
    if next < 0 {
        return None;
    }
    if next < low {
        return Some(format!(
            "records from {next} to {low} of partition {number} are gone"
        ));
    }
    (next > high).then(|| {
        format!(
            "partition {number} ends at {high}, before {next}: the topic is not the one read so far"
        )
    })
}
