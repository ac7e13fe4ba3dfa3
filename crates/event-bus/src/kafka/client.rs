//! What every librdkafka client here does with its own words.

use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use tracing::debug;

const ENDS_PATIENCE: Duration = Duration::from_secs(5);
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// Says little: what matters comes back as an error to who asked, and is logged there once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        said(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!(%error, reason, "librdkafka");
    }
}

impl ConsumerContext for Quiet {}

pub(super) fn said(level: RDKafkaLogLevel, facility: &str, message: &str) {
    debug!(?level, facility, message, "librdkafka");
}

/// Where a partition begins and ends. One made a moment ago has no leader yet: it is asked for again for a while.
pub(super) fn ends<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    number: i32,
) -> Result<(i64, i64), KafkaError> {
    let deadline = Instant::now() + ENDS_PATIENCE;
    loop {
        match consumer.fetch_watermarks(topic, number, ENDS_PATIENCE) {
            Err(failure) if Instant::now() < deadline => {
                debug!(%failure, topic, "asking again where the partition begins and ends");
                std::thread::sleep(ASK_AGAIN);
            }
            asked => return asked,
        }
    }
}
