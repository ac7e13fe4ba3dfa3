//! What is published about one item and variant: the ERP's parts and what is in flight, joined.

use std::collections::BTreeMap;
use std::convert::Infallible;

use millrace_event_store::Decider;
use millrace_values::{ChannelCode, LocationCode, Quantity, Sku, Timestamp, UnitCode};

use super::figures::Figures;
use super::in_flight::{Claim, InFlight};

/// All figures of one item and variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// `None` while the item is not known yet.
    pub number: Option<Sku>,
    pub unit: Option<UnitCode>,
    /// When the ERP calculated its part.
    pub as_of: Timestamp,
    /// What the ERP's part contains: documents with a row version below, and what happened up to a moment.
    pub boundary: Option<u64>,
    pub settled: Option<Timestamp>,
    /// By location code.
    pub locations: Vec<LocationFigure>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationFigure {
    pub location: LocationCode,
    pub on_hand: Quantity,
    pub allocated: Quantity,
    pub reserved: Quantity,
    pub in_flight: Quantity,
    pub safety_stock: Quantity,
    /// The part of `in_flight` that is due to reservations.
    pub reservations: Quantity,
    /// By channel code; channels without anything in flight here are not named.
    pub channels: Vec<ChannelInFlight>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelInFlight {
    pub channel: ChannelCode,
    /// Placed after the figure's `as_of`.
    pub after_as_of: Quantity,
    pub total: Quantity,
}

impl LocationFigure {
    /// May be negative: shown as zero only after summing.
    #[must_use]
    pub fn available(&self) -> Quantity {
        self.on_hand - self.allocated - self.reserved - self.in_flight - self.safety_stock
    }
}

/// Everything known about one item and variant now.
#[derive(Debug, Clone)]
pub struct Join {
    pub number: Option<Sku>,
    pub unit: Option<UnitCode>,
    /// `None`: the ERP has no figure; nothing is known, which is not zero.
    pub figures: Option<Figures>,
    pub in_flight: Vec<InFlight>,
}

/// Joins the ERP's parts with what is in flight. `None`: unknown.
///
/// What is in flight at a location without a figure gets one of its own there: the ERP knows the item, and nothing lies in
/// that place. A figure without sales orders may be a total: what is in flight where it has no part is taken from the first it has.
#[must_use]
pub fn join(join: &Join) -> Option<Inventory> {
    let figures = join.figures.as_ref()?;
    let first = figures.parts.first()?;
    let mut locations: BTreeMap<&LocationCode, LocationFigure> = figures
        .parts
        .iter()
        .map(|part| (&part.location, LocationFigure::of(part)))
        .collect();
    for line in &join.in_flight {
        let missing = line.missing_from(&figures.contains);
        if missing.is_zero() {
            continue;
        }
        let location = match &line.location {
            Some(location) if figures.contains.sales_orders || locations.contains_key(location) => {
                location
            }
            Some(_) | None => &first.location,
        };
        let place = locations
            .entry(location)
            .or_insert_with(|| LocationFigure::empty(location));
        place.count(line, missing, figures.as_of);
    }
    Some(Inventory {
        number: join.number.clone(),
        unit: join.unit.clone(),
        as_of: figures.as_of,
        boundary: figures.contains.boundary,
        settled: Some(figures.contains.settled),
        locations: locations.into_values().collect(),
    })
}

impl LocationFigure {
    fn of(part: &super::figures::Part) -> Self {
        Self {
            on_hand: part.on_hand,
            allocated: part.allocated,
            reserved: part.reserved,
            safety_stock: part.safety_stock,
            ..Self::empty(&part.location)
        }
    }

    fn empty(location: &LocationCode) -> Self {
        Self {
            location: location.clone(),
            on_hand: Quantity::ZERO,
            allocated: Quantity::ZERO,
            reserved: Quantity::ZERO,
            in_flight: Quantity::ZERO,
            safety_stock: Quantity::ZERO,
            reservations: Quantity::ZERO,
            channels: vec![],
        }
    }

    fn count(&mut self, line: &InFlight, missing: Quantity, as_of: Timestamp) {
        self.in_flight = self.in_flight + missing;
        if matches!(line.claim, Claim::Reservation(_)) {
            // No shop deducts it by itself.
            self.reservations = self.reservations + missing;
            return;
        }
        let at = match self
            .channels
            .binary_search_by(|channel| channel.channel.cmp(&line.channel))
        {
            Ok(at) => at,
            Err(at) => {
                let channel = line.channel.clone();
                self.channels.insert(
                    at,
                    ChannelInFlight {
                        channel,
                        after_as_of: Quantity::ZERO,
                        total: Quantity::ZERO,
                    },
                );
                at
            }
        };
        let channel = &mut self.channels[at];
        channel.total = channel.total + missing;
        if line.placed_at > as_of {
            channel.after_as_of = channel.after_as_of + missing;
        }
    }
}

/// The rule of the stream of one item and variant: only real differences are events.
#[derive(Debug)]
pub struct Shelf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Changed(Inventory),
    Deleted,
}

