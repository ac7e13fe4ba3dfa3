//! Row 114: whatever order figures and order events come in, an order in flight is never counted twice and never forgotten.

use std::collections::BTreeMap;

use millrace_values::{ChannelCode, LocationCode, OrderNumber, Quantity, Sku, Timestamp};
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Dropped,
    Posted,
    Shipped,
}

#[derive(Debug, Clone)]
struct ShopOrder {
    quantity: u32,
    fate: Fate,
    posted: u16,
    shipped: u16,
    /// When its events arrive, and whether all of them arrive again.
    arrivals: [u16; 3],
    again: Option<[u16; 3]>,
}

#[derive(Debug, Clone)]
struct World {
    orders: Vec<ShopOrder>,
    /// Stock movements besides orders: when, and by how much.
    movements: Vec<(u16, u32)>,
    /// When each of the ERP's figures arrives, twice.
    arrivals: Vec<(u16, u16)>,
}

fn world() -> impl Strategy<Value = World> {
    let fate = prop_oneof![
        Just(Fate::Open),
        Just(Fate::Dropped),
        Just(Fate::Posted),
        Just(Fate::Shipped)
    ];
    let order = (
        1..6_u32,
        fate,
        any::<u16>(),
        any::<u16>(),
        any::<[u16; 3]>(),
        any::<Option<[u16; 3]>>(),
    )
        .prop_map(
            |(quantity, fate, posted, shipped, arrivals, again)| ShopOrder {
                quantity,
                fate,
                posted,
                shipped,
                arrivals,
                again,
            },
        );
    let orders = prop::collection::vec(order, 0..6);
    let movements = prop::collection::vec((any::<u16>(), 0..20_u32), 0..6);
    let arrivals = prop::collection::vec((any::<u16>(), any::<u16>()), 20);
    (orders, movements, arrivals).prop_map(|(orders, movements, arrivals)| World {
        orders,
        movements,
        arrivals,
    })
}

enum Message {
    Figure(u64, Figures),
    Order(usize, OrderFact),
}

/// What the ERP did: the row version each order got, and a figure after every act.
struct Erp {
    versions: BTreeMap<usize, u64>,
    shipments: BTreeMap<usize, u64>,
    figures: Vec<Figures>,
}

impl World {
    fn erp(&self) -> Erp {
        enum Act {
            Receive(u32),
            Post(usize),
            Ship(usize),
        }
        let mut acts: Vec<(u32, Act)> = self
            .movements
            .iter()
            .map(|(at, by)| (u32::from(*at), Act::Receive(*by)))
            .collect();
        for (number, order) in self.orders.iter().enumerate() {
            if matches!(order.fate, Fate::Posted | Fate::Shipped) {
                acts.push((u32::from(order.posted), Act::Post(number)));
            }
            if order.fate == Fate::Shipped {
                acts.push((
                    u32::from(order.posted) + u32::from(order.shipped) + 1,
                    Act::Ship(number),
                ));
            }
        }
        acts.sort_by_key(|(at, _)| *at);
        let (mut on_hand, mut allocated) = (100_u32, 0_u32);
        let mut erp = Erp {
            versions: BTreeMap::new(),
            shipments: BTreeMap::new(),
            figures: vec![figure(1, on_hand, allocated)],
        };
        for (version, (_, act)) in (1_u64..).zip(acts) {
            match act {
                Act::Receive(by) => on_hand += by,
                Act::Post(order) => {
                    allocated += self.orders[order].quantity;
                    erp.versions.insert(order, version);
                }
                Act::Ship(order) => {
                    on_hand -= self.orders[order].quantity;
                    allocated -= self.orders[order].quantity;
                    erp.shipments.insert(order, version);
                }
            }
            erp.figures.push(figure(version + 1, on_hand, allocated));
        }
        erp
    }

    fn messages(&self, erp: &Erp) -> Vec<Message> {
        let mut messages = Vec::new();
        for (figure, (first, again)) in erp.figures.iter().zip(self.arrivals.iter().cycle()) {
            for at in [first, again] {
                let boundary = figure.contains.boundary.unwrap();
                messages.push((u32::from(*at), Message::Figure(boundary, figure.clone())));
            }
        }
        for (number, order) in self.orders.iter().enumerate() {
            let mut last = 0;
            for arrivals in [Some(order.arrivals), order.again].into_iter().flatten() {
                let mut arrivals = arrivals.map(u32::from);
                arrivals.sort_unstable();
                for (fact, at) in order.facts(number, erp).into_iter().zip(arrivals) {
                    // Facts of one order come in order; the second round, if there is one, behind the first.
                    last = last.max(at);
                    messages.push((last, Message::Order(number, fact)));
                }
            }
        }
        messages.sort_by_key(|(at, _)| *at);
        messages.into_iter().map(|(_, message)| message).collect()
    }
}

