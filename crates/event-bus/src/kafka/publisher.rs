//! One transactional producer: from its start, which fences its predecessor, to its first failure, after which it is thrown away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use millrace_event_store::Recorded;
use millrace_service_kit::Shutdown;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaError};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use thiserror::Error;

use crate::cloud_event::Scribe;
use crate::kafka::checkpoint::{self, Checkpoint};
use crate::kafka::client::said;
use crate::kafka::record;
use crate::kafka::settings::KafkaSettings;

/// Opaque of the checkpoint's own record; positions begin at 1.
const OWN: usize = 0;
const COMMIT_PATIENCE: Duration = Duration::from_secs(30);
/// A small transaction is answered within this.
const ANSWERS_SOON: Duration = Duration::from_millis(5);
/// Longer than `message.timeout.ms`: whoever is silent by then has lost the transaction, and a new publisher begins another.
const ANSWERS_AT_ALL: Duration = Duration::from_secs(40);
/// A transaction is committed when nothing has come for so long …
const IDLE: Duration = Duration::from_millis(50);
/// … or when it has been open for so long: what is read committed waits for it, and what a failure repeats grows with it.
const OPEN_AT_MOST: Duration = Duration::from_millis(500);
/// While a backlog is sent nobody waits for its newest record, and each commit lets what is under way run dry.
const OPEN_IN_A_BACKLOG: Duration = Duration::from_secs(5);
/// How long a stopping relay waits for acknowledgements it already asked for.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Error)]
pub(super) enum PublishError {
    /// A successor has taken over: this process must ask for the lease again before it publishes anything.
    #[error("another process publishes this log now")]
    Fenced,
    /// Kafka takes records one by one, but not these.
    #[error("{} records are larger than kafka takes", .positions.len())]
    TooLarge { positions: BTreeSet<u64> },
    /// A record too large, or only a batch of them.
    #[error("a batch is larger than kafka takes")]
    BatchTooLarge,
    #[error("shutdown was asked")]
    Stopped,
    #[error("kafka did not take what was published")]
    Kafka(#[from] KafkaError),
}

/// Collects what Kafka refused.
pub(super) struct Deliveries {
    refused: Mutex<BTreeMap<u64, RDKafkaErrorCode>>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        said(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, position: usize) {
        if let Err((failure, _)) = result {
            let code = failure
                .rdkafka_error_code()
                .unwrap_or(RDKafkaErrorCode::Fail);
            self.refused
                .lock()
                .expect("no holder of this lock panics")
                .insert(position as u64, code);
        }
    }
}

/// A record on its way.
pub(super) struct Outgoing<'a> {
    pub topic: &'a str,
    pub recorded: &'a Recorded,
    /// Why only a stand-in is sent.
    pub omitted: Option<&'a str>,
}

pub(super) struct Publisher {
    producer: BaseProducer<Deliveries>,
    checkpoint_topic: String,
    /// One record per batch, to tell a record that is too large from a batch.
    singly: bool,
    scribe: Scribe,
    open: Option<Open>,
}

/// A transaction that takes records.
struct Open {
    began: Instant,
    last: Instant,
    count: u64,
    /// It holds a part of a backlog.
    backlog: bool,
}

impl Publisher {
    /// Fences the predecessor. Waits; call it where waiting is allowed.
    pub(super) fn start(
        settings: &KafkaSettings,
        relay: &str,
        singly: bool,
    ) -> Result<Self, PublishError> {
        let mut config = settings.client("relay");
        config
            .set("transactional.id", relay)
            .set("enable.idempotence", "true")
            .set("compression.type", "lz4")
            .set("partitioner", "murmur2_random")
            // Nothing to wait for: while one batch is on its way the next one gathers.
            .set("linger.ms", "0")
            .set("batch.size", "1000000")
            .set("batch.num.messages", if singly { "1" } else { "10000" })
            .set("message.max.bytes", settings.max_record_bytes.to_string())
            // Only what was refused is looked at.
            .set("delivery.report.only.error", "true")
            .set("queue.buffering.max.messages", "100000")
            .set("queue.buffering.max.kbytes", "65536")
            .set("message.timeout.ms", "30000")
            .set("transaction.timeout.ms", "60000");
        let context = Deliveries {
            refused: Mutex::default(),
        };
        let producer: BaseProducer<Deliveries> = config.create_with_context(context)?;
        producer
            .init_transactions(COMMIT_PATIENCE)
            .map_err(judged)?;
        Ok(Self {
            producer,
            checkpoint_topic: relay.to_owned(),
            singly,
            scribe: Scribe::default(),
            open: None,
        })
    }