impl Decider for Shelf {
    type State = Option<Inventory>;
    type Command = Join;
    type Event = Event;
    type Rejection = Infallible;

    fn decide(known: &Option<Inventory>, command: Join) -> Result<Vec<Event>, Infallible> {
        Ok(match (known, join(&command)) {
            (Some(known), Some(now))
                if known.says_the_same_as(&now) && !settles(&command.in_flight, known, &now) =>
            {
                vec![]
            }
            (_, Some(now)) => vec![Event::Changed(now)],
            (Some(_), None) => vec![Event::Deleted],
            (None, None) => vec![],
        })
    }

    fn evolve(_: Option<Inventory>, event: &Event) -> Option<Inventory> {
        match event {
            Event::Changed(inventory) => Some(inventory.clone()),
            Event::Deleted => None,
        }
    }
}

/// Whether somebody waits to be told that what was fetched is contained now: it may have been before anybody told us of it.
fn settles(in_flight: &[InFlight], known: &Inventory, now: &Inventory) -> bool {
    let mut fetched = in_flight.iter().filter_map(InFlight::fetched_from);
    fetched.any(|moment| known.settled < Some(moment) && Some(moment) <= now.settled)
}

impl Inventory {
    /// Time passing alone is nothing new: `as_of` and what depends on it may differ. The older pair stays right for a shop
    /// that deducts its own orders, because both belong together.
    fn says_the_same_as(&self, other: &Self) -> bool {
        let Self {
            number,
            unit,
            as_of: _,
            boundary: _,
            settled: _,
            locations,
        } = self;
        let same = |(mine, other): (&LocationFigure, &LocationFigure)| {
            let channels = mine.channels.iter().zip(&other.channels);
            mine.location == other.location
                && (mine.on_hand, mine.allocated, mine.reserved)
                    == (other.on_hand, other.allocated, other.reserved)
                && (mine.in_flight, mine.safety_stock) == (other.in_flight, other.safety_stock)
                && mine.reservations == other.reservations
                && mine.channels.len() == other.channels.len()
                && channels
                    .into_iter()
                    .all(|(mine, other)| mine.channel == other.channel && mine.total == other.total)
        };
        number == &other.number
            && unit == &other.unit
            && locations.len() == other.locations.len()
            && locations.iter().zip(&other.locations).all(same)
    }
}

#[cfg(test)]
mod tests {
    use millrace_event_store::given;
    use millrace_values::{OrderNumber, ReservationNumber};

    use super::super::figures::{Contains, Part};
    use super::super::in_flight::{Document, Goods, ItemRef};
    use super::*;

    /// Rows 74 and 81.
    #[test]
    fn available_is_what_is_there_less_everything_that_is_bound() {
        let now = join(&counted(10).with(ordered(2, None))).unwrap();
        assert_eq!(
            now.locations[0].available(),
            quantity(10 - 1 - 1 - 1) - quantity(2)
        );
    }

    #[test]
    fn a_new_figure_is_an_event() {
        given::<Shelf>([changed(&counted(10))])
            .when(counted(9))
            .then([changed(&counted(9))]);
    }

    #[test]
    fn the_same_figure_at_a_later_moment_is_none() {
        given::<Shelf>([changed(&counted(10))])
            .when(later(counted(10)))
            .then_nothing();
    }

    #[test]
    fn an_order_lowers_the_figure_at_once() {
        let with = counted(10).with(ordered(2, None));
        given::<Shelf>([changed(&counted(10))])
            .when(with.clone())
            .then([changed(&with)]);
    }

    /// Row 114.
    #[test]
    fn an_order_the_figure_contains_counts_no_more() {
        let contained = counted(10).with(ordered(2, Some(99)));
        given::<Shelf>([changed(&counted(10))])
            .when(contained)
            .then_nothing();
    }

    #[test]
    fn an_order_of_the_channel_after_the_figure_is_told_apart() {
        let now = join(&counted(10).with(ordered(2, None))).unwrap();
        assert_eq!(
            (
                now.locations[0].channels[0].total,
                now.locations[0].channels[0].after_as_of
            ),
            (quantity(2), quantity(2))
        );
        let now = join(&later(counted(10).with(ordered(2, None)))).unwrap();
        assert_eq!(
            (
                now.locations[0].channels[0].total,
                now.locations[0].channels[0].after_as_of
            ),
            (quantity(2), Quantity::ZERO)
        );
    }

