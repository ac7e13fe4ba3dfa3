//! What can be set about Kafka.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};
use std::time::Duration;

use rdkafka::ClientConfig;
use serde::Deserialize;

use crate::bus::Routes;
use crate::topics::{Kind, Topic};

/// Where Kafka is and how it is used.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaSettings {
    /// `host:port,host:port`.
    pub bootstrap: String,
    /// Before every topic, group and transactional id.
    pub prefix: String,
    /// Copies of each record; the cluster's own default when absent.
    pub replication: Option<i32>,
    /// The largest record, headers included.
    pub max_record_bytes: u32,
    /// By short topic name, where a topic differs from the table in the code.
    pub topics: BTreeMap<String, TopicSettings>,
    /// Anything else librdkafka understands, e.g. `security.protocol`; `_` stands for `.`, which no variable's name may contain.
    pub librdkafka: BTreeMap<String, String>,
}

/// Where one topic differs from the table in the code. Partitions are fixed there: a key must not move.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopicSettings {
    pub replication: Option<i32>,
    /// Facts only; seconds.
    pub retention_seconds: Option<u64>,
}

impl Debug for KafkaSettings {
    /// Without the values of `librdkafka`: a password may be among them.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSettings")
            .field("bootstrap", &self.bootstrap)
            .field("prefix", &self.prefix)
            .field("replication", &self.replication)
            .field("max_record_bytes", &self.max_record_bytes)
            .field("topics", &self.topics)
            .field("librdkafka", &self.librdkafka.keys())
            .finish()
    }
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            bootstrap: "127.0.0.1:9092".to_owned(),
            prefix: "millrace.".to_owned(),
            replication: None,
            max_record_bytes: 1_000_000,
            topics: BTreeMap::new(),
            librdkafka: BTreeMap::new(),
        }
    }
}

impl KafkaSettings {
    #[must_use]
    pub fn new(bootstrap: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self {
            bootstrap: bootstrap.into(),
            prefix: prefix.into(),
            ..Self::default()
        }
    }

    /// Full name of a topic: `millrace.items`, or `millrace.shop.<channel>.items`.
    #[must_use]
    pub fn topic_name(&self, routes: &Routes, topic: &Topic) -> String {
        match routes {
            Routes::Internal => format!("{}{}", self.prefix, topic.name),
            Routes::Channel(channel) => format!("{}shop.{channel}.{}", self.prefix, topic.name),
        }
    }

    /// librdkafka itself speaks in the clear, or to anybody, and says nothing about what it then has no use for.
    ///
    /// # Errors
    /// A setting for TLS or a password that `security.protocol` makes no use of, in one line.
    pub fn says_what_it_does(&self) -> Result<(), String> {
        let said = |(key, value): (&String, &String)| (key.replace('_', "."), value.clone());
        let settings: BTreeMap<String, String> = self.librdkafka.iter().map(said).collect();
        let protocol = settings.get("security.protocol");
        let protocol = protocol.map_or_else(|| "plaintext".into(), |said| said.to_lowercase());
        for key in settings.keys() {
            let unused = match key.split_once('.') {
                Some(("ssl", _)) => !protocol.ends_with("ssl"),
                Some(("sasl", _)) => !protocol.starts_with("sasl"),
                _ => false,
            };
            if unused {
                return Err(format!(
                    "{key} is of no use with security.protocol {protocol}"
                ));
            }
        }
        Ok(())
    }

    pub(super) fn client(&self, purpose: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", format!("{}{purpose}", self.prefix))
            .set("allow.auto.create.topics", "false")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            // A topic that is created later is found soon.
            .set("topic.metadata.refresh.interval.ms", "30000")
            .set("topic.metadata.propagation.max.ms", "1000");
        for (key, value) in &self.librdkafka {
            config.set(key.replace('_', "."), value);
        }
        config
    }

    pub(super) fn reader(&self, purpose: &str) -> ClientConfig {
        let mut config = self.client(purpose);
        config
            // What a relay sends is in its log already, so it is true whether or not its transaction ends well; and what a
            // relay sends again is recognised by its position.
            .set("isolation.level", "read_uncommitted")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("queued.max.messages.kbytes", "16384")
            .set("fetch.error.backoff.ms", "100")
            .set("check.crcs", "true");
        config
    }

    pub(super) fn replication(&self, topic: &Topic) -> i32 {
        self.topics
            .get(topic.name)
            .and_then(|topic| topic.replication)
            .or(self.replication)
            .unwrap_or(-1)
    }

    pub(super) fn retention(&self, topic: &Topic) -> Option<Duration> {
        let Kind::Facts { retention } = topic.kind else {
            return None;
        };
        let set = self
            .topics
            .get(topic.name)
            .and_then(|topic| topic.retention_seconds)
            .map(Duration::from_secs);
        Some(set.unwrap_or(retention))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_librdkafka_understands_may_be_written_as_variables_can_be() {
        let mut settings = KafkaSettings::new("kafka:9092", "millrace.");
        for (key, value) in [
            ("security.protocol", "sasl_plaintext"),
            ("sasl_password", "a_b"),
        ] {
            settings.librdkafka.insert(key.to_owned(), value.to_owned());
        }
        let config = settings.client("test");
        assert_eq!(config.get("security.protocol"), Some("sasl_plaintext"));
        assert_eq!(config.get("sasl.password"), Some("a_b"));
    }
    #[test]
    fn what_would_be_spoken_in_the_clear_unasked_is_refused() {
        let said = |settings: &[(&str, &str)]| {
            let mut kafka = KafkaSettings::new("kafka:9092", "millrace.");
            let settings = settings
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            kafka.librdkafka.extend(settings);
            kafka.says_what_it_does()
        };
        let (ca, user) = (("ssl_ca_location", "/ca"), ("sasl.username", "shop"));
        for unused in [
            &[ca] as &[_],
            &[user],
            &[ca, ("security.protocol", "sasl_plaintext")],
            &[user, ("security.protocol", "ssl")],
        ] {
            let refused = said(unused).unwrap_err();
            assert!(refused.contains("is of no use"), "{refused}");
        }
        assert_eq!(said(&[]), Ok(()));
        assert_eq!(said(&[ca, ("security.protocol", "ssl")]), Ok(()));
        assert_eq!(said(&[ca, user, ("security_protocol", "SASL_SSL")]), Ok(()));
    }
}