    /// When what was sent is to be committed, with or without a backlog behind it; `None`: nothing was sent.
    pub(super) fn due(&self, backlog: bool) -> Option<Instant> {
        let open = self.open.as_ref()?;
        Some(if backlog {
            open.began + OPEN_IN_A_BACKLOG
        } else if open.backlog {
            // What is left of a backlog has waited long enough already.
            open.last
        } else {
            (open.last + IDLE).min(open.began + OPEN_AT_MOST)
        })
    }

    /// Hands `records` to Kafka, in a `backlog` if more is waiting behind them. Readers have them at once; they count as published
    /// once [`Self::commit`] was answered. After any error this publisher is of no more use.
    pub(super) fn send<'a>(
        &mut self,
        records: impl IntoIterator<Item = Outgoing<'a>>,
        backlog: bool,
        stop: &Shutdown,
    ) -> Result<(), PublishError> {
        let now = Instant::now();
        if self.open.is_none() {
            self.producer.begin_transaction().map_err(judged)?;
            self.open = Some(Open {
                began: now,
                last: now,
                count: 0,
                backlog,
            });
        }
        let sent = self
            .enqueue_all(records, stop)
            .and_then(|()| self.refusals());
        if let Some(open) = &mut self.open {
            open.last = Instant::now();
            open.backlog |= backlog;
        }
        self.or_abort(sent)
    }

    /// Ends the transaction with `checkpoint` in it, and says how many records it held. `None`: none was open.
    pub(super) fn commit(
        &mut self,
        checkpoint: &Checkpoint,
        stop: &Shutdown,
    ) -> Result<Option<u64>, PublishError> {
        let Some(count) = self.open.as_ref().map(|open| open.count) else {
            return Ok(None);
        };
        let sent = self
            .enqueue_checkpoint(checkpoint, stop)
            .and_then(|()| self.acknowledged(stop));
        self.or_abort(sent)?;
        self.open = None;
        let began = Instant::now();
        loop {
            match self.producer.commit_transaction(COMMIT_PATIENCE) {
                Ok(()) => return Ok(Some(count)),
                // Not for ever: a new publisher finds out what became of it when it fences this one.
                Err(KafkaError::Transaction(failure))
                    if failure.is_retriable()
                        && !stop.is_cancelled()
                        && began.elapsed() < COMMIT_PATIENCE => {}
                Err(failure) => return Err(judged(failure)),
            }
        }
    }

    fn or_abort(&mut self, sent: Result<(), PublishError>) -> Result<(), PublishError> {
        if sent.is_err() {
            self.open = None;
            // Best effort: the next publisher ends this transaction anyway when it starts.
            let _ = self.producer.abort_transaction(Duration::from_secs(5));
        }
        sent
    }

    fn enqueue_all<'a>(
        &mut self,
        records: impl IntoIterator<Item = Outgoing<'a>>,
        stop: &Shutdown,
    ) -> Result<(), PublishError> {
        let mut too_large = BTreeSet::new();
        for Outgoing {
            topic,
            recorded,
            omitted,
        } in records
        {
            let event = &recorded.event;
            let headers = record::headers(recorded, omitted, &mut self.scribe);
            let position = usize::try_from(recorded.at.number).unwrap_or(usize::MAX);
            let mut record: BaseRecord<'_, str, [u8], usize> =
                BaseRecord::with_opaque_to(topic, position)
                    .key(event.key.as_str())
                    .timestamp(recorded.recorded_at.as_millisecond())
                    .headers(headers);
            if omitted.is_some() {
                record = record.payload(&[]);
            } else if !event.deleted {
                record = record.payload(&event.payload);
            }
            if let Err(failure) = self.enqueue(record, stop) {
                match failure {
                    PublishError::Kafka(KafkaError::MessageProduction(
                        RDKafkaErrorCode::MessageSizeTooLarge,
                    )) => {
                        too_large.insert(recorded.at.number);
                    }
                    other => return Err(other),
                }
            }
            if let Some(open) = &mut self.open {
                open.count += 1;
            }
        }
        if too_large.is_empty() {
            return Ok(());
        }
        Err(PublishError::TooLarge {
            positions: too_large,
        })
    }

    fn enqueue_checkpoint(
        &self,
        checkpoint: &Checkpoint,
        stop: &Shutdown,
    ) -> Result<(), PublishError> {
        let body = serde_json::to_vec(checkpoint)
            .expect("a checkpoint has no floats, and the keys of its maps are texts");
        let own: BaseRecord<'_, str, [u8], usize> =
            BaseRecord::with_opaque_to(&self.checkpoint_topic, OWN);
        self.enqueue(own.key(checkpoint::KEY).payload(&body).partition(0), stop)
    }

    fn enqueue(
        &self,
        record: BaseRecord<'_, str, [u8], usize>,
        stop: &Shutdown,
    ) -> Result<(), PublishError> {
        let mut record = record;
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    if stop.is_cancelled() {
                        return Err(PublishError::Stopped);
                    }
                    self.rest(Duration::from_millis(1));
                    record = again;
                }
                Err((failure, _)) => return Err(judged(failure)),
            }
        }
    }

    /// Waits, then takes what Kafka has answered. Not by `poll` alone: it takes all of its time even when the answer comes early, and
    /// spins through the last millisecond of it.
    fn rest(&self, pause: Duration) {
        std::thread::sleep(pause);
        self.producer.poll(Duration::ZERO);
    }

    /// Waits until Kafka has answered for everything.
    fn acknowledged(&self, stop: &Shutdown) -> Result<(), PublishError> {
        let began = Instant::now();
        let mut stopping: Option<Instant> = None;
        while self.producer.in_flight_count() > 0 {
            self.rest(match began.elapsed() < ANSWERS_SOON {
                true => Duration::from_micros(100),
                false => Duration::from_millis(1),
            });
            if began.elapsed() > ANSWERS_AT_ALL {
                let code = RDKafkaErrorCode::MessageTimedOut;
                return Err(PublishError::Kafka(KafkaError::MessageProduction(code)));
            }
            if stop.is_cancelled()
                && stopping.get_or_insert_with(Instant::now).elapsed() > STOP_PATIENCE
            {
                return Err(PublishError::Stopped);
            }
        }
        self.refusals()
    }

    /// What Kafka has refused so far.
    fn refusals(&self) -> Result<(), PublishError> {
        self.producer.poll(Duration::ZERO);
        let refused = std::mem::take(
            &mut *self
                .producer
                .context()
                .refused
                .lock()
                .expect("no holder of this lock panics"),
        );
        let mut positions = BTreeSet::new();
        for (position, code) in refused {
            match code {
                RDKafkaErrorCode::MessageSizeTooLarge => {
                    positions.insert(position);
                }
                // Sent back because an earlier one failed.
                RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight => {}
                code => return Err(judged(KafkaError::MessageProduction(code))),
            }
        }
        let own = positions.remove(&(OWN as u64));
        match (positions.is_empty(), own || !self.singly) {
            (true, _) if own => {
                let code = RDKafkaErrorCode::MessageSizeTooLarge;
                Err(PublishError::Kafka(KafkaError::MessageProduction(code)))
            }
            (true, _) => Ok(()),
            (false, true) => Err(PublishError::BatchTooLarge),
            (false, false) => Err(PublishError::TooLarge { positions }),
        }
    }
}

fn judged(failure: KafkaError) -> PublishError {
    let code = match &failure {
        KafkaError::Transaction(transaction) => RDKafkaError::code(transaction),
        other => other.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail),
    };
    match code {
        RDKafkaErrorCode::Fenced
        | RDKafkaErrorCode::ProducerFenced
        | RDKafkaErrorCode::InvalidProducerEpoch => PublishError::Fenced,
        _ => PublishError::Kafka(failure),
    }
}
