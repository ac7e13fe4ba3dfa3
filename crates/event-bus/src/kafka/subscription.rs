//! A member of a Kafka group. librdkafka calls back on the thread that polls, and those callbacks wait for the database: so a
//! member has a thread of its own, and the loop talks to it. While the loop works on a batch nothing is polled: a rebalance
//! waits for the batch.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tracing::{debug, warn};

use crate::bus::{BusError, Routes};
use crate::kafka::member::{Judged, Membership, Share, Shared};
use crate::kafka::record;
use crate::kafka::settings::KafkaSettings;
use crate::subscription::{Batch, Change, Partition, Positions, Subscription, Taken};
use crate::topics::Topic;

/// How long a poll waits before it looks whether anybody still wants its result.
const SLICE: Duration = Duration::from_millis(100);
const SEEK_PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct KafkaSubscription {
    commands: mpsc::Sender<Command>,
}

enum Command {
    Next {
        limit: usize,
        patience: Duration,
        reply: oneshot::Sender<Result<Batch, BusError>>,
    },
    Seek {
        partition: Partition,
        offset: Option<i64>,
        reply: oneshot::Sender<Result<(), BusError>>,
    },
    Pause {
        partition: Partition,
        paused: bool,
        reply: oneshot::Sender<Result<(), BusError>>,
    },
    Committed(Vec<(Partition, i64)>),
    Lag {
        reply: oneshot::Sender<Vec<(Partition, i64)>>,
    },
}

