//! A relay that finds a backlog, against a raw idempotent producer that sends the very same records.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use async_trait::async_trait;
use millrace_event_bus::{Bus, KafkaBus, KafkaSettings, Routes};
use millrace_event_store::{Append, Expected, StreamAppend};
use millrace_service_kit::Shutdown;
use millrace_test_rig::Kafka;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Headers, Message, OwnedMessage};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::scratch::Scratch;
use crate::case::{Arm, Better, Card, Case, Floor, Length};
use crate::load::Caller;

const BACKLOG: u64 = 300_000;

/// Events per append while the backlog is made.
const BATCH: u64 = 500;

pub struct RelayCase {
    kafka: Kafka,
    scratch: Scratch,
    /// What the relay sent once, before anything was measured: what the raw producer sends.
    records: Vec<OwnedMessage>,
    /// Topic prefix of the relay's last run.
    last: String,
}

impl RelayCase {
    pub async fn new() -> Result<RelayCase> {
        let postgres = millrace_test_rig::postgres().await;
        let scratch = Scratch::postgres_named(&postgres, "catalog-sync").await?;
        fill(&scratch).await?;
        let mut case = RelayCase {
            kafka: millrace_test_rig::kafka().await,
            scratch,
            records: Vec::new(),
            last: String::new(),
        };
        case.subject().await?;
        case.records = case.read_back().await?;
        Ok(case)
    }

    async fn fresh_topics(&self) -> Result<KafkaBus> {
        let mut settings = KafkaSettings::new(
            self.kafka.bootstrap(),
            format!("{}.", millrace_test_rig::unique("bench")),
        );
        settings.replication = Some(1);
        let holder = millrace_test_rig::unique("bench");
        let bus = KafkaBus::new(settings, holder)?;
        bus.create_topics().await?;
        Ok(bus)
    }

