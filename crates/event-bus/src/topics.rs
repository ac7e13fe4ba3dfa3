//! The one table of topics (DESIGN.md §4): names, kinds, partitions, retention, owners; and which topic an event goes to.
//!
//! An event's kind decides: the second segment of its package, with `-` for `_`. A package that is not in the table is
//! not published: a log may hold events that concern nobody else.

use std::time::Duration;

/// What a topic's records are, and so how long Kafka keeps them and what a parked one holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A record carries the whole state after the change: compacted, a newer record supersedes an older one.
    State,
    /// A record carries what happened: kept for a time, every record counts.
    Facts { retention: Duration },
}

/// One internal topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topic {
    /// Short name, without prefix: `webshop-orders`.
    pub name: &'static str,
    pub kind: Kind,
    /// Fixed for ever: a key must not move to another partition.
    pub partitions: i32,
    /// The log that writes it.
    pub owner: &'static str,
    /// A channel may have it as an outward topic, `shop.<channel>.<name>`.
    pub outward: bool,
}

const PARTITIONS: i32 = 12;
const FACTS: Kind = Kind::Facts {
    retention: Duration::from_secs(30 * 24 * 60 * 60),
};

const fn topic(name: &'static str, kind: Kind, owner: &'static str, outward: bool) -> Topic {
    Topic {
        name,
        kind,
        partitions: PARTITIONS,
        owner,
        outward,
    }
}

/// Every topic there is.
pub const TOPICS: [Topic; 15] = [
    topic("items", Kind::State, "catalog-sync", true),
    topic("prices", Kind::State, "catalog-sync", true),
    topic("webshop-categories", Kind::State, "catalog-sync", true),
    topic("dynamic-attributes", Kind::State, "catalog-sync", true),
    topic("free-text-attributes", Kind::State, "catalog-sync", true),
    topic("channels", Kind::State, "catalog-sync", false),
    topic("releases", Kind::State, "catalog-sync", true),
    topic("customers", Kind::State, "customer-sync", true),
    topic("contacts", Kind::State, "customer-sync", true),
    topic("sales-representatives", Kind::State, "customer-sync", true),
    topic("inventories", Kind::State, "stock-availability", true),
    topic("webshop-orders", FACTS, "order-intake", true),
    topic("reservations", FACTS, "reservation", true),
    topic("returns", FACTS, "returns", true),
    topic("doorbells", FACTS, FEEDS, true),
];

/// Owner of what is said in a channel's feed and nowhere else: there is no internal topic of it.
const FEEDS: &str = "feeds";

/// The topics that mirror services' logs.
pub fn internal() -> impl Iterator<Item = &'static Topic> {
    TOPICS.iter().filter(|topic| topic.owner != FEEDS)
}

/// The topic with this short name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.name == name)
}

/// Where an event of this kind (`millrace.webshop_orders.v1.OrderAccepted`) goes; `None`: it is not published.
#[must_use]
pub fn of_kind(kind: &str) -> Option<&'static Topic> {
    let package = kind.strip_prefix("millrace.")?.split('.').next()?;
    TOPICS
        .iter()
        .find(|topic| same_but_for_dashes(topic.name, package))
}

fn same_but_for_dashes(name: &str, package: &str) -> bool {
    name.len() == package.len()
        && name
            .bytes()
            .zip(package.bytes())
            .all(|(left, right)| left == right || (left == b'-' && right == b'_'))
}

/// The prefix of kinds that go to this topic: `millrace.webshop_orders.`.
#[must_use]
pub fn kind_prefix(topic: &Topic) -> String {
    format!("millrace.{}.", topic.name.replace('-', "_"))
}

/// May the log named `log` write this topic? A log that is no owner in the table (a test's) may write any.
#[must_use]
pub fn may_carry(log: &str, topic: &str) -> bool {
    match named(topic) {
        Some(topic) => topic.owner == log || TOPICS.iter().all(|other| other.owner != log),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_events_package_names_its_topic() {
        assert_eq!(
            of_kind("millrace.items.v1.ItemChanged").map(|topic| topic.name),
            Some("items")
        );
        assert_eq!(
            of_kind("millrace.webshop_orders.v1.OrderAccepted").map(|topic| topic.name),
            Some("webshop-orders")
        );
        assert_eq!(
            of_kind("millrace.free_text_attributes.v2.X").map(|topic| topic.name),
            Some("free-text-attributes")
        );
    }

    #[test]
    fn an_event_of_a_package_outside_the_table_is_not_published() {
        for kind in [
            "millrace.events.v1.LeaseTaken",
            "millrace.item.v1.ItemChanged",
            "acme.items.v1.X",
            "items",
            "",
        ] {
            assert_eq!(of_kind(kind), None, "{kind}");
        }
    }

    #[test]
    fn every_topic_is_found_by_its_own_name_and_kinds() {
        for topic in &TOPICS {
            assert_eq!(named(topic.name), Some(topic));
            assert_eq!(
                of_kind(&format!("{}v1.Happened", kind_prefix(topic))),
                Some(topic)
            );
        }
    }

    /// The chart makes the same topics as Strimzi's KafkaTopics.
    #[test]
    fn the_chart_knows_the_same_topics() {
        let lines = TOPICS.iter().map(|topic| {
            let kind = match topic.kind {
                Kind::State => r#""kind": "state""#.to_owned(),
                Kind::Facts { retention } => format!(
                    r#""kind": "facts", "retention_seconds": {}"#,
                    retention.as_secs()
                ),
            };
            format!(
                r#"  {{ "name": "{}", {kind}, "partitions": {}, "owner": "{}", "outward": {} }}"#,
                topic.name, topic.partitions, topic.owner, topic.outward
            )
        });
        let expected = format!("[\n{}\n]\n", lines.collect::<Vec<_>>().join(",\n"));
        assert_eq!(
            include_str!("../../../helm/millrace/files/topics.json"),
            expected
        );
    }

    #[test]
    fn a_log_carries_its_own_topics_and_an_unknown_log_any() {
        assert!(may_carry("catalog-sync", "items"));
        assert!(!may_carry("order-intake", "items"));
        assert!(may_carry("some-test", "items"));
        assert!(!may_carry("some-test", "no-topic"));
    }
}
