//! A whole topic for one reader: every partition from its beginning, without a group.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::BoxStream;
use millrace_event_store::{Position, Recorded};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use crate::bus::{BusError, Delivery, Mirrored, Routes};
use crate::kafka::client::{Quiet, ends};
use crate::kafka::record;
use crate::kafka::settings::KafkaSettings;
use crate::past::Past;
use crate::topics::Topic;

/// How long a newcomer waits for a topic that is not there, before it says that it has caught up with nothing.
const GRACE: Duration = Duration::from_secs(10);
const SLICE: Duration = Duration::from_millis(100);
const ASK: Duration = Duration::from_secs(5);
/// Records read ahead of who takes the stream.
const AHEAD: usize = 4_096;

#[expect(clippy::large_enum_variant, reason = "the small ones are rare")]
enum Said {
    Record(Delivery),
    CaughtUp,
    Failed(BusError),
}

/// One thread per topic: librdkafka says of an end of partition only its number, not its topic.
pub(super) fn mirror(
    settings: &KafkaSettings,
    topics: &[&'static Topic],
) -> Result<BoxStream<'static, Result<Mirrored, BusError>>, BusError> {
    let (said, heard) = mpsc::channel(AHEAD);
    for &topic in topics {
        let mut config = settings.reader("mirror");
        config
            .set("group.id", format!("{}nobody", settings.prefix))
            .set("enable.partition.eof", "true")
            // An end of partition is told when a fetch comes back without anything.
            .set("fetch.wait.max.ms", "50");
        let reader: BaseConsumer<Quiet> = config.create_with_context(Quiet)?;
        let full = settings.topic_name(&Routes::Internal, topic);
        let reader = Reader {
            reader,
            topic,
            full,
            said: said.clone(),
        };
        let thread = std::thread::Builder::new().name(format!("mirror {}", topic.name));
        thread
            .spawn(move || reader.read())
            .map_err(|_| BusError::Closed)?;
    }
    let missing = topics.len();
    let stream = futures::stream::unfold((heard, missing), |(mut heard, mut missing)| async move {
        loop {
            let item = match heard.recv().await? {
                Said::Record(delivery) => Ok(Mirrored::Record(delivery)),
                Said::Failed(failure) => Err(failure),
                Said::CaughtUp => {
                    missing -= 1;
                    if missing > 0 {
                        continue;
                    }
                    Ok(Mirrored::CaughtUp)
                }
            };
            return Some((item, (heard, missing)));
        }
    });
    Ok(stream.boxed())
}

struct Reader {
    reader: BaseConsumer<Quiet>,
    topic: &'static Topic,
    full: String,
    said: mpsc::Sender<Said>,
}

impl Reader {
    /// Until nobody listens any more.
    fn read(self) {
        let mut caught_up = false;
        while !self.said.is_closed() {
            let Some(partitions) = self.partitions(&mut caught_up) else {
                return;
            };
            match self.follow(&partitions, &mut caught_up) {
                Ok(()) => return,
                Err(failure) => {
                    if self.said.blocking_send(Said::Failed(failure)).is_err() {
                        return;
                    }
                    std::thread::sleep(SLICE);
                }
            }
        }
    }

    /// The partitions of the topic, once it is there. `None`: nobody listens any more.
    fn partitions(&self, caught_up: &mut bool) -> Option<Vec<i32>> {
        let started = Instant::now();
        loop {
            if self.said.is_closed() {
                return None;
            }
            match self.reader.fetch_metadata(Some(&self.full), ASK) {
                Ok(metadata) => {
                    let topic = metadata
                        .topics()
                        .iter()
                        .find(|topic| topic.name() == self.full);
                    let found: Vec<i32> = topic
                        .iter()
                        .flat_map(|topic| topic.partitions())
                        .map(|partition| partition.id())
                        .collect();
                    if !found.is_empty() {
                        return Some(found);
                    }
                    if !*caught_up && started.elapsed() > GRACE {
                        *caught_up = true;
                        self.said.blocking_send(Said::CaughtUp).ok()?;
                    }
                }
                Err(failure) => debug!(%failure, topic = self.full, "kafka does not answer"),
            }
            std::thread::sleep(SLICE);
        }
    }

    /// Everything from the beginning, then what comes. Ends well when nobody listens any more.
    fn follow(&self, partitions: &[i32], caught_up: &mut bool) -> Result<(), BusError> {
        let mut assignment = TopicPartitionList::new();
        let mut newest: HashMap<i32, Newest> = HashMap::new();
        for partition in partitions {
            assignment.add_partition_offset(&self.full, *partition, Offset::Beginning)?;
            // Unknown: all that comes may be old.
            let end = ends(&self.reader, &self.full, *partition).map_or(i64::MAX, |(_, end)| end);
            newest.insert(
                *partition,
                Newest {
                    old_until: end,
                    at: None,
                    past: Some(Past::default()),
                },
            );
        }
        self.reader.assign(&assignment)?;
        let mut at_their_end: HashSet<i32> = HashSet::new();
        let mut told = false;
        loop {
            match self.reader.poll(SLICE) {
                None => {
                    if self.said.is_closed() {
                        return Ok(());
                    }
                }
                Some(Ok(message)) => {
                    told = false;
                    let event = record::read(&message);
                    if let (Ok(recorded), Some(newest)) =
                        (&event, newest.get_mut(&message.partition()))
                        && newest.is_repeat(message.offset(), recorded)
                    {
                        continue;
                    }
                    let delivery = Delivery {
                        topic: self.topic.name.to_owned(),
                        partition: message.partition(),
                        offset: message.offset(),
                        event,
                    };
                    if self.said.blocking_send(Said::Record(delivery)).is_err() {
                        return Ok(());
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    at_their_end.insert(partition);
                    if !*caught_up && at_their_end.len() == partitions.len() {
                        *caught_up = true;
                        if self.said.blocking_send(Said::CaughtUp).is_err() {
                            return Ok(());
                        }
                    }
                }
                Some(Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
                ))) => {
                    let reason =
                        "its records are gone: it is read again from its beginning".to_owned();
                    return Err(BusError::ResyncNeeded {
                        topic: self.topic.name.to_owned(),
                        reason,
                    });
                }
                Some(Err(failure @ KafkaError::MessageConsumptionFatal(_))) => {
                    return Err(failure.into());
                }
                Some(Err(failure)) => {
                    if !told {
                        warn!(
                            error = &failure as &dyn std::error::Error,
                            topic = self.full,
                            "reading from kafka is interrupted"
                        );
                        told = true;
                    }
                }
            }
        }
    }
}

/// How far one partition has come in its log.
struct Newest {
    /// Records before this offset were there when reading began.
    old_until: i64,
    at: Option<Position>,
    /// Until something new came after that.
    past: Option<Past>,
}

impl Newest {
    fn is_repeat(&mut self, offset: i64, recorded: &Recorded) -> bool {
        let (at, key) = (&recorded.at, &recorded.event.key);
        let goes_back = self.at.as_ref().is_some_and(|newest| {
            (&newest.log, newest.epoch, newest.shard) == (&at.log, at.epoch, at.shard)
                && newest.number >= at.number
        });
        if !goes_back {
            self.at = Some(at.clone());
        }
        let Some(past) = &mut self.past else {
            return goes_back;
        };
        if goes_back && past.reaches(key, at.number) {
            return true;
        }
        past.note(key, at.number);
        if offset >= self.old_until && !goes_back {
            self.past = None;
        }
        false
    }
}
