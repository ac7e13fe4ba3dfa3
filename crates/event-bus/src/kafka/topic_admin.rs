//! Topics come from the table in the code, and only what is missing is made.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use tracing::info;

use crate::bus::{BusError, Routes};
use crate::kafka::blocking;
use crate::kafka::client::Quiet;
use crate::kafka::settings::KafkaSettings;
use crate::topics::{TOPICS, Topic};

const PATIENCE: Duration = Duration::from_secs(20);
/// How long a deletion is told on a compacted topic.
const TOMBSTONES: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A topic to be there.
pub(super) struct Wish {
    pub name: String,
    pub partitions: i32,
    pub replication: i32,
    pub config: Vec<(&'static str, String)>,
}

/// The internal topics among `topics`.
pub(super) async fn create_internal(
    settings: &KafkaSettings,
    inquirer: Arc<BaseConsumer<Quiet>>,
    topics: &[&Topic],
) -> Result<Vec<String>, BusError> {
    create(
        settings,
        inquirer,
        topics
            .iter()
            .map(|topic| wish(settings, &Routes::Internal, topic))
            .collect(),
    )
    .await
}

/// Everything a channel may read.
pub(super) async fn create_outward(
    settings: &KafkaSettings,
    inquirer: Arc<BaseConsumer<Quiet>>,
    channel: &str,
) -> Result<Vec<String>, BusError> {
    let routes = Routes::Channel(channel.to_owned());
    let wishes = TOPICS
        .iter()
        .filter(|topic| topic.outward)
        .map(|topic| wish(settings, &routes, topic));
    create(settings, inquirer, wishes.collect()).await
}

pub(super) fn wish(settings: &KafkaSettings, routes: &Routes, topic: &Topic) -> Wish {
    let mut config = vec![(
        "max.message.bytes",
        (u64::from(settings.max_record_bytes) + 65_536).to_string(),
    )];
    match settings.retention(topic) {
        None => {
            config.push(("cleanup.policy", "compact".to_owned()));
            // A reader that was away for as long as facts are kept still learns what was deleted.
            config.push(("delete.retention.ms", TOMBSTONES.as_millis().to_string()));
        }
        Some(retention) => {
            config.push(("cleanup.policy", "delete".to_owned()));
            config.push(("retention.ms", retention.as_millis().to_string()));
        }
    }
    Wish {
        name: settings.topic_name(routes, topic),
        partitions: topic.partitions,
        replication: settings.replication(topic),
        config,
    }
}

/// Makes what is missing and waits until it can be used. Several processes may do so at once.
pub(super) async fn create(
    settings: &KafkaSettings,
    inquirer: Arc<BaseConsumer<Quiet>>,
    wishes: Vec<Wish>,
) -> Result<Vec<String>, BusError> {
    let known = existing(inquirer.clone()).await?;
    let missing: Vec<&Wish> = wishes
        .iter()
        .filter(|wish| !known.contains_key(&wish.name))
        .collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let admin: AdminClient<DefaultClientContext> = settings.client("admin").create()?;
    let new: Vec<NewTopic<'_>> = missing
        .iter()
        .map(|wish| {
            let new = NewTopic::new(
                &wish.name,
                wish.partitions,
                TopicReplication::Fixed(wish.replication),
            );
            wish.config
                .iter()
                .fold(new, |new, (key, value)| new.set(key, value))
        })
        .collect();
    let options = AdminOptions::new()
        .request_timeout(Some(PATIENCE))
        .operation_timeout(Some(PATIENCE));
    let mut created = Vec::new();
    for result in admin.create_topics(&new, &options).await? {
        match result {
            Ok(name) => {
                info!(topic = name, "topic {name} created");
                created.push(name);
            }
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(KafkaError::AdminOp(code).into()),
        }
    }
    blocking(move || drop(admin)).await;
    Ok(created)
}

/// How many partitions each topic of the cluster has.
pub(super) async fn existing(
    inquirer: Arc<BaseConsumer<Quiet>>,
) -> Result<HashMap<String, i32>, BusError> {
    let partitions = blocking(move || {
        let metadata = inquirer.fetch_metadata(None, PATIENCE)?;
        Ok::<_, KafkaError>(
            metadata
                .topics()
                .iter()
                .map(|topic| {
                    let count = i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
                    (topic.name().to_owned(), count)
                })
                .collect(),
        )
    });
    Ok(partitions.await?)
}
