//! Whether Kafka answers, and whether every topic is there as it has to be.

use millrace_event_bus::{Bus, BusError, KafkaBus, TopicTrouble, Trouble};
use millrace_service_kit::checkup::Finding;

use crate::exit;
use crate::settings::Settings;

pub(super) async fn examine(settings: &Settings) -> Vec<Finding> {
    match look(settings).await {
        Ok(findings) => findings,
        Err(error) => {
            let mend = "bus.kafka.bootstrap, and what the brokers ask for (bus.kafka.librdkafka); let this host through to them";
            vec![Finding::wrong("kafka", exit::line(&error.into()), mend)]
        }
    }
}

async fn look(settings: &Settings) -> Result<Vec<Finding>, BusError> {
    let bus = KafkaBus::new(settings.bus.kafka.clone(), "doctor")?;
    bus.check().await?;
    let mut findings = vec![Finding::right("kafka", "answers")];
    // Wrong channels are the settings' own trouble.
    let channels = settings.channels().unwrap_or_default();
    let codes: Vec<&str> = channels
        .iter()
        .map(|channel| channel.code.as_str())
        .collect();
    let troubles = bus.examine_topics(&codes).await?;
    if troubles.is_empty() {
        findings.push(Finding::right(
            "kafka.topics",
            "all are there, with their settings",
        ));
    }
    findings.extend(troubles.iter().map(|trouble| told(settings, trouble)));
    Ok(findings)
}

fn told(settings: &Settings, trouble: &TopicTrouble) -> Finding {
    let TopicTrouble { topic, trouble } = trouble;
    let brokers = &settings.bus.kafka.bootstrap;
    let mend = match trouble {
        Trouble::Missing => "millrace migrate; with Strimzi, its KafkaTopic".to_owned(),
        Trouble::Partitions { .. } => {
            format!(
                "stop all services, delete topic {topic}, then millrace migrate: its relay fills it again. Partitions never change: a \
                     key must not move"
            )
        }
        Trouble::Replication { wanted, .. } => {
            format!(
                "kafka-reassign-partitions.sh --bootstrap-server {brokers} for {topic}, to {wanted} replicas"
            )
        }
        Trouble::Setting { key, wanted, .. } => format!(
            "kafka-configs.sh --bootstrap-server {brokers} --entity-type topics --entity-name {topic} --alter --add-config {key}={wanted}"
        ),
    };
    Finding::wrong(format!("kafka.topic.{topic}"), trouble.to_string(), mend)
}
