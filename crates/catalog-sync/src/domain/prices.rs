//! The prices of one item. The ERP shows them all at once; each variant, price group and unit is told by itself.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::convert::Infallible;

use jiff::civil::Date;
use millrace_erp::master::{PriceLine, PricesObserved};
use millrace_event_store::Decider;
use millrace_values::{Percentage, PriceGroup, Quantity, Sku, UnitCode, UnitPrice, VariantCode};

/// Which price of the item. `None`: all variants, everybody, the base unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub variant: Option<VariantCode>,
    pub group: Option<PriceGroup>,
    pub unit: Option<UnitCode>,
}

/// All price lines of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// As the ERP wrote it on the price lines.
    pub number: Option<Sku>,
    /// Ordered by currency, minimum quantity, first day.
    pub tiers: Vec<Tier>,
}

/// From this quantity on, in this period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    pub price: UnitPrice,
    pub includes_tax: bool,
    pub minimum_quantity: Quantity,
    pub line_discount: Percentage,
    pub valid_from: Option<Date>,
    pub valid_until: Option<Date>,
    /// Empty for the price on the item card.
    pub price_list: String,
}

/// The prices of one item.
#[derive(Debug, Clone, Copy)]
pub struct ItemPrices;

/// What was told and still holds.
pub type State = BTreeMap<Key, Price>;

#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// The ERP has these and no others.
    Observe {
        number: Option<Sku>,
        lines: Vec<PriceLine>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Changed { key: Key, price: Price },
    Deleted { key: Key, number: Option<Sku> },
}

impl Command {
    /// The item, or its last price, is gone.
    #[must_use]
    pub fn observe_none() -> Self {
        Self::Observe {
            number: None,
            lines: vec![],
        }
    }

    /// The keys the observation speaks of.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        let Self::Observe { lines, .. } = self;
        lines.iter().map(key)
    }
}

impl From<PricesObserved> for Command {
    fn from(seen: PricesObserved) -> Self {
        Self::Observe {
            number: seen.number,
            lines: seen.lines,
        }
    }
}

impl Decider for ItemPrices {
    type State = State;
    type Command = Command;
    type Event = Event;
    type Rejection = Infallible;

    fn decide(state: &State, command: Command) -> Result<Vec<Event>, Infallible> {
        let Command::Observe { number, lines } = command;
        let seen = by_key(number, lines);
        let gone = state
            .iter()
            .filter(|(key, _)| !seen.contains_key(key))
            .map(|(key, price)| Event::Deleted {
                key: key.clone(),
                number: price.number.clone(),
            });
        let mut events: Vec<Event> = gone.collect();
        for (key, price) in seen {
            if state.get(&key) != Some(&price) {
                events.push(Event::Changed { key, price });
            }
        }
        Ok(events)
    }

    fn evolve(mut state: State, event: &Event) -> State {
        match event {
            Event::Changed { key, price } => {
                state.insert(key.clone(), price.clone());
            }
            Event::Deleted { key, .. } => {
                state.remove(key);
            }
        }
        state
    }
}

fn by_key(number: Option<Sku>, lines: Vec<PriceLine>) -> State {
    let mut seen = State::new();
    for line in lines {
        let price = seen.entry(key(&line)).or_insert_with(|| Price {
            number: number.clone(),
            tiers: vec![],
        });
        price.tiers.push(Tier {
            price: line.price,
            includes_tax: line.includes_tax,
            minimum_quantity: line.minimum_quantity,
            line_discount: line.line_discount,
            valid_from: line.valid_from,
            valid_until: line.valid_until,
            price_list: line.price_list,
        });
    }
    for price in seen.values_mut() {
        // The ERP gives its lines in any order; the same lines must be the same price. A page read twice doubles lines.
        price.tiers.sort_by(order);
        price.tiers.dedup();
    }
    seen
}

fn key(line: &PriceLine) -> Key {
    Key {
        variant: line.variant.clone(),
        group: line.group.clone(),
        unit: line.unit.clone(),
    }
}

/// By currency, minimum quantity, first day; then by everything else, so that equal sets are equal lists.
fn order(left: &Tier, right: &Tier) -> Ordering {
    let currency = |tier: &Tier| tier.price.currency().code();
    currency(left)
        .cmp(currency(right))
        .then_with(|| left.minimum_quantity.cmp(&right.minimum_quantity))
        .then_with(|| left.valid_from.cmp(&right.valid_from))
        .then_with(|| left.valid_until.cmp(&right.valid_until))
        .then_with(|| left.price_list.cmp(&right.price_list))
        .then_with(|| left.price.value().cmp(&right.price.value()))
        .then_with(|| left.line_discount.cmp(&right.line_discount))
        .then_with(|| left.includes_tax.cmp(&right.includes_tax))
}

#[cfg(test)]
mod tests {
    use millrace_event_store::given;
    use millrace_values::{Currency, Decimal};
    use proptest::prelude::*;

    use super::*;

