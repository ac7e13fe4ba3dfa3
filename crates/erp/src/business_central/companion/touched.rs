//! What the change queue says happened to the records of a flow.

use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;
use uuid::Uuid;

use super::rows::ChangeEntry;
use crate::Flow;
use crate::business_central::collection::id_of;

/// Records to read again, each once, in the order of their last change.
#[derive(Default)]
pub(crate) struct Touched {
    pub ids: Vec<Uuid>,
    pub by: HashMap<Uuid, String>,
    pub number: HashMap<Uuid, String>,
    /// Everything below it was committed before the records were read again.
    pub boundary: Option<i64>,
    /// A location was renamed or deleted: every figure may have changed.
    pub everything: bool,
}

impl Touched {
    pub fn missing_from(&self, rows: &[Box<RawValue>]) -> impl Iterator<Item = Uuid> {
        let found: HashSet<Uuid> = rows
            .iter()
            .filter_map(|raw| id_of("systemId", raw))
            .collect();
        self.ids
            .iter()
            .copied()
            .filter(move |id| !found.contains(id))
    }
}

pub(crate) fn touched(flow: Flow, entries: &[ChangeEntry]) -> Touched {
    let mut touched = Touched::default();
    let mut last: HashMap<Uuid, usize> = HashMap::new();
    for (place, entry) in entries.iter().enumerate() {
        let id = match (flow, entry.entity.as_str()) {
            (Flow::Items | Flow::Prices | Flow::Stock, "item") | (Flow::Customers, "customer") => {
                entry.system_id
            }
            (Flow::Items, "itemVariant")
            | (Flow::Prices, "priceLine" | "itemVariant")
            | (Flow::Stock, "stock" | "itemVariant") => entry.parent_system_id,
            (Flow::Stock, "location") => {
                touched.everything |=
                    entry.change_type != "created" && entry.change_type != "modified";
                continue;
            }
            _ => continue,
        };
        if id.is_nil() {
            continue;
        }
        last.insert(id, place);
        touched.by.insert(id, entry.changed_by.clone());
        touched.number.insert(id, first_part(&entry.primary_key));
    }
    touched.ids = last.keys().copied().collect();
    touched.ids.sort_by_key(|id| last[id]);
    touched
}

/// The first part of a primary key; a part with a comma or quote stands in double quotes.
fn first_part(key: &str) -> String {
    let Some(quoted) = key.strip_prefix('"') else {
        return key.split(',').next().unwrap_or_default().to_owned();
    };
    let mut part = String::new();
    let mut characters = quoted.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if characters.peek() == Some(&'"') => {
                characters.next();
                part.push('"');
            }
            '"' => break,
            other => part.push(other),
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(entity: &str, change: &str, id: u128, parent: u128, key: &str) -> ChangeEntry {
        ChangeEntry {
            entity: entity.into(),
            change_type: change.into(),
            system_id: Uuid::from_u128(id),
            parent_system_id: Uuid::from_u128(parent),
            primary_key: key.into(),
            changed_by: "ANNA".into(),
        }
    }

    #[test]
    fn an_item_changed_often_is_read_once_at_its_last_place() {
        let entries = [
            entry("item", "modified", 1, 0, "A"),
            entry("item", "modified", 2, 0, "B"),
            entry("itemVariant", "created", 9, 1, "A,OAK"),
        ];
        assert_eq!(
            touched(Flow::Items, &entries).ids,
            [Uuid::from_u128(2), Uuid::from_u128(1)]
        );
    }

    #[test]
    fn a_price_line_does_not_touch_the_item_flow() {
        let entries = [
            entry("priceLine", "modified", 7, 1, "RETAIL,10000"),
            entry("stock", "modified", 1, 1, "A,,MAIN"),
        ];
        assert!(touched(Flow::Items, &entries).ids.is_empty());
        assert_eq!(touched(Flow::Prices, &entries).ids, [Uuid::from_u128(1)]);
        assert_eq!(touched(Flow::Stock, &entries).ids, [Uuid::from_u128(1)]);
    }

    #[test]
    fn a_renamed_location_makes_all_figures_be_read_again() {
        assert!(touched(Flow::Stock, &[entry("location", "renamed", 3, 0, "EAST")]).everything);
        assert!(!touched(Flow::Stock, &[entry("location", "modified", 3, 0, "EAST")]).everything);
    }

    #[test]
    fn a_number_with_a_comma_stands_in_quotes() {
        assert_eq!(first_part("\"A,\"\"1\"\"\",OAK"), "A,\"1\"");
        assert_eq!(first_part("1896-S,,MAIN"), "1896-S");
    }
}
