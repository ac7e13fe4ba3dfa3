//! DESIGN.md §8 for reservations: whatever order figures and events come in, what a store keeps for a customer is never offered, and
//! what the ERP deducts is not deducted again for longer than nobody has told us.

use std::collections::BTreeMap;

use millrace_values::{ChannelCode, LocationCode, Quantity, ReservationNumber, Sku, Timestamp};
use proptest::prelude::*;

use super::*;

/// So long a till may take, in acts of the ERP: longer than all of them together, until the very last figure.
const MARGIN: u64 = 1_000;

/// How far a reservation came. Each step happened after the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Requested,
    Placed,
    Posted,
    Fetched,
    /// Back in the store's stock, in the ERP.
    Returned,
    /// And sold at the till.
    Sold,
}

#[derive(Debug, Clone)]
struct Kept {
    quantity: u32,
    found: u32,
    fate: Fate,
    /// When the ERP does its steps, and when we hear of each.
    acts: [u16; 4],
    arrivals: [u16; 5],
}

#[derive(Debug, Clone)]
struct World {
    kept: Vec<Kept>,
    /// When each figure arrives, twice.
    arrivals: Vec<(u16, u16)>,
}

fn world() -> impl Strategy<Value = World> {
    let fate = prop::sample::select(vec![
        Fate::Requested,
        Fate::Placed,
        Fate::Posted,
        Fate::Fetched,
        Fate::Returned,
        Fate::Sold,
    ]);
    let kept = (
        1..6_u32,
        1..6_u32,
        fate,
        any::<[u16; 4]>(),
        any::<[u16; 5]>(),
    )
        .prop_map(|(quantity, found, fate, acts, arrivals)| Kept {
            quantity,
            found: found.min(quantity),
            fate,
            acts,
            arrivals,
        });
    let arrivals = prop::collection::vec((any::<u16>(), any::<u16>()), 24);
    (prop::collection::vec(kept, 0..6), arrivals)
        .prop_map(|(kept, arrivals)| World { kept, arrivals })
}

/// What the ERP did: row versions of placing, posting, returning and selling each, and a figure after every act.
struct Erp {
    versions: BTreeMap<(usize, usize), u64>,
    figures: Vec<Figures>,
}

impl World {
    fn erp(&self) -> Erp {
        let mut acts = Vec::new();
        for (number, kept) in self.kept.iter().enumerate() {
            let mut times = kept.acts.map(u32::from);
            times.sort_unstable();
            let steps = match kept.fate {
                Fate::Requested => 0,
                Fate::Placed => 1,
                Fate::Posted | Fate::Fetched => 2,
                Fate::Returned => 3,
                Fate::Sold => 4,
            };
            acts.extend((0..steps).map(|step| (times[step], number, step)));
        }
        acts.sort_unstable();
        let (mut on_hand, mut reserved) = (100_u32, 0_u32);
        let mut erp = Erp {
            versions: BTreeMap::new(),
            figures: vec![figure(1, on_hand, reserved)],
        };
        for (version, (_, number, step)) in (1_u64..).zip(acts) {
            let kept = &self.kept[number];
            match step {
                0 => reserved += kept.quantity,
                1 => (reserved, on_hand) = (reserved - kept.quantity, on_hand - kept.found),
                2 => on_hand += kept.found,
                _ => on_hand -= kept.found,
            }
            erp.versions.insert((number, step), version);
            erp.figures.push(figure(version + 1, on_hand, reserved));
        }
        erp
    }

    fn messages(&self, erp: &Erp) -> Vec<Message> {
        let mut messages = Vec::new();
        for (figure, (first, again)) in erp.figures.iter().zip(self.arrivals.iter().cycle()) {
            for at in [first, again] {
                messages.push((u32::from(*at), Message::Figure(figure.clone())));
            }
        }
        for (number, kept) in self.kept.iter().enumerate() {
            let mut times = kept.arrivals.map(u32::from);
            times.sort_unstable();
            for (fact, at) in kept.facts(number, erp).into_iter().zip(times) {
                messages.push((at, Message::Fact(number, fact)));
            }
        }
        messages.sort_by_key(|(at, _)| *at);
        messages.into_iter().map(|(_, message)| message).collect()
    }
}

enum Message {
    Figure(Figures),
    Fact(usize, OrderFact),
}

impl Kept {
    /// Requested, placed, posted, fetched, returned: as many as there were.
    fn facts(&self, number: usize, erp: &Erp) -> Vec<OrderFact> {
        let line = Taken {
            line: 1,
            item: ItemRef {
                number: Sku::parse("1900-S").unwrap(),
                id: None,
            },
            variant: None,
            location: Some(store()),
            ordered: quantity(self.quantity),
        };
        let document = |step: usize| {
            let version = *erp.versions.get(&(number, step))?;
            Some(Document {
                row_version: Some(version),
                at: at(version),
            })
        };
        let went_on =
            |document, returned, cancelled: u32, fetched: Option<u64>| OrderFact::WentOn {
                document,
                returned,
                shipped_at: fetched.map(at),
                lines: vec![Progress {
                    line: 1,
                    item: None,
                    location: None,
                    cancelled: quantity(cancelled),
                    shipped: quantity(fetched.map_or(0, |_| self.found)),
                }],
            };
        let rest = self.quantity - self.found;
        // He came after the goods were put aside, and before they were moved back.
        let came = erp.versions.get(&(number, 1)).copied();
        let facts = [
            OrderFact::Taken {
                placed_at: at(0),
                lines: vec![line],
            },
            went_on(document(0), None, 0, None),
            went_on(document(1), None, rest, None),
            went_on(None, None, rest, came),
            went_on(None, document(2), rest, came),
        ];
        let seen = match self.fate {
            Fate::Requested => 1,
            Fate::Placed => 2,
            Fate::Posted => 3,
            Fate::Fetched => 4,
            Fate::Returned | Fate::Sold => 5,
        };
        facts.into_iter().take(seen).collect()
    }