    #[test]
    fn an_order_from_a_place_without_figure_makes_that_place_known() {
        let mut line = ordered(2, None);
        line.location = Some(location("WEST"));
        let now = join(&counted(10).with(line)).unwrap();
        assert_eq!(now.locations.len(), 2);
        assert_eq!(now.locations[1].available(), -quantity(2));
    }

    #[test]
    fn what_was_fetched_and_is_contained_before_it_is_told_is_told_once() {
        let fetched = InFlight {
            claim: Claim::Reservation(ReservationNumber::parse("R-1").unwrap()),
            shipped: Goods {
                total: quantity(2),
                before: Quantity::ZERO,
                at: Some(at(20)),
            },
            ..ordered(2, None)
        };
        let settled = |second| {
            let mut join = counted(10);
            if let Some(figures) = &mut join.figures {
                figures.contains.settled = at(second);
            }
            join
        };
        let before = changed(&settled(10));
        let now = settled(20).with(fetched);
        given::<Shelf>([before.clone()])
            .when(now.clone())
            .then([changed(&now)]);
        given::<Shelf>([before, changed(&now)])
            .when(now)
            .then_nothing();
    }

    #[test]
    fn an_order_alone_makes_nothing_known() {
        let join = Join {
            figures: None,
            ..counted(10).with(ordered(2, None))
        };
        given::<Shelf>([]).when(join).then_nothing();
    }

    /// An ERP may know each location's pieces and not what its orders bind.
    #[test]
    fn what_is_in_flight_is_taken_from_its_own_location_and_only_then_from_a_total() {
        let at_west = |join: Join| {
            let line = InFlight {
                location: Some(location("WEST")),
                ..ordered(2, Some(7))
            };
            let found = super::join(&join.with(line)).unwrap();
            let taken = found.locations.iter().map(|place| {
                let in_flight = place.in_flight.to_string();
                (place.location.to_string(), in_flight)
            });
            taken.collect::<Vec<_>>()
        };
        let mut total = counted(10);
        let figures = total.figures.as_mut().unwrap();
        figures.contains.sales_orders = false;
        let mut places = total.clone();
        assert_eq!(at_west(total), [("EAST".to_owned(), "2".to_owned())]);
        let figures = places.figures.as_mut().unwrap();
        figures.parts.push(Part {
            location: location("WEST"),
            ..figures.parts[0].clone()
        });
        let (east, west) = (("EAST", "0"), ("WEST", "2"));
        let expected = [east, west].map(|(place, count)| (place.to_owned(), count.to_owned()));
        assert_eq!(at_west(places), expected);
    }

    #[test]
    fn an_item_without_figures_any_more_is_deleted_once() {
        let gone = Join {
            figures: None,
            ..counted(10)
        };
        given::<Shelf>([changed(&counted(10))])
            .when(gone.clone())
            .then([Event::Deleted]);
        given::<Shelf>([changed(&counted(10)), Event::Deleted])
            .when(gone)
            .then_nothing();
    }

    fn at(second: u8) -> Timestamp {
        Timestamp::parse(&format!("2026-01-01T10:00:{second:02}Z")).unwrap()
    }

    fn quantity(units: u32) -> Quantity {
        Quantity::from(units)
    }

    fn location(code: &str) -> LocationCode {
        LocationCode::parse(code).unwrap()
    }

    fn counted(on_hand: u32) -> Join {
        let one = quantity(1);
        let part = Part {
            location: location("EAST"),
            on_hand: quantity(on_hand),
            allocated: one,
            reserved: one,
            safety_stock: one,
        };
        let contains = Contains {
            boundary: Some(100),
            settled: at(0),
            sales_orders: true,
        };
        Join {
            number: Sku::parse("1900-S").ok(),
            unit: UnitCode::parse("PCS").ok(),
            figures: Some(Figures {
                parts: vec![part],
                as_of: at(10),
                contains,
            }),
            in_flight: vec![],
        }
    }

    fn later(mut join: Join) -> Join {
        if let Some(figures) = &mut join.figures {
            figures.as_of = at(40);
        }
        join
    }

    fn ordered(units: u32, row_version: Option<u64>) -> InFlight {
        InFlight {
            channel: ChannelCode::parse("shop").unwrap(),
            claim: Claim::Order(OrderNumber::parse("O-1").unwrap()),
            line: 1,
            item: ItemRef {
                number: Sku::parse("1900-S").unwrap(),
                id: None,
            },
            variant: None,
            location: None,
            ordered: quantity(units),
            cancelled: Quantity::ZERO,
            shipped: Goods::default(),
            placed_at: at(20),
            document: row_version.map(|version| Document {
                row_version: Some(version),
                at: at(21),
            }),
            returned: None,
        }
    }

    fn changed(from: &Join) -> Event {
        Event::Changed(join(from).unwrap())
    }

    impl Join {
        fn with(mut self, line: InFlight) -> Self {
            self.in_flight.push(line);
            self
        }
    }
}
