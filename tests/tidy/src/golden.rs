//! Which events the contract defines, and whether each has its golden file.

use std::collections::BTreeSet;

use crate::Complaint;

/// Topics of the change queue, as the packages of `proto/millrace/<topic>/v1` are called (ARCHITECTURE.md names their owners).
const TOPICS: [&str; 13] = [
    "items",
    "prices",
    "webshop_categories",
    "dynamic_attributes",
    "free_text_attributes",
    "channels",
    "releases",
    "customers",
    "contacts",
    "sales_representatives",
    "inventories",
    "webshop_orders",
    "reservations",
];

/// Full names of the events in one proto file: in a topic's package, every message that no other message there holds.
pub fn event_types(text: &str) -> BTreeSet<String> {
    let code: Vec<&str> = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default().trim())
        .collect();
    let package = code
        .iter()
        .find_map(|line| line.strip_prefix("package "))
        .unwrap_or_default()
        .trim_end_matches(';');
    let topic = package
        .strip_prefix("millrace.")
        .and_then(|rest| rest.split('.').next());
    if !topic.is_some_and(|topic| TOPICS.contains(&topic) || topic == "returns") {
        return BTreeSet::new();
    }
    // Messages of a topic are not nested, so a definition stands at the beginning of its line.
    let defined = text
        .lines()
        .filter_map(|line| line.strip_prefix("message ")?.split([' ', '{']).next());
    let held: BTreeSet<&str> = code
        .iter()
        .filter(|line| !line.starts_with("message "))
        .flat_map(|line| line.split([' ', '<', '>', ',']))
        .collect();
    defined
        .filter(|name| !held.contains(name))
        .map(|name| format!("{package}.{name}"))
        .collect()
}

/// Events without a golden file; `golden` are the names of the files there are.
pub fn without_golden_file(events: &BTreeSet<String>, golden: &[String]) -> Vec<Complaint> {
    let has_file = |event: &str| {
        golden
            .iter()
            .filter_map(|path| path.rsplit('/').next())
            .any(|file| {
                file.strip_prefix(event)
                    .is_some_and(|rest| rest.starts_with('.'))
            })
    };
    events
        .iter()
        .filter(|event| !has_file(event))
        .map(|event| {
            Complaint::new(
                "crates/contract/tests/golden",
                format!("{event} has no golden file"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTO: &str = "package millrace.items.v1;\n// An ItemChanged.\nmessage ItemChanged {\n  Item item = 1;\n}\nmessage Item {\n  string number = 1;\n}\n";

    #[test]
    fn an_event_is_what_no_other_message_holds() {
        assert_eq!(
            event_types(PROTO),
            BTreeSet::from(["millrace.items.v1.ItemChanged".to_owned()])
        );
        assert_eq!(
            event_types("package millrace.order.v1;\nmessage GetOrderRequest {\n}\n"),
            BTreeSet::new()
        );
    }

    #[test]
    fn an_event_without_a_golden_file_is_found() {
        let events = event_types(PROTO);
        assert_eq!(
            without_golden_file(
                &events,
                &["golden/millrace.items.v1.ItemChanged.binpb".to_owned()]
            ),
            []
        );
        assert_eq!(
            without_golden_file(
                &events,
                &["golden/millrace.items.v1.ItemChangedTwice.binpb".to_owned()]
            )
            .len(),
            1
        );
    }
}
