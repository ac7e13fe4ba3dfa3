//! One item with its variants. The ERP is the system of record: nothing it shows is refused, only repeated.

use std::convert::Infallible;

use millrace_erp::master::{ItemKind, ItemObserved, VariantObserved};
use millrace_event_store::Decider;
use millrace_values::{Sku, SystemId, Timestamp, UnitCode, VariantCode};

/// What a shop may know of an item.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub system_id: SystemId,
    pub number: Sku,
    pub display_name: String,
    pub display_name2: String,
    pub kind: ItemKind,
    pub blocked: bool,
    pub sales_blocked: bool,
    pub gtin: String,
    pub base_unit: Option<UnitCode>,
    pub category_code: String,
    pub tax_group_code: String,
    /// In the ERP's order.
    pub variants: Vec<Variant>,
    pub modified_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    pub system_id: SystemId,
    pub code: VariantCode,
    pub description: String,
    pub blocked: bool,
    pub sales_blocked: bool,
    pub dimension_values: Vec<String>,
}

impl Item {
    /// May be shown and ordered. A blocked variant does not take its item away: it is marked as blocked itself.
    #[must_use]
    pub fn released(&self) -> bool {
        !self.blocked && !self.sales_blocked
    }
}

/// The stream of one item.
#[derive(Debug, Clone, Copy)]
pub struct ItemStream;

/// The item as it was last told; `None`: never told, or told to be gone.
pub type State = Option<Item>;

#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// The ERP has it like this.
    Observe(Box<Item>),
    /// The ERP does not have it any more.
    ObserveGone,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Changed {
        item: Box<Item>,
        /// Fields that differ from what was told before, by their names in the contract.
        changed_paths: Vec<&'static str>,
    },
    Deleted {
        number: Sku,
    },
}

impl Decider for ItemStream {
    type State = State;
    type Command = Command;
    type Event = Event;
    type Rejection = Infallible;

    fn decide(state: &State, command: Command) -> Result<Vec<Event>, Infallible> {
        Ok(match command {
            Command::Observe(item) => {
                let changed_paths = match state {
                    Some(known) => differences(known, &item),
                    None => differences_from_nothing(&item),
                };
                // A touch in the ERP that changes nothing we tell is no news, whatever its time of modification.
                if changed_paths.is_empty() {
                    return Ok(vec![]);
                }
                vec![Event::Changed {
                    item,
                    changed_paths,
                }]
            }
            Command::ObserveGone => match state {
                Some(known) => vec![Event::Deleted {
                    number: known.number.clone(),
                }],
                None => vec![],
            },
        })
    }

    fn evolve(_: State, event: &Event) -> State {
        match event {
            Event::Changed { item, .. } => Some((**item).clone()),
            Event::Deleted { .. } => None,
        }
    }
}

fn differences(known: &Item, seen: &Item) -> Vec<&'static str> {
    [
        ("number", known.number != seen.number),
        ("display_name", known.display_name != seen.display_name),
        ("display_name2", known.display_name2 != seen.display_name2),
        ("kind", known.kind != seen.kind),
        ("blocked", known.blocked != seen.blocked),
        ("sales_blocked", known.sales_blocked != seen.sales_blocked),
        ("gtin", known.gtin != seen.gtin),
        ("base_unit", known.base_unit != seen.base_unit),
        ("category_code", known.category_code != seen.category_code),
        (
            "tax_group_code",
            known.tax_group_code != seen.tax_group_code,
        ),
        ("variants", known.variants != seen.variants),
    ]
    .into_iter()
    .filter_map(|(path, differs)| differs.then_some(path))
    .collect()
}

/// Of a new item everything that is there has changed.
fn differences_from_nothing(seen: &Item) -> Vec<&'static str> {
    [
        ("number", true),
        ("display_name", !seen.display_name.is_empty()),
        ("display_name2", !seen.display_name2.is_empty()),
        ("kind", true),
        ("blocked", seen.blocked),
        ("sales_blocked", seen.sales_blocked),
        ("gtin", !seen.gtin.is_empty()),
        ("base_unit", seen.base_unit.is_some()),
        ("category_code", !seen.category_code.is_empty()),
        ("tax_group_code", !seen.tax_group_code.is_empty()),
        ("variants", !seen.variants.is_empty()),
    ]
    .into_iter()
    .filter_map(|(path, there)| there.then_some(path))
    .collect()
}

impl From<ItemObserved> for Item {
    fn from(seen: ItemObserved) -> Self {
        Self {
            system_id: seen.system_id,
            number: seen.number,
            display_name: seen.display_name,
            display_name2: seen.display_name2,
            kind: seen.kind,
            blocked: seen.blocked,
            sales_blocked: seen.sales_blocked,
            gtin: seen.gtin,
            base_unit: seen.base_unit,
            category_code: seen.category_code,
            tax_group_code: seen.tax_group_code,
            variants: seen.variants.into_iter().map(Variant::from).collect(),
            modified_at: seen.modified_at,
        }
    }
}

