//! Which events a reader asked for, by topic.

use std::collections::BTreeMap;

use millrace_contract::DESCRIPTORS;
use millrace_event_bus::topics::{self, TOPICS};
use prost::Message;
use prost_types::FileDescriptorSet;
use thiserror::Error;

use crate::doorbells;
use crate::inbound::deliver;

#[derive(Debug, PartialEq, Eq, Error)]
#[error("{0} is no kind of change; there are {1}")]
pub(crate) struct UnknownKind(String, String);

/// Full names of all messages of the packages of each topic that a feed carries: every event there is, and more.
#[derive(Debug)]
pub(crate) struct Catalogue(BTreeMap<&'static str, Vec<String>>);

/// A reader's choice.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    topics: Vec<&'static str>,
    kinds: Vec<String>,
}

impl Catalogue {
    pub(crate) fn of_the_contract() -> Self {
        let files =
            FileDescriptorSet::decode(DESCRIPTORS).expect("the build made these descriptors");
        let mut kinds: BTreeMap<&'static str, Vec<String>> = TOPICS
            .iter()
            .filter(|topic| topic.outward)
            .filter(|topic| {
                topic.name == doorbells::TOLD_AS || deliver::TOPICS.contains(&topic.name)
            })
            .map(|topic| (topic.name, vec![]))
            .collect();
        for file in files.file {
            for message in file.message_type {
                let kind = format!(
                    "{}.{}",
                    file.package.as_deref().unwrap_or_default(),
                    message.name()
                );
                let topic = topics::of_kind(&kind).and_then(|topic| kinds.get_mut(topic.name));
                if let Some(of_topic) = topic {
                    of_topic.push(kind);
                }
            }
        }
        kinds.retain(|_, kinds| !kinds.is_empty());
        Self(kinds)
    }

    /// `names` are topics, e.g. `items`; none: all.
    pub(crate) fn choose(&self, names: &[String]) -> Result<Chosen, UnknownKind> {
        self.choose_but(names, None)
    }

    /// The same for a doorbell, which does not ring for what becomes of doorbells.
    pub(crate) fn choose_for_bells(&self, names: &[String]) -> Result<Chosen, UnknownKind> {
        self.choose_but(names, Some(doorbells::TOLD_AS))
    }

    fn choose_but(&self, names: &[String], but: Option<&str>) -> Result<Chosen, UnknownKind> {
        let mut chosen = Chosen {
            topics: vec![],
            kinds: vec![],
        };
        let there = || self.0.iter().filter(|(topic, _)| Some(**topic) != but);
        for name in names {
            if there().all(|(topic, _)| topic != name) {
                let known: Vec<&str> = there().map(|(topic, _)| *topic).collect();
                return Err(UnknownKind(name.clone(), known.join(", ")));
            }
        }
        for (topic, kinds) in there() {
            if names.is_empty() || names.iter().any(|name| name == topic) {
                chosen.topics.push(topic);
                chosen.kinds.extend(kinds.iter().cloned());
            }
        }
        Ok(chosen)
    }
}

impl Chosen {
    pub(crate) fn has(&self, kind: &str) -> bool {
        topics::of_kind(kind).is_some_and(|topic| self.topics.contains(&topic.name))
    }

    pub(crate) fn topics(&self) -> &[&'static str] {
        &self.topics
    }

    pub(crate) fn kinds(&self) -> Vec<&str> {
        self.kinds.iter().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_changes_are_chosen_unless_some_are_named() {
        let catalogue = Catalogue::of_the_contract();
        let all = catalogue.choose(&[]).unwrap();
        assert!(
            all.has("millrace.items.v1.ItemChanged")
                && all.has("millrace.webshop_orders.v1.OrderShipped")
        );
        let items = catalogue.choose(&["items".to_owned()]).unwrap();
        assert!(
            items.has("millrace.items.v1.ItemChanged")
                && !items.has("millrace.prices.v1.PriceChanged")
        );
        assert!(items.kinds().contains(&"millrace.items.v1.ItemDeleted"));
    }

    #[test]
    fn a_topic_that_no_feed_carries_is_no_choice_to_wait_for() {
        let refused = Catalogue::of_the_contract()
            .choose(&["customers".to_owned()])
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "customers is no kind of change; there are doorbells, inventories, items, prices, reservations, returns, webshop-orders"
        );
    }

    #[test]
    fn what_a_log_keeps_to_itself_is_no_change() {
        let all = Catalogue::of_the_contract().choose(&[]).unwrap();
        assert!(!all.has(millrace_event_store::LEASE_TAKEN));
        assert!(!all.has("millrace.price_keys.v1.PriceKeysChanged"));
    }

    #[test]
    fn an_unknown_kind_is_named_with_those_there_are() {
        let error = Catalogue::of_the_contract()
            .choose(&["item".to_owned()])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("item is no kind of change; there are")
                && error.contains("inventories"),
            "{error}"
        );
    }
}
