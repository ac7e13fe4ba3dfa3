//! Whether Kafka answers, and whether every topic of the chosen services is there as it has to be. A user with few rights sees no
//! others.

use millrace_event_bus::topics::{self, Topic};
use millrace_event_bus::{Bus, BusError, KafkaBus, Routes, TopicTrouble, Trouble};
use millrace_service_kit::checkup::Finding;

use super::Patient;
use crate::exit;
use crate::settings::Settings;
use crate::system::ServiceName;

pub(super) async fn examine(patient: &Patient, findings: &mut Vec<Finding>) {
    if let Err(error) = look(patient, findings).await {
        let mend = "bus.kafka.bootstrap, and what the brokers ask for (bus.kafka.librdkafka); let this host through to them";
        findings.push(Finding::wrong("kafka", exit::line(&error.into()), mend));
    }
}

async fn look(patient: &Patient, findings: &mut Vec<Finding>) -> Result<(), BusError> {
    let settings = &patient.settings;
    let bus = KafkaBus::new(settings.bus.kafka.clone(), "doctor")?;
    bus.check().await?;
    findings.push(Finding::right("kafka", "answers"));
    let troubles = bus.examine_topics(&used(patient)).await?;
    if troubles.is_empty() {
        findings.push(Finding::right(
            "kafka.topics",
            "all are there, with their settings",
        ));
    }
    findings.extend(troubles.iter().map(|trouble| told(settings, trouble)));
    Ok(())
}

/// The topics that the chosen services write or read.
fn used(patient: &Patient) -> Vec<(Routes, &'static Topic)> {
    let services: Vec<ServiceName> = patient.selection.iter().collect();
    let uses = |topic: &Topic| {
        let mut services = services.iter();
        services
            .any(|service| topic.owner == service.as_str() || reads(*service).contains(&topic.name))
    };
    let internal = topics::internal().filter(|topic| uses(topic));
    let mut used: Vec<_> = internal.map(|topic| (Routes::Internal, topic)).collect();
    if patient.selection.has(ServiceName::ShopDelivery) {
        // Wrong channels are the settings' own trouble.
        for channel in patient.settings.channels().unwrap_or_default().iter() {
            let outward = topics::TOPICS.iter().filter(|topic| topic.outward);
            used.extend(outward.map(|topic| (Routes::Channel(channel.code.to_string()), topic)));
        }
    }
    used
}

fn reads(service: ServiceName) -> Vec<&'static str> {
    match service {
        ServiceName::CatalogSync | ServiceName::CustomerSync => vec![],
        ServiceName::OrderIntake => millrace_order_intake::reads(),
        ServiceName::StockAvailability => millrace_stock_availability::reads(),
        ServiceName::Reservation => millrace_reservation::reads(),
        ServiceName::Returns => millrace_returns::reads(),
        ServiceName::ShopDelivery => millrace_shop_delivery::reads(),
    }
}

fn told(settings: &Settings, trouble: &TopicTrouble) -> Finding {
    let TopicTrouble { topic, trouble } = trouble;
    let brokers = &settings.bus.kafka.bootstrap;
    let check = format!("kafka.topic.{topic}");
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
        Trouble::Hidden => return Finding::skipped(check, trouble.to_string()),
    };
    Finding::wrong(check, trouble.to_string(), mend)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use clap::ValueEnum;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Consumer {
        topics: Vec<String>,
    }

    #[test]
    fn every_service_is_said_to_read_what_the_chart_lets_it_read() {
        let chart = include_str!("../../../../helm/millrace/files/consumers.json");
        let chart: BTreeMap<String, Vec<Consumer>> = serde_json::from_str(chart).unwrap();
        for service in ServiceName::value_variants() {
            let consumers = chart.get(service.as_str()).into_iter().flatten();
            let read: BTreeSet<&str> = consumers
                .flat_map(|consumer| consumer.topics.iter().map(String::as_str))
                .collect();
            assert_eq!(
                reads(*service).iter().copied().collect::<BTreeSet<_>>(),
                read
            );
        }
    }
}