impl From<VariantObserved> for Variant {
    /// A variant is an ordered list of dimension values; an ERP with one dimension has its code there.
    fn from(seen: VariantObserved) -> Self {
        Self {
            system_id: seen.system_id,
            dimension_values: vec![seen.code.to_string()],
            code: seen.code,
            description: seen.description,
            blocked: seen.blocked,
            sales_blocked: seen.sales_blocked,
        }
    }
}

#[cfg(test)]
mod tests {
    use millrace_event_store::given;

    use super::*;

    /// Row 2.
    #[test]
    fn an_item_seen_for_the_first_time_is_told() {
        given::<ItemStream>([])
            .when(observe(stool()))
            .then([changed(
                stool(),
                &["number", "display_name", "kind", "base_unit"],
            )]);
    }

    /// Row 3.
    #[test]
    fn an_item_seen_again_unchanged_is_not_told_again() {
        given::<ItemStream>([told(stool())])
            .when(observe(stool()))
            .then_nothing();
    }

    #[test]
    fn a_touch_in_the_erp_that_changes_nothing_is_no_news() {
        let touched = Item {
            modified_at: at("2026-03-01T10:00:00Z"),
            ..stool()
        };
        given::<ItemStream>([told(stool())])
            .when(observe(touched))
            .then_nothing();
    }

    #[test]
    fn a_rename_names_what_changed() {
        let renamed = Item {
            display_name: "Stool, oak".into(),
            ..stool()
        };
        given::<ItemStream>([told(stool())])
            .when(observe(renamed.clone()))
            .then([changed(renamed, &["display_name"])]);
    }

    #[test]
    fn a_new_number_is_a_change_of_the_same_item() {
        let renumbered = Item {
            number: sku("1900-S"),
            ..stool()
        };
        given::<ItemStream>([told(stool())])
            .when(observe(renumbered.clone()))
            .then([changed(renumbered, &["number"])]);
    }

    /// Row 4.
    #[test]
    fn a_changed_variant_changes_its_item() {
        let before = Item {
            variants: vec![variant("RED", false)],
            ..stool()
        };
        let after = Item {
            variants: vec![variant("RED", true)],
            ..stool()
        };
        given::<ItemStream>([told(before)])
            .when(observe(after.clone()))
            .then([changed(after, &["variants"])]);
    }

    /// Row 10.
    #[test]
    fn an_item_that_is_gone_is_told_once() {
        given::<ItemStream>([told(stool())])
            .when(Command::ObserveGone)
            .then([Event::Deleted {
                number: sku("1896-S"),
            }]);
        given::<ItemStream>([
            told(stool()),
            Event::Deleted {
                number: sku("1896-S"),
            },
        ])
        .when(Command::ObserveGone)
        .then_nothing();
    }

    #[test]
    fn an_item_nobody_told_of_cannot_go() {
        given::<ItemStream>([])
            .when(Command::ObserveGone)
            .then_nothing();
    }

    #[test]
    fn an_item_that_comes_back_is_told_whole() {
        given::<ItemStream>([
            told(stool()),
            Event::Deleted {
                number: sku("1896-S"),
            },
        ])
        .when(observe(stool()))
        .then([changed(
            stool(),
            &["number", "display_name", "kind", "base_unit"],
        )]);
    }

    /// Row 26.
    #[test]
    fn a_blocked_item_is_not_released_and_a_blocked_variant_does_not_take_it_away() {
        assert!(stool().released());
        assert!(
            !Item {
                blocked: true,
                ..stool()
            }
            .released()
        );
        assert!(
            !Item {
                sales_blocked: true,
                ..stool()
            }
            .released()
        );
        assert!(
            Item {
                variants: vec![variant("RED", true)],
                ..stool()
            }
            .released()
        );
    }

    fn observe(item: Item) -> Command {
        Command::Observe(Box::new(item))
    }

    fn changed(item: Item, paths: &[&'static str]) -> Event {
        Event::Changed {
            item: Box::new(item),
            changed_paths: paths.to_vec(),
        }
    }

    fn told(item: Item) -> Event {
        changed(item, &[])
    }

    fn stool() -> Item {
        Item {
            system_id: SystemId::parse("5d115c9c-44e3-ea11-bb43-000d3a2feca1").unwrap(),
            number: sku("1896-S"),
            display_name: "Stool".into(),
            display_name2: String::new(),
            kind: ItemKind::Inventory,
            blocked: false,
            sales_blocked: false,
            gtin: String::new(),
            base_unit: Some(UnitCode::parse("PCS").unwrap()),
            category_code: String::new(),
            tax_group_code: String::new(),
            variants: vec![],
            modified_at: at("2026-02-01T10:00:00Z"),
        }
    }

    fn variant(code: &str, blocked: bool) -> Variant {
        Variant {
            system_id: SystemId::parse("6d115c9c-44e3-ea11-bb43-000d3a2feca1").unwrap(),
            code: VariantCode::parse(code).unwrap(),
            description: code.to_lowercase(),
            blocked,
            sales_blocked: false,
            dimension_values: vec![code.into()],
        }
    }

    fn sku(number: &str) -> Sku {
        Sku::parse(number).unwrap()
    }

    fn at(time: &str) -> Timestamp {
        Timestamp::parse(time).unwrap()
    }
}