impl KafkaSubscription {
    pub(super) fn join(
        settings: &KafkaSettings,
        group: &str,
        topics: &[&'static Topic],
        positions: Arc<dyn Positions>,
    ) -> Result<Self, BusError> {
        let names: HashMap<String, &'static str> = topics
            .iter()
            .map(|topic| (settings.topic_name(&Routes::Internal, topic), topic.name))
            .collect();
        let membership = Membership {
            shared: Shared::default().into(),
            topics: names,
            positions,
            runtime: Handle::current(),
        };
        let mut config = settings.reader("consumer");
        config
            .set("group.id", format!("{}{group}", settings.prefix))
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", "10000")
            .set("heartbeat.interval.ms", "2000")
            .set("max.poll.interval.ms", "300000")
            .set("statistics.interval.ms", "5000");
        let consumer: BaseConsumer<Membership> = config.create_with_context(membership)?;
        let full: Vec<&str> = consumer
            .context()
            .topics
            .keys()
            .map(String::as_str)
            .collect();
        consumer.subscribe(&full)?;
        let (commands, inbox) = mpsc::channel();
        let member = Member {
            consumer,
            told: false,
        };
        let thread = std::thread::Builder::new().name(format!("consume {group}"));
        thread
            .spawn(move || member.serve(&inbox))
            .map_err(|_| BusError::Closed)?;
        Ok(Self { commands })
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, BusError> {
        let (reply, answer) = oneshot::channel();
        self.commands
            .send(command(reply))
            .map_err(|_| BusError::Closed)?;
        answer.await.map_err(|_| BusError::Closed)
    }
}

#[async_trait]
impl Subscription for KafkaSubscription {
    async fn next(&mut self, limit: usize, patience: Duration) -> Result<Batch, BusError> {
        self.ask(|reply| Command::Next {
            limit,
            patience,
            reply,
        })
        .await?
    }

    async fn seek(&mut self, partition: &Partition, offset: Option<i64>) -> Result<(), BusError> {
        let partition = partition.clone();
        self.ask(|reply| Command::Seek {
            partition,
            offset,
            reply,
        })
        .await?
    }

    async fn pause(&mut self, partition: &Partition, paused: bool) -> Result<(), BusError> {
        let partition = partition.clone();
        self.ask(|reply| Command::Pause {
            partition,
            paused,
            reply,
        })
        .await?
    }

    async fn committed(&mut self, marks: &[(Partition, i64)]) {
        if !marks.is_empty() {
            // Only for displays: nobody is told when the member is gone.
            let _ = self.commands.send(Command::Committed(marks.to_vec()));
        }
    }

    async fn lag(&mut self) -> Vec<(Partition, i64)> {
        self.ask(|reply| Command::Lag { reply })
            .await
            .unwrap_or_default()
    }
}

/// The thread's side.
struct Member {
    consumer: BaseConsumer<Membership>,
    /// A failure was logged and nothing came since.
    told: bool,
}

impl Member {
    /// Until the loop's side is dropped; then the group is left in order.
    fn serve(mut self, inbox: &mpsc::Receiver<Command>) {
        while let Ok(command) = inbox.recv() {
            match command {
                Command::Next {
                    limit,
                    patience,
                    reply,
                } => {
                    let batch = self.next(limit, Instant::now() + patience, || reply.is_closed());
                    let _ = reply.send(batch);
                }
                Command::Seek {
                    partition,
                    offset,
                    reply,
                } => {
                    let _ = reply.send(self.seek(&partition, offset));
                }
                Command::Pause {
                    partition,
                    paused,
                    reply,
                } => {
                    let _ = reply.send(self.pause(&partition, paused));
                }
                Command::Committed(marks) => self.committed(&marks),
                Command::Lag { reply } => {
                    let _ = reply.send(self.lag());
                }
            }
        }
    }

    fn next(
        &mut self,
        limit: usize,
        deadline: Instant,
        nobody_waits: impl Fn() -> bool,
    ) -> Result<Batch, BusError> {
        let mut records: Vec<Taken> = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let patience = if records.is_empty() {
                left.min(SLICE)
            } else {
                Duration::ZERO
            };
            let mut enough = false;
            match self.consumer.poll(patience) {
                Some(Ok(message)) => {
                    let membership = self.consumer.context();
                    if let Some(partition) =
                        membership.partition(message.topic(), message.partition())
                    {
                        let taken = record::take(&message, partition);
                        let delivered = membership.with(|shared| {
                            let share = shared.shares.get_mut(&taken.partition);
                            match share.map_or(Judged::PassedOver, |share| share.judge(&taken)) {
                                Judged::Delivered => true,
                                Judged::PassedOver => false,
                                Judged::Strange => {
                                    shared.changes.push(Change::Lost {
                                        partition: taken.partition.clone(),
                                        reason: format!(
                                            "at {} stands what was never taken: the topic is not the one read so far",
                                            taken.offset
                                        ),
                                        now: None,
                                    });
                                    false
                                }
                            }
                        });
                        if delivered {
                            records.push(taken);
                        }
                    }
                    self.told = false;
                }
                Some(Err(failure)) => self.failed(failure)?,
                None => enough = !records.is_empty() || left.is_zero() || nobody_waits(),
            }
            let (changes, failure) = self
                .consumer
                .context()
                .with(|shared| (std::mem::take(&mut shared.changes), shared.failure.take()));
            if let Some(failure) = failure {
                return Err(failure);
            }
            if enough || records.len() >= limit || !changes.is_empty() {
                // What was gathered from partitions that went meanwhile is somebody else's to handle now.
                for change in &changes {
                    if let Change::Revoked(gone) = change {
                        records.retain(|taken| taken.partition != *gone);
                    }
                }
                return Ok(Batch {
                    changes,
                    records,
                    reached: Vec::new(),
                });
            }
        }
    }

    fn failed(&mut self, failure: KafkaError) -> Result<(), BusError> {
        match &failure {
            KafkaError::MessageConsumption(
                RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
            ) => {
                if self.consumer.context().look_for_lost(&self.consumer) {
                    return Ok(());
                }
                // librdkafka says it once and fetches that partition no more: begin anew from the stored positions.
                Err(failure.into())
            }
            KafkaError::MessageConsumptionFatal(_) => Err(failure.into()),
            other => {
                // librdkafka goes on by itself; the first of a row of failures is told.
                if !self.told {
                    warn!(
                        error = other as &dyn std::error::Error,
                        "reading from kafka is interrupted"
                    );
                    self.told = true;
                }
                Ok(())
            }
        }
    }

    fn full_name(&self, partition: &Partition) -> Option<&str> {
        let mut names = self.consumer.context().topics.iter();
        names
            .find(|(_, short)| **short == partition.topic)
            .map(|(full, _)| full.as_str())
    }

    fn seek(&self, partition: &Partition, offset: Option<i64>) -> Result<(), BusError> {
        let Some(topic) = self.full_name(partition) else {
            return Ok(());
        };
        let to = offset.map_or(Offset::Beginning, Offset::Offset);
        let deadline = Instant::now() + SEEK_PATIENCE;
        // A partition that was assigned a moment ago cannot be sought in yet.
        loop {
            match self
                .consumer
                .seek(topic, partition.number, to, SEEK_PATIENCE)
            {
                Ok(()) => break,
                Err(failure) if Instant::now() >= deadline => return Err(failure.into()),
                Err(failure) => {
                    debug!(%failure, topic, "seeking again");
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
        self.consumer.context().with(|shared| {
            if let Some(share) = shared.shares.get_mut(partition) {
                share.next = offset.unwrap_or(-1);
                share.known = None;
                share.lost = false;
            }
        });
        Ok(())
    }

    fn pause(&self, partition: &Partition, paused: bool) -> Result<(), BusError> {
        let Some(topic) = self.full_name(partition) else {
            return Ok(());
        };
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, partition.number);
        if paused {
            self.consumer.pause(&list)?
        } else {
            self.consumer.resume(&list)?
        }
        Ok(())
    }

    fn committed(&self, marks: &[(Partition, i64)]) {
        let mut list = TopicPartitionList::new();
        for (partition, next) in marks.iter().filter(|(_, next)| *next >= 0) {
            if let Some(topic) = self.full_name(partition) {
                let _ = list.add_partition_offset(topic, partition.number, Offset::Offset(*next));
            }
        }
        if let Err(failure) = self.consumer.commit(&list, CommitMode::Async) {
            debug!(%failure, "offsets for lag displays were not taken");
        }
    }

    fn lag(&self) -> Vec<(Partition, i64)> {
        let membership = self.consumer.context();
        // Where librdkafka stands: past the marks of transactions, which are nobody's records.
        let here: HashMap<(String, i32), i64> = self
            .consumer
            .position()
            .map(|list| {
                list.elements()
                    .iter()
                    .filter_map(|element| match element.offset() {
                        Offset::Offset(next) => {
                            Some(((element.topic().to_owned(), element.partition()), next))
                        }
                        _ => None,
                    })
                    .collect()
            })
            .unwrap_or_default();
        membership.with(|shared| {
            let behind = |(partition, share): (&Partition, &Share)| {
                let (full, _) = membership
                    .topics
                    .iter()
                    .find(|(_, short)| **short == partition.topic)?;
                let place = (full.clone(), partition.number);
                let end = shared.ends.get(&place)?;
                let next = here
                    .get(&place)
                    .copied()
                    .unwrap_or(share.next)
                    .max(share.next);
                Some((partition.clone(), (end - next.max(0)).max(0)))
            };
            shared.shares.iter().filter_map(behind).collect()
        })
    }
}