    async fn subject(&mut self) -> Result<f64> {
        let bus = self.fresh_topics().await?;
        self.last = bus.settings().prefix.clone();
        let shutdown = Shutdown::new();
        let began = Instant::now();
        let relay = tokio::spawn({
            let (bus, log, shutdown) = (bus.clone(), self.scratch.log.clone(), shutdown.clone());
            async move { bus.relay(log, Routes::Internal, shutdown).await }
        });
        let deadline = began + Duration::from_secs(300);
        while !bus.relays().iter().any(|relay| relay.position >= BACKLOG) {
            ensure!(
                Instant::now() < deadline,
                "the relay did not come to the end of the backlog: {:?}",
                bus.relays()
            );
            if relay.is_finished() {
                bail!("the relay ended before the backlog did");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let per_second = BACKLOG as f64 / began.elapsed().as_secs_f64();
        shutdown.cancel();
        relay.await??;
        Ok(per_second)
    }

    async fn raw(&self) -> Result<f64> {
        let bus = self.fresh_topics().await?;
        let topic = format!("{}items", bus.settings().prefix);
        let bootstrap = self.kafka.bootstrap();
        let records = &self.records;
        let began = Instant::now();
        tokio::task::block_in_place(|| send_all(&bootstrap, &topic, records))?;
        Ok(records.len() as f64 / began.elapsed().as_secs_f64())
    }

    async fn read_back(&self) -> Result<Vec<OwnedMessage>> {
        let (bootstrap, topic) = (self.kafka.bootstrap(), format!("{}items", self.last));
        tokio::task::spawn_blocking(move || read_all(&bootstrap, &topic)).await?
    }
}

#[async_trait]
impl Case for RelayCase {
    fn card(&self) -> Card {
        Card {
            name: "relay-backlog",
            unit: "records/s",
            better: Better::Higher,
            floor: Floor::Ratio(0.6),
            goal: 0.85,
            length: Length::Long,
            baseline: "a raw idempotent producer (acks=all, lz4) that sends the same 300000 records, headers included, out of memory",
        }
    }

    async fn run(&mut self, arm: Arm) -> Result<f64> {
        match arm {
            Arm::Subject => self.subject().await,
            Arm::Baseline => self.raw().await,
        }
    }

    /// Every event of the backlog is there once, and each partition is in the log's order.
    async fn check(&mut self) -> Result<()> {
        let records = self.read_back().await?;
        ensure!(
            records.len() as u64 == BACKLOG,
            "{} of {BACKLOG} records are there",
            records.len()
        );
        let mut seen = vec![false; BACKLOG as usize + 1];
        let mut newest = std::collections::HashMap::<i32, u64>::new();
        for record in &records {
            let position = position(record).context("a record tells no position")?;
            let before = newest
                .insert(record.partition(), position)
                .unwrap_or_default();
            ensure!(
                before < position,
                "in partition {} after position {before} came {position}",
                record.partition()
            );
            let twice = seen
                .get_mut(position as usize)
                .map(|seen| std::mem::replace(seen, true));
            ensure!(
                twice == Some(false),
                "position {position} is there twice or never was"
            );
        }
        Ok(())
    }
}

async fn fill(scratch: &Scratch) -> Result<()> {
    let mut caller = Caller::new(1);
    for _ in 0..BACKLOG / BATCH {
        let mut append = Append::default();
        for _ in 0..BATCH {
            let (stream, _, event) = caller.next();
            append.streams.push(StreamAppend {
                stream,
                expected: Expected::Any,
                events: vec![event],
            });
        }
        scratch.log.append(append).await?;
    }
    let head = scratch.log.head().await?;
    ensure!(
        head == BACKLOG,
        "the backlog holds {head} events instead of {BACKLOG}"
    );
    Ok(())
}

fn send_all(bootstrap: &str, topic: &str, records: &[OwnedMessage]) -> Result<()> {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", bootstrap)
        .set("enable.idempotence", "true")
        .set("acks", "all");
    settings
        .set("compression.type", "lz4")
        .set("queue.buffering.max.messages", "500000");
    let producer: ThreadedProducer<DefaultProducerContext> = settings.create()?;
    for record in records {
        let mut next = BaseRecord::to(topic);
        next.key = record.key();
        next.payload = record.payload();
        next.headers = record
            .headers()
            .map(|headers| headers.as_borrowed().detach());
        while let Err((error, back)) = producer.send(next) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            next = back;
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    producer.flush(Duration::from_secs(120))?;
    ensure!(
        producer.in_flight_count() == 0,
        "{} records were not delivered",
        producer.in_flight_count()
    );
    Ok(())
}

fn read_all(bootstrap: &str, topic: &str) -> Result<Vec<OwnedMessage>> {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", bootstrap)
        .set("group.id", topic)
        .set("isolation.level", "read_committed");
    settings
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true");
    let consumer: BaseConsumer = settings.create()?;
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10))?;
    let partitions = metadata
        .topics()
        .first()
        .context("the topic is unknown")?
        .partitions()
        .len();
    let mut all = TopicPartitionList::new();
    for partition in 0..partitions {
        all.add_partition_offset(topic, i32::try_from(partition)?, Offset::Beginning)?;
    }
    consumer.assign(&all)?;
    let mut records = Vec::new();
    let mut ended = std::collections::HashSet::new();
    while ended.len() < partitions {
        match consumer.poll(Duration::from_secs(30)) {
            Some(Ok(record)) => records.push(record.detach()),
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                ended.insert(partition);
            }
            Some(Err(error)) => return Err(error.into()),
            None => bail!("half a minute without a record after {}", records.len()),
        }
    }
    Ok(records)
}

/// `ce_sequence`: the position in the log.
fn position(record: &OwnedMessage) -> Option<u64> {
    let header = record
        .headers()?
        .iter()
        .find(|header| header.key == "ce_sequence")?;
    std::str::from_utf8(header.value?).ok()?.parse().ok()
}
