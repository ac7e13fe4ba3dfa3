//! Which events the contract defines, and whether each has its golden file.

use std::collections::BTreeSet;

use crate::Complaint;

/// Full names of the events in all of these proto files: the messages that no other message holds and no call takes or
/// answers. What is neither a part nor a question nor an answer is there to be stored, whatever package it stands in.
///
/// `crates/contract/tests/it/golden.rs` asks here too, so that there is one opinion of what an event is.
pub fn event_types<'a>(files: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let mut defined = BTreeSet::new();
    let mut used = BTreeSet::new();
    for file in files {
        let code = file
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default());
        let mut package = "";
        for line in code {
            if let Some(name) = line.strip_prefix("package ") {
                package = name.trim().trim_end_matches(';');
            // A message stands at the beginning of its line; one inside another is a part of that.
            } else if let Some(rest) = line.strip_prefix("message ") {
                defined.extend(words(rest).next().map(|name| format!("{package}.{name}")));
            } else {
                // A name with its package, or one of this package.
                used.extend(
                    words(line).flat_map(|word| [word.to_owned(), format!("{package}.{word}")]),
                );
            }
        }
    }
    defined.difference(&used).cloned().collect()
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == '.'))
        .filter(|word| !word.is_empty())
}

/// Events without a golden file, and golden files of what is no event; `golden` are the names of the files there are,
/// `<full name>.<number>.json`.
pub fn golden_faults(events: &BTreeSet<String>, golden: &[String]) -> Vec<Complaint> {
    const FOLDER: &str = "crates/contract/tests/golden";
    let of_file = |file: &String| {
        let (event, number) = file.strip_suffix(".json")?.rsplit_once('.')?;
        let is_counted = number.parse::<u32>().is_ok_and(|number| number > 0);
        is_counted.then(|| event.to_owned())
    };
    let shown: BTreeSet<String> = golden.iter().filter_map(of_file).collect();
    let without = events
        .difference(&shown)
        .map(|event| Complaint::new(FOLDER, format!("{event} has no golden file")));
    let strangers = golden
        .iter()
        .filter(|file| !of_file(file).is_some_and(|event| events.contains(&event)))
        .map(|file| {
            Complaint::new(
                format!("{FOLDER}/{file}"),
                "is not called <event>.<number>.json after an event of the contract",
            )
        });
    without.chain(strangers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEMS: &str = "package millrace.items.v1;\n// An ItemChanged.\nmessage ItemChanged {\n  Item item = 1;\n}\nmessage Item {\n  string number = 1; // of an ItemGone\n}\nmessage ItemGone {\n}\n";
    const CALLS: &str = "package millrace.catalog.v1;\nservice Catalog {\n  rpc Get(GetRequest) returns (stream GetResponse);\n}\nmessage GetRequest {\n}\nmessage GetResponse {\n  repeated millrace.items.v1.Item items = 1;\n}\nmessage Noted {\n}\n";

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn events() -> BTreeSet<String> {
        event_types([ITEMS, CALLS])
    }

    #[test]
    fn an_event_is_what_no_other_message_holds_and_no_call_carries() {
        let expected = names(&[
            "millrace.catalog.v1.Noted",
            "millrace.items.v1.ItemChanged",
            "millrace.items.v1.ItemGone",
        ]);
        assert_eq!(events().into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_part_of_another_package_is_a_part() {
        let part = "package millrace.values.v1;\nmessage Money {\n}\n";
        let whole = "package millrace.prices.v1;\nmessage Priced {\n  millrace.values.v1.Money price = 1;\n}\n";
        let events = event_types([part, whole]);
        assert_eq!(
            events.into_iter().collect::<Vec<_>>(),
            names(&["millrace.prices.v1.Priced"])
        );
    }

    #[test]
    fn an_event_without_a_golden_file_is_found() {
        let there = names(&[
            "millrace.catalog.v1.Noted.1.json",
            "millrace.items.v1.ItemChanged.1.json",
            "millrace.items.v1.ItemChanged.2.json",
            "millrace.items.v1.ItemGone.1.json",
        ]);
        assert_eq!(golden_faults(&events(), &there), []);
        assert_eq!(golden_faults(&events(), &there[1..]).len(), 1);
    }

    #[test]
    fn a_golden_file_of_no_event_is_found() {
        let there = names(&[
            "millrace.catalog.v1.Noted.1.json",
            "millrace.items.v1.ItemChanged.1.json",
            "millrace.items.v1.ItemGone.1.json",
            "millrace.items.v1.Item.1.json",
            "millrace.items.v1.ItemGone.json",
        ]);
        assert_eq!(golden_faults(&events(), &there).len(), 2);
    }
}
