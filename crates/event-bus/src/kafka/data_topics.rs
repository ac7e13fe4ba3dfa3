//! The topics that hold a log's events: made when the first event for them comes, and looked after since. Deleting one is an operator's
//! right, and whoever reads it next makes it anew; so what tells a deletion is where its partitions end.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millrace_event_store::Recorded;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::bus::{BusError, Routes};
use crate::kafka::client::Quiet;
use crate::kafka::settings::KafkaSettings;
use crate::kafka::{blocking, topic_admin};
use crate::topics::{self, TOPICS, Topic};

const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct DataTopics {
    settings: KafkaSettings,
    inquirer: Arc<BaseConsumer<Quiet>>,
    routes: Routes,
    /// Full topic names by short ones.
    names: HashMap<&'static str, String>,
    ensured: Mutex<HashSet<&'static str>>,
}

impl DataTopics {
    pub(super) fn new(
        settings: KafkaSettings,
        inquirer: Arc<BaseConsumer<Quiet>>,
        routes: Routes,
    ) -> Self {
        let names = TOPICS
            .iter()
            .map(|topic| (topic.name, settings.topic_name(&routes, topic)))
            .collect();
        Self {
            settings,
            inquirer,
            routes,
            names,
            ensured: Mutex::default(),
        }
    }

    /// Where an event goes; `None`: it is not published here.
    pub(super) fn of(&self, recorded: &Recorded) -> Option<&'static Topic> {
        let topic = topics::of_kind(&recorded.event.kind)?;
        match &self.routes {
            Routes::Internal => Some(topic),
            Routes::Channel(channel) => (topic.outward
                && recorded.event.channel.as_deref() == Some(channel))
            .then_some(topic),
        }
    }

    pub(super) fn full_name(&self, topic: &str) -> Option<&str> {
        self.names.get(topic).map(String::as_str)
    }

    /// What was there may be gone: each is looked for again.
    pub(super) fn forget(&self) {
        self.ensured
            .lock()
            .expect("no holder of this lock panics")
            .clear();
    }

    /// Topics are made when the first event for them comes: most are there since `millrace migrate`.
    pub(super) async fn ensure(&self, page: &[Recorded]) -> Result<(), BusError> {
        let mut missing: Vec<&'static Topic> = Vec::new();
        {
            let ensured = self.ensured.lock().expect("no holder of this lock panics");
            for topic in page.iter().filter_map(|recorded| self.of(recorded)) {
                if !ensured.contains(topic.name) && !missing.contains(&topic) {
                    missing.push(topic);
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let wishes = missing
            .iter()
            .map(|topic| topic_admin::wish(&self.settings, &self.routes, topic))
            .collect();
        topic_admin::create(&self.settings, self.inquirer.clone(), wishes).await?;
        self.ensured
            .lock()
            .expect("no holder of this lock panics")
            .extend(missing.iter().map(|topic| topic.name));
        Ok(())
    }

    /// Where the topics with these short names end, all partitions of each together; one that is not there ends at 0.
    pub(super) async fn ends(
        &self,
        topics: impl Iterator<Item = &String>,
    ) -> Result<BTreeMap<String, i64>, BusError> {
        let mut ends: BTreeMap<String, i64> = topics.map(|name| (name.clone(), 0)).collect();
        if ends.is_empty() {
            return Ok(ends);
        }
        let there = topic_admin::existing(self.inquirer.clone()).await?;
        let mut places = TopicPartitionList::new();
        for full in ends.keys().filter_map(|name| self.full_name(name)) {
            for number in 0..there.get(full).copied().unwrap_or_default() {
                places.add_partition_offset(full, number, Offset::End)?;
            }
        }
        if places.count() == 0 {
            return Ok(ends);
        }
        let inquirer = self.inquirer.clone();
        let found = blocking(move || inquirer.offsets_for_times(places, PATIENCE)).await?;
        for (name, end) in &mut ends {
            for place in found.elements_for_topic(self.full_name(name).unwrap_or_default()) {
                place.error()?;
                // Kafka answers nothing for a partition whose end it does not know now.
                let Offset::Offset(offset) = place.offset() else {
                    return Err(KafkaError::OffsetFetch(
                        rdkafka::types::RDKafkaErrorCode::OffsetNotAvailable,
                    )
                    .into());
                };
                *end += offset;
            }
        }
        Ok(ends)
    }
}
