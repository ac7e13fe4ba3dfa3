//! What the change queue says happened to the records of a flow.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::rows::{ChangeEntry, CustomerRow, ItemRow, Window};
use crate::Flow;
use crate::business_central::collection::Unreadable;

/// Records to read again, each once, in the order of their last change.
#[derive(Default)]
pub(crate) struct Touched<'a> {
    pub ids: Vec<Uuid>,
    last: HashMap<Uuid, &'a ChangeEntry>,
    /// Everything below it was committed before the records were read again.
    pub boundary: Option<i64>,
    /// A location was renamed or deleted: every figure may have changed.
    pub everything: bool,
}

/// A record of its own, not one that belongs to another.
pub(crate) trait Record {
    fn system_id(&self) -> Uuid;
}

impl Record for ItemRow {
    fn system_id(&self) -> Uuid {
        self.system_id
    }
}

impl Record for CustomerRow {
    fn system_id(&self) -> Uuid {
        self.system_id
    }
}

impl Touched<'_> {
    /// A record that is there and cannot be read is not missing.
    pub fn missing_from<T: Record>(
        &self,
        rows: &[Result<T, Unreadable>],
    ) -> impl Iterator<Item = Uuid> {
        let found: HashSet<Uuid> = rows
            .iter()
            .filter_map(|row| match row {
                Ok(record) => Some(record.system_id()),
                Err(unreadable) => unreadable.system_id.map(|id| id.0),
            })
            .collect();
        self.ids
            .iter()
            .copied()
            .filter(move |id| !found.contains(id))
    }

    pub fn by(&self, id: Uuid) -> Option<&str> {
        Some(&self.last.get(&id)?.changed_by)
    }

    /// The number of the item that changed, or that what changed belongs to.
    pub fn number(&self, id: Uuid) -> Option<String> {
        Some(first_part(&self.last.get(&id)?.primary_key))
    }
}

pub(crate) fn touched(flow: Flow, window: &Window<ChangeEntry>) -> Touched<'_> {
    let mut touched = Touched {
        boundary: Some(window.boundary),
        ..Touched::default()
    };
    let mut places: HashMap<Uuid, usize> = HashMap::new();
    for (place, entry) in window.entries.iter().enumerate() {
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
        places.insert(id, place);
        touched.last.insert(id, entry);
    }
    touched.ids = places.keys().copied().collect();
    touched.ids.sort_by_key(|id| places[id]);
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

    fn window(entries: impl Into<Vec<ChangeEntry>>) -> Window<ChangeEntry> {
        Window {
            state: "ok".into(),
            boundary: 7,
            upper_bound: 6,
            has_more: false,
            epoch: Uuid::nil(),
            entries: entries.into(),
        }
    }

    #[test]
    fn an_item_changed_often_is_read_once_at_its_last_place() {
        let window = window([
            entry("item", "modified", 1, 0, "A"),
            entry("item", "modified", 2, 0, "B"),
            entry("itemVariant", "created", 9, 1, "A,OAK"),
        ]);
        assert_eq!(
            touched(Flow::Items, &window).ids,
            [Uuid::from_u128(2), Uuid::from_u128(1)]
        );
    }

    #[test]
    fn a_price_line_does_not_touch_the_item_flow() {
        let window = window([
            entry("priceLine", "modified", 7, 1, "RETAIL,10000"),
            entry("stock", "modified", 1, 1, "A,,MAIN"),
        ]);
        assert!(touched(Flow::Items, &window).ids.is_empty());
        assert_eq!(touched(Flow::Prices, &window).ids, [Uuid::from_u128(1)]);
        assert_eq!(touched(Flow::Stock, &window).ids, [Uuid::from_u128(1)]);
    }

    #[test]
    fn a_renamed_location_makes_all_figures_be_read_again() {
        let renamed = window([entry("location", "renamed", 3, 0, "EAST")]);
        assert!(touched(Flow::Stock, &renamed).everything);
        let modified = window([entry("location", "modified", 3, 0, "EAST")]);
        assert!(!touched(Flow::Stock, &modified).everything);
    }

    #[test]
    fn a_number_with_a_comma_stands_in_quotes() {
        assert_eq!(first_part("\"A,\"\"1\"\"\",OAK"), "A,\"1\"");
        assert_eq!(first_part("1896-S,,MAIN"), "1896-S");
    }
}