impl ShopOrder {
    fn facts(&self, number: usize, erp: &Erp) -> Vec<OrderFact> {
        let item = ItemRef {
            number: Sku::parse("1900-S").unwrap(),
            id: None,
        };
        let line = Taken {
            line: 1,
            item,
            variant: None,
            location: Some(east()),
            ordered: quantity(self.quantity),
        };
        let went_on = |version: Option<u64>, cancelled: u32, shipped: u32| OrderFact::WentOn {
            document: version.map(|version| Document {
                row_version: Some(version),
                at: at(version),
            }),
            returned: None,
            shipped_at: None,
            lines: vec![Progress {
                line: 1,
                item: None,
                location: None,
                cancelled: quantity(cancelled),
                shipped: quantity(shipped),
            }],
        };
        let mut facts = vec![OrderFact::Taken {
            placed_at: at(0),
            lines: vec![line],
        }];
        match self.fate {
            Fate::Open => {}
            Fate::Dropped => facts.push(went_on(None, self.quantity, 0)),
            Fate::Posted => facts.push(went_on(Some(erp.versions[&number]), 0, 0)),
            Fate::Shipped => {
                facts.push(went_on(Some(erp.versions[&number]), 0, 0));
                facts.push(went_on(Some(erp.shipments[&number]), 0, self.quantity));
            }
        }
        facts
    }
}

/// What stock-availability knows on the way.
#[derive(Default)]
struct Joined {
    stamp: Option<Stamp>,
    figures: Option<Figures>,
    in_flight: BTreeMap<usize, Vec<InFlight>>,
    /// Facts seen per order, most in one round.
    seen: BTreeMap<usize, usize>,
}

impl Joined {
    fn take(&mut self, message: Message, facts: &[usize]) {
        match message {
            Message::Figure(boundary, figures) => {
                let stamp = Stamp {
                    generation: 1,
                    boundary: Some(boundary),
                    as_of: figures.as_of,
                };
                if self.stamp.is_none_or(|known| stamp.replaces(&known)) {
                    self.stamp = Some(stamp);
                    self.figures = Some(figures);
                }
            }
            Message::Order(number, fact) => {
                let known = self.in_flight.remove(&number).unwrap_or_default();
                let order = Claim::Order(OrderNumber::parse(&number.to_string()).unwrap());
                self.in_flight.insert(
                    number,
                    follow(&ChannelCode::parse("shop").unwrap(), &order, known, fact),
                );
                let seen = self.seen.entry(number).or_default();
                *seen = *seen % facts[number] + 1;
            }
        }
        // What is settled is dropped, as the service does.
        if let Some(figures) = &self.figures {
            for lines in self.in_flight.values_mut() {
                lines.retain(|line| !line.is_settled(&figures.contains));
            }
        }
    }

    fn inventory(&self) -> Option<Inventory> {
        let in_flight = self.in_flight.values().flatten().cloned().collect();
        join(&Join {
            number: None,
            unit: None,
            figures: self.figures.clone(),
            in_flight,
        })
    }
}

fn at(second: u64) -> Timestamp {
    Timestamp(jiff::Timestamp::from_second(i64::try_from(second).unwrap()).unwrap())
}

fn quantity(units: u32) -> Quantity {
    Quantity::from(units)
}

fn east() -> LocationCode {
    LocationCode::parse("EAST").unwrap()
}

fn figure(boundary: u64, on_hand: u32, allocated: u32) -> Figures {
    let part = Part {
        location: east(),
        on_hand: quantity(on_hand),
        allocated: quantity(allocated),
        reserved: Quantity::ZERO,
        safety_stock: Quantity::ZERO,
    };
    let contains = Contains {
        boundary: Some(boundary),
        settled: at(0),
        sales_orders: true,
    };
    Figures {
        parts: vec![part],
        as_of: at(boundary),
        contains,
    }
}

proptest! {
    #[test]
    fn the_final_figure_does_not_depend_on_the_order_of_messages(world in world()) {
        let erp = world.erp();
        let facts: Vec<usize> = world.orders.iter().enumerate().map(|(number, order)| order.facts(number, &erp).len()).collect();
        let mut joined = Joined::default();
        for message in world.messages(&erp) {
            joined.take(message, &facts);
        }
        let last = erp.figures.last().unwrap();
        let open: u32 = world.orders.iter().filter(|order| order.fate == Fate::Open).map(|order| order.quantity).sum();
        let expected = last.parts[0].on_hand - last.parts[0].allocated - quantity(open);
        prop_assert_eq!(joined.inventory().unwrap().locations[0].available(), expected);
    }

    #[test]
    fn on_the_way_no_order_is_forgotten_and_none_counts_twice(world in world()) {
        let erp = world.erp();
        let facts: Vec<usize> = world.orders.iter().enumerate().map(|(number, order)| order.facts(number, &erp).len()).collect();
        let mut joined = Joined::default();
        for message in world.messages(&erp) {
            joined.take(message, &facts);
            let Some(inventory) = joined.inventory() else { continue };
            let boundary = joined.stamp.unwrap().boundary.unwrap();
            // What must count: accepted as far as we know, not dropped as far as we know, not in the figure.
            // What may count besides: in the figure already, while nobody has told us so.
            let (mut must, mut may) = (0, 0);
            for (number, order) in world.orders.iter().enumerate() {
                let seen = joined.seen.get(&number).copied().unwrap_or(0);
                if seen == 0 || (order.fate == Fate::Dropped && seen == 2) {
                    continue;
                }
                let contained = erp.versions.get(&number).is_some_and(|version| *version < boundary);
                if !contained {
                    must += order.quantity;
                } else if seen == 1 {
                    may += order.quantity;
                }
            }
            let in_flight = inventory.locations[0].in_flight;
            prop_assert!(in_flight >= quantity(must), "forgotten: {in_flight} of {must}");
            prop_assert!(in_flight <= quantity(must + may), "counted twice: {in_flight} of {}", must + may);
        }
    }
}