    /// What must not be offered besides what a figure below `boundary` deducts, and what may be held back besides, once `seen` facts
    /// are known.
    fn bounds(&self, number: usize, erp: &Erp, seen: usize, boundary: u64) -> (u32, u32) {
        let is_in = |step: usize| {
            let version = erp.versions.get(&(number, step));
            version.is_some_and(|version| *version < boundary)
        };
        let keeps = if seen >= 3 { self.found } else { self.quantity };
        match seen {
            0 => (0, 0),
            // Held. The figure deducts all of it, and later what was found, from when it was placed.
            1..=3 if !is_in(0) => (keeps, 0),
            1 => (0, keeps),
            2 | 3 => (0, 0),
            // With the customer.
            _ if is_in(3) => (0, self.found),
            _ if is_in(2) => (if seen >= 5 { self.found } else { 0 }, self.found),
            _ if is_in(0) => (0, self.found),
            _ => (self.found, 0),
        }
    }
}

#[derive(Default)]
struct Joined {
    stamp: Option<Stamp>,
    figures: Option<Figures>,
    in_flight: BTreeMap<usize, Vec<InFlight>>,
    seen: BTreeMap<usize, usize>,
}

impl Joined {
    fn take(&mut self, message: Message) {
        match message {
            Message::Figure(figures) => {
                let stamp = Stamp {
                    generation: 1,
                    boundary: figures.contains.boundary,
                    as_of: figures.as_of,
                };
                if self.stamp.is_none_or(|known| stamp.replaces(&known)) {
                    self.stamp = Some(stamp);
                    self.figures = Some(figures);
                }
            }
            Message::Fact(number, fact) => {
                let known = self.in_flight.remove(&number).unwrap_or_default();
                let number_of = ReservationNumber::parse(&number.to_string()).unwrap();
                let channel = ChannelCode::parse("shop").unwrap();
                let lines = follow(&channel, &Claim::Reservation(number_of), known, fact);
                self.in_flight.insert(number, lines);
                *self.seen.entry(number).or_default() += 1;
            }
        }
        // What is settled is dropped, as the service does.
        if let Some(figures) = &self.figures {
            for lines in self.in_flight.values_mut() {
                lines.retain(|line| !line.is_settled(&figures.contains));
            }
        }
    }

    fn place(&self) -> Option<LocationFigure> {
        let inventory = join(&Join {
            number: None,
            unit: None,
            figures: self.figures.clone(),
            in_flight: self.in_flight.values().flatten().cloned().collect(),
        })?;
        inventory.locations.into_iter().next()
    }
}

fn at(second: u64) -> Timestamp {
    Timestamp(jiff::Timestamp::from_second(i64::try_from(second).unwrap()).unwrap())
}

fn quantity(units: u32) -> Quantity {
    Quantity::from(units)
}

fn store() -> LocationCode {
    LocationCode::parse("STORE-HH").unwrap()
}

/// As of the moment of its boundary; every act takes a second.
fn figure(boundary: u64, on_hand: u32, reserved: u32) -> Figures {
    figure_at(boundary, boundary, on_hand, reserved)
}

fn figure_at(boundary: u64, second: u64, on_hand: u32, reserved: u32) -> Figures {
    let part = Part {
        location: store(),
        on_hand: quantity(on_hand),
        allocated: Quantity::ZERO,
        reserved: quantity(reserved),
        safety_stock: Quantity::ZERO,
    };
    Figures {
        parts: vec![part],
        as_of: at(second),
        contains: Contains {
            boundary: Some(boundary),
            settled: Timestamp(
                at(second)
                    .0
                    .saturating_sub(jiff::SignedDuration::from_secs(
                        i64::try_from(MARGIN).unwrap(),
                    ))
                    .unwrap(),
            ),
            sales_orders: true,
        },
    }
}

proptest! {
    #[test]
    fn what_is_kept_is_never_offered_and_deducted_once(world in world()) {
        let erp = world.erp();
        let mut joined = Joined::default();
        for message in world.messages(&erp) {
            joined.take(message);
            let Some(place) = joined.place() else { continue };
            let boundary = joined.stamp.unwrap().boundary.unwrap();
            let (mut must, mut may) = (0, 0);
            for (number, kept) in world.kept.iter().enumerate() {
                let seen = joined.seen.get(&number).copied().unwrap_or(0);
                let (least, more) = kept.bounds(number, &erp, seen, boundary);
                must += least;
                may += least + more;
            }
            prop_assert!(place.in_flight >= quantity(must), "offered: {} of {must} are held back", place.in_flight);
            prop_assert!(place.in_flight <= quantity(may), "twice: {} of at most {may} are held back", place.in_flight);
            prop_assert_eq!(place.reservations, place.in_flight);
        }
        // Long afterwards only what the ERP was never told of, and what is on its way back, is not in its figure.
        let last = erp.figures.last().unwrap();
        let (boundary, part) = (last.contains.boundary.unwrap(), &last.parts[0]);
        let mut late = figure_at(boundary, 2 * MARGIN, 0, 0);
        late.parts = last.parts.clone();
        joined.take(Message::Figure(late));
        let untold = world.kept.iter().filter(|kept| kept.fate == Fate::Requested);
        let untold: u32 = untold.map(|kept| kept.quantity).sum();
        let place = joined.place().unwrap();
        prop_assert_eq!(place.available(), part.on_hand - part.reserved - quantity(untold));
    }
}
