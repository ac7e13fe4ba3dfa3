//! One item of a channel with everything that hangs on it: prices, stock. Readers know a price or a figure only of an item
//! they know; when the item goes, all of it goes, and when it comes back, all of it comes back as it is by then.

use std::collections::BTreeMap;
use std::convert::Infallible;

use millrace_event_store::Decider;

/// Stands for what readers were told: another content is another mark.
pub type Mark = u64;

/// What readers know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The item; `None`: they do not know it.
    pub item: Option<Mark>,
    /// What hangs on it, by key.
    pub records: BTreeMap<String, Mark>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The item as the channel may see it now (`None`: not at all), and what hangs on it. Records that are not listed are as they
    /// were.
    SeeItem {
        key: String,
        visible: Option<Mark>,
        records: Vec<(String, Option<Mark>)>,
    },
    /// One thing that hangs on it, as the channel may see it now.
    SeeRecord { key: String, visible: Option<Mark> },
}

/// In the order in which readers are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    ItemTold { key: String, mark: Mark },
    ItemWithdrawn { key: String },
    RecordTold { key: String, mark: Mark },
    RecordWithdrawn { key: String },
}

#[derive(Debug, Clone, Copy)]
pub struct Shelf;

impl Decider for Shelf {
    type State = State;
    type Command = Command;
    type Event = Event;
    type Rejection = Infallible;

    fn decide(state: &State, command: Command) -> Result<Vec<Event>, Infallible> {
        Ok(match command {
            Command::SeeItem {
                key, visible: None, ..
            } => withdrawn(state, key),
            Command::SeeItem {
                key,
                visible: Some(mark),
                records,
            } => {
                let news = (state.item != Some(mark)).then_some(Event::ItemTold { key, mark });
                let records = records
                    .into_iter()
                    .filter_map(|(key, visible)| record(state, key, visible));
                news.into_iter().chain(records).collect()
            }
            Command::SeeRecord { key, visible } => match state.item {
                Some(_) => record(state, key, visible).into_iter().collect(),
                None => vec![],
            },
        })
    }

    fn evolve(mut state: State, event: &Event) -> State {
        match event {
            Event::ItemTold { mark, .. } => state.item = Some(*mark),
            Event::ItemWithdrawn { .. } => state.item = None,
            Event::RecordTold { key, mark } => {
                state.records.insert(key.clone(), *mark);
            }
            Event::RecordWithdrawn { key } => {
                state.records.remove(key);
            }
        }
        state
    }
}

/// First what hangs on the item, then the item: nobody sees a price of nothing.
fn withdrawn(state: &State, key: String) -> Vec<Event> {
    if state.item.is_none() {
        return vec![];
    }
    let records = state
        .records
        .keys()
        .map(|key| Event::RecordWithdrawn { key: key.clone() });
    records.chain([Event::ItemWithdrawn { key }]).collect()
}