    /// Row 11.
    #[test]
    fn a_price_seen_for_the_first_time_is_told() {
        given::<ItemPrices>([])
            .when(observe([line("", 100)]))
            .then([changed("", [100])]);
    }

    /// Row 9.
    #[test]
    fn only_the_price_that_changed_is_told() {
        given::<ItemPrices>([changed("", [100]), changed("DEALER", [80])])
            .when(observe([line("", 100), line("DEALER", 75)]))
            .then([changed("DEALER", [75])]);
    }

    /// Row 12.
    #[test]
    fn each_price_group_has_a_price_of_its_own() {
        given::<ItemPrices>([])
            .when(observe([
                line("DEALER", 80),
                line("", 100),
                line("VIP", 70),
            ]))
            .then([
                changed("", [100]),
                changed("DEALER", [80]),
                changed("VIP", [70]),
            ]);
    }

    #[test]
    fn a_price_that_is_no_longer_shown_is_gone() {
        given::<ItemPrices>([changed("", [100]), changed("DEALER", [80])])
            .when(observe([line("", 100)]))
            .then([deleted("DEALER")]);
    }

    #[test]
    fn the_same_lines_in_another_order_are_no_news() {
        let (one, ten) = (
            line("", 100),
            PriceLine {
                minimum_quantity: Quantity::from(10),
                ..line("", 90)
            },
        );
        let told = ItemPrices::decide(&State::new(), observe([one.clone(), ten.clone()])).unwrap();
        given::<ItemPrices>(told)
            .when(observe([ten, one.clone(), one]))
            .then_nothing();
    }

    #[test]
    fn an_item_that_went_takes_all_its_prices_along() {
        given::<ItemPrices>([changed("", [100]), changed("DEALER", [80])])
            .when(Command::observe_none())
            .then([deleted(""), deleted("DEALER")]);
    }

    #[test]
    fn an_item_without_prices_stays_silent() {
        given::<ItemPrices>([])
            .when(Command::observe_none())
            .then_nothing();
    }

    proptest! {
        #[test]
        fn after_an_observation_exactly_what_was_seen_is_known(
            before in proptest::collection::vec((0_usize..4, 1_u32..5, 0_u32..3), 0..12),
            after in proptest::collection::vec((0_usize..4, 1_u32..5, 0_u32..3), 0..12),
        ) {
            let seen = observe_all(&after);
            let told = ItemPrices::decide(&State::new(), observe_all(&before)).unwrap();
            let mut state = ItemPrices::replay(&told);
            for event in ItemPrices::decide(&state, seen.clone()).unwrap() {
                state = ItemPrices::evolve(state, &event);
            }
            let whole = ItemPrices::decide(&State::new(), seen.clone()).unwrap();
            prop_assert_eq!(&state, &ItemPrices::replay(&whole));
            prop_assert_eq!(ItemPrices::decide(&state, seen), Ok(vec![]));
        }
    }

    fn observe_all(lines: &[(usize, u32, u32)]) -> Command {
        let groups = ["", "DEALER", "VIP", "STAFF"];
        let line = |(group, price, from): &(usize, u32, u32)| PriceLine {
            minimum_quantity: Quantity::from(*from),
            ..line(groups[*group], *price)
        };
        Command::Observe {
            number: Some(sku()),
            lines: lines.iter().map(line).collect(),
        }
    }

    fn observe(lines: impl IntoIterator<Item = PriceLine>) -> Command {
        Command::Observe {
            number: Some(sku()),
            lines: lines.into_iter().collect(),
        }
    }

    fn changed<const N: usize>(group: &str, prices: [u32; N]) -> Event {
        let tier = |price| Tier {
            price: euro(price),
            includes_tax: false,
            minimum_quantity: Quantity::ZERO,
            line_discount: Percentage::ZERO,
            valid_from: None,
            valid_until: None,
            price_list: "S00001".into(),
        };
        Event::Changed {
            key: in_group(group),
            price: Price {
                number: Some(sku()),
                tiers: prices.into_iter().map(tier).collect(),
            },
        }
    }

    fn deleted(group: &str) -> Event {
        Event::Deleted {
            key: in_group(group),
            number: Some(sku()),
        }
    }

    fn line(group: &str, price: u32) -> PriceLine {
        PriceLine {
            variant: None,
            group: PriceGroup::parse_optional(group).unwrap(),
            unit: None,
            price: euro(price),
            includes_tax: false,
            minimum_quantity: Quantity::ZERO,
            line_discount: Percentage::ZERO,
            valid_from: None,
            valid_until: None,
            price_list: "S00001".into(),
        }
    }

    fn in_group(group: &str) -> Key {
        Key {
            variant: None,
            group: PriceGroup::parse_optional(group).unwrap(),
            unit: None,
        }
    }

    fn euro(price: u32) -> UnitPrice {
        UnitPrice::new(Currency::parse("EUR").unwrap(), Decimal::from(price)).unwrap()
    }

    fn sku() -> Sku {
        Sku::parse("1896-S").unwrap()
    }
}