fn record(state: &State, key: String, visible: Option<Mark>) -> Option<Event> {
    match (state.records.get(&key), visible) {
        (Some(told), Some(mark)) if *told == mark => None,
        (_, Some(mark)) => Some(Event::RecordTold { key, mark }),
        (Some(_), None) => Some(Event::RecordWithdrawn { key }),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use millrace_event_store::given;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_new_item_is_told_before_what_hangs_on_it() {
        given::<Shelf>([])
            .when(see_item(Some(1), [("price", Some(7)), ("stock", Some(8))]))
            .then([item_told(1), told("price", 7), told("stock", 8)]);
    }

    #[test]
    fn what_the_channel_may_not_see_is_not_told() {
        given::<Shelf>([])
            .when(see_item(None, [("price", Some(7))]))
            .then_nothing();
        given::<Shelf>([item_told(1)])
            .when(see_record("price", None))
            .then_nothing();
    }

    /// Row 26.
    #[test]
    fn an_item_that_is_blocked_takes_everything_along() {
        given::<Shelf>([item_told(1), told("price", 7), told("stock", 8)])
            .when(see_item(None, []))
            .then([withdrawn("price"), withdrawn("stock"), item_withdrawn()]);
    }

    #[test]
    fn a_price_that_changes_while_its_item_is_blocked_is_not_told() {
        given::<Shelf>([item_told(1), item_withdrawn()])
            .when(see_record("price", Some(9)))
            .then_nothing();
    }

    #[test]
    fn an_item_that_comes_back_brings_everything_as_it_is_by_then() {
        given::<Shelf>([
            item_told(1),
            told("price", 7),
            withdrawn("price"),
            item_withdrawn(),
        ])
        .when(see_item(Some(1), [("price", Some(9))]))
        .then([item_told(1), told("price", 9)]);
    }

    #[test]
    fn a_changed_item_does_not_repeat_its_prices() {
        given::<Shelf>([item_told(1), told("price", 7)])
            .when(see_item(Some(2), [("price", Some(7))]))
            .then([item_told(2)]);
    }

    /// Row 9.
    #[test]
    fn a_changed_price_is_told_alone() {
        given::<Shelf>([item_told(1), told("price", 7)])
            .when(see_record("price", Some(8)))
            .then([told("price", 8)]);
        given::<Shelf>([item_told(1), told("price", 7)])
            .when(see_record("price", Some(7)))
            .then_nothing();
    }

    #[test]
    fn a_price_that_leaves_the_channels_groups_is_withdrawn() {
        given::<Shelf>([item_told(1), told("price", 7)])
            .when(see_record("price", None))
            .then([withdrawn("price")]);
    }

    proptest! {
        /// Whatever happened, readers know exactly what the channel may see.
        #[test]
        fn readers_know_exactly_what_may_be_seen(steps in proptest::collection::vec((0_u8..3, 0_usize..3, proptest::option::of(1_u64..4)), 0..40)) {
            let keys = ["a", "b", "c"];
            let mut world: (Option<Mark>, BTreeMap<String, Mark>) = (None, BTreeMap::new());
            let mut state = State::default();
            for (step, key, visible) in steps {
                let key = keys[key].to_owned();
                let command = if step == 0 {
                    world.0 = visible;
                    let all = keys.iter().map(|key| ((*key).to_owned(), world.1.get(*key).copied()));
                    Command::SeeItem { key: "item".into(), visible, records: all.collect() }
                } else {
                    match visible {
                        Some(mark) => world.1.insert(key.clone(), mark),
                        None => world.1.remove(&key),
                    };
                    Command::SeeRecord { key, visible }
                };
                let events = Shelf::decide(&state, command.clone()).unwrap();
                state = events.iter().fold(state, Shelf::evolve);
                prop_assert_eq!(Shelf::decide(&state, command).unwrap(), vec![], "a repeat is silent");
                let expected = if world.0.is_some() { world.1.clone() } else { BTreeMap::new() };
                prop_assert_eq!(&state, &State { item: world.0, records: expected });
            }
        }
    }

    fn see_item<const N: usize>(
        visible: Option<Mark>,
        records: [(&str, Option<Mark>); N],
    ) -> Command {
        let records = records
            .into_iter()
            .map(|(key, visible)| (key.to_owned(), visible))
            .collect();
        Command::SeeItem {
            key: "item".into(),
            visible,
            records,
        }
    }

    fn see_record(key: &str, visible: Option<Mark>) -> Command {
        Command::SeeRecord {
            key: key.into(),
            visible,
        }
    }

    fn item_told(mark: Mark) -> Event {
        Event::ItemTold {
            key: "item".into(),
            mark,
        }
    }

    fn item_withdrawn() -> Event {
        Event::ItemWithdrawn { key: "item".into() }
    }

    fn told(key: &str, mark: Mark) -> Event {
        Event::RecordTold {
            key: key.into(),
            mark,
        }
    }

    fn withdrawn(key: &str) -> Event {
        Event::RecordWithdrawn { key: key.into() }
    }
}
