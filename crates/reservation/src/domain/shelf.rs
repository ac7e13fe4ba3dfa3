//! What is held of one item in one store. The figure says what is there; a shelf never holds more than that.
//!
//! The ERP's figure knows some of it already: an open or posted transfer request is deducted there, and a figure whose boundary is
//! above the request's row version contains it. And a figure does not know yet that a customer took goods with him until the till
//! has told it. A shelf keeps both, so that each piece counts once.

use std::fmt;

use millrace_values::{ErpCode, LocationCode, Quantity, SystemId, Timestamp, VariantCode};

/// Entries of one kind that a shelf tells apart; beyond it the oldest become one, which errs to less.
const MOST_ENTRIES: usize = 64;

/// An item, or a variant of it, in a store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShelfKey {
    pub erp: ErpCode,
    pub location: LocationCode,
    pub item: SystemId,
    pub variant: Option<VariantCode>,
}

impl ShelfKey {
    /// Its stream.
    #[must_use]
    pub fn stream(&self) -> String {
        self.to_string()
    }

    /// The other way round. Codes of the ERP may hold a slash; its id between them tells them apart.
    #[must_use]
    pub fn of_stream(stream: &str) -> Option<Self> {
        let (erp, rest) = stream.strip_prefix("shelf/")?.split_once('/')?;
        let mut slashes = rest.match_indices('/').map(|(at, _)| at);
        let (location, item, rest) = slashes.find_map(|at| {
            let (item, variant) = rest[at + 1..].split_once('/')?;
            Some((&rest[..at], SystemId::parse(item).ok()?, variant))
        })?;
        Some(Self {
            erp: ErpCode::parse(erp).ok()?,
            location: LocationCode::parse(location).ok()?,
            item,
            variant: VariantCode::parse_optional(rest).ok()?,
        })
    }

    /// What lies there, wherever it lies.
    #[must_use]
    pub fn thing(&self) -> String {
        thing(&self.erp, self.item, self.variant.as_ref())
    }
}

/// An item, or a variant of it, of a company.
#[must_use]
pub fn thing(erp: &ErpCode, item: SystemId, variant: Option<&VariantCode>) -> String {
    let variant = variant.map_or("", VariantCode::as_str);
    format!("{erp}/{item}/{variant}")
}

impl fmt::Display for ShelfKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            erp,
            location,
            item,
            variant,
        } = self;
        let variant = variant.as_ref().map_or("", VariantCode::as_str);
        write!(formatter, "shelf/{erp}/{location}/{item}/{variant}")
    }
}

/// What is held, and how far figures know of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shelf {
    /// For reservations that have not ended.
    pub held: Quantity,
    /// The part of it that the ERP knows, since which row version; ascending.
    pub told: Vec<(u64, Quantity)>,
    /// What customers took with them: a figure settled by then knows what became of it. `None`: no figure does yet.
    pub fetched: Vec<(Option<Timestamp>, Quantity)>,
}

/// What the last figure says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figure {
    /// What it leaves to reservations, none of them subtracted but those it contains.
    pub there: Quantity,
    /// It contains requests with a row version below.
    pub boundary: Option<u64>,
    /// It contains what happened up to here.
    pub settled: Option<Timestamp>,
}

/// Since which row version the ERP knows something; `None`: it does not.
pub type Told = Option<u64>;

/// What happens to a shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    Take(Quantity),
    /// Is free again.
    GiveBack(Quantity, Told),
    /// The ERP knows of it, since that row version; before, since another one or not at all.
    Tell(Quantity, Told, u64),
    /// Leaves with a customer. The moment is when; `None`: the ERP has yet to move it back to the store.
    Fetch(Quantity, Told, Option<Timestamp>),
    /// What was fetched without a moment is back in the store's stock, in the ERP, since then.
    Settle(Quantity, Timestamp),
}

impl Move {
    /// By how much more, or less, is held after it.
    #[must_use]
    pub fn quantity(&self) -> Quantity {
        match self {
            Self::Take(quantity) => *quantity,
            Self::GiveBack(quantity, _) | Self::Fetch(quantity, ..) => -*quantity,
            Self::Tell(..) | Self::Settle(..) => Quantity::ZERO,
        }
    }
}

impl Shelf {
    /// What can still be taken; negative: less is there than is held.
    #[must_use]
    pub fn left(&self, figure: &Figure) -> Quantity {
        let fetched = self.fetched.iter();
        let gone = fetched.filter(|(since, _)| !knows(figure, *since));
        let gone: Quantity = gone.map(|(_, quantity)| *quantity).sum();
        figure.there - self.unknown_to(figure) - gone
    }

    /// How much less is there than is held. What customers took is not counted: it is a reason to give nothing more away, but the
    /// till may have told it already.
    #[must_use]
    pub fn missing(&self, figure: &Figure) -> Quantity {
        (self.unknown_to(figure) - figure.there).at_least_zero()
    }

    /// What is held and the figure does not contain.
    fn unknown_to(&self, figure: &Figure) -> Quantity {
        let contains = |since: u64| figure.boundary.is_some_and(|boundary| since < boundary);
        let told = self.told.iter().filter(|(since, _)| contains(*since));
        let contained: Quantity = told.map(|(_, quantity)| *quantity).sum();
        self.held - contained
    }

    /// The shelf after `moved`. `figure` is the last one; `None`: nobody knows what is there.
    ///
    /// # Errors
    /// Not enough is there. Everything but taking is always done: the figure may have fallen below what is held.
    pub fn after(self, moved: &Move, figure: Option<&Figure>) -> Result<Self, NotThere> {
        let mut shelf = self;
        match moved {
            Move::Take(quantity) => {
                let figure = figure.ok_or(NotThere::Unknown)?;
                let left = shelf.left(figure);
                if *quantity > left {
                    return Err(NotThere::TooLow {
                        left: left.at_least_zero(),
                    });
                }
                // Nobody takes from it now: what this figure knows needs no keeping.
                shelf.fetched.retain(|(since, _)| !knows(figure, *since));
                shelf.held = shelf.held + *quantity;
            }
            Move::GiveBack(quantity, told) => shelf.release(*quantity, *told),
            Move::Tell(quantity, before, since) => {
                shelf.forget(*quantity, *before);
                let at = shelf.told.partition_point(|(known, _)| known < since);
                shelf.told.insert(at, (*since, *quantity));
                if shelf.told.len() > MOST_ENTRIES {
                    let (_, oldest) = shelf.told.remove(0);
                    shelf.told[0].1 = shelf.told[0].1 + oldest;
                }
            }
            Move::Fetch(quantity, told, since) => {
                shelf.release(*quantity, *told);
                shelf.fetch(*quantity, *since);
            }
            Move::Settle(quantity, since) => {
                let mut open = *quantity;
                for (_, waiting) in shelf.fetched.iter_mut().filter(|(at, _)| at.is_none()) {
                    let settled = open.min(*waiting);
                    *waiting = *waiting - settled;
                    open = open - settled;
                }
                shelf.fetched.retain(|(_, waiting)| !waiting.is_zero());
                shelf.fetch(*quantity, Some(*since));
            }
        }
        Ok(shelf)
    }

    fn fetch(&mut self, quantity: Quantity, since: Option<Timestamp>) {
        self.fetched.push((since, quantity));
        if self.fetched.len() > MOST_ENTRIES {
            let latest = self.fetched.iter().filter_map(|(since, _)| *since).max();
            let (open, gone): (Vec<_>, Vec<_>) = self
                .fetched
                .drain(..)
                .partition(|(since, _)| since.is_none());
            let sum = |entries: Vec<(Option<Timestamp>, Quantity)>| {
                entries.into_iter().map(|(_, quantity)| quantity).sum()
            };
            self.fetched = [(None, sum(open)), (latest, sum(gone))].into();
            self.fetched.retain(|(_, quantity)| !quantity.is_zero());
        }
    }

    /// Is not held any more, and what the ERP knew of it neither.
    fn release(&mut self, quantity: Quantity, told: Told) {
        self.held = (self.held - quantity).at_least_zero();
        self.forget(quantity, told);
    }

    /// The ERP does not know of it any more.
    fn forget(&mut self, quantity: Quantity, told: Told) {
        let Some(since) = told else { return };
        // Entries that became one stand under a later row version.
        let mut open = quantity;
        for (known, told) in &mut self.told {
            if *known >= since {
                let released = open.min(*told);
                *told = *told - released;
                open = open - released;
            }
        }
        self.told.retain(|(_, quantity)| !quantity.is_zero());
    }
}

/// Whether the figure knows what became of goods that were fetched.
fn knows(figure: &Figure, since: Option<Timestamp>) -> bool {
    match (since, figure.settled) {
        (Some(since), Some(settled)) => since <= settled,
        (Some(_) | None, _) => false,
    }
}

/// How much of each of `held`, the newest first, is missing when `missing` is in all.
#[must_use]
pub fn shortfalls(held: &[Quantity], missing: Quantity) -> Vec<Quantity> {
    let mut open = missing.at_least_zero();
    let short = held.iter().map(|held| {
        let short = open.min(*held);
        open = open - short;
        short
    });
    short.collect()
}

/// Why a shelf does not give what is asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotThere {
    /// No figure of the store is known.
    Unknown,
    TooLow {
        /// What could still be taken.
        left: Quantity,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(count: u32) -> Quantity {
        Quantity::from(count)
    }

    fn second(second: i64) -> Timestamp {
        Timestamp(jiff::Timestamp::from_second(second).unwrap())
    }

    fn figure(there: u32) -> Figure {
        Figure {
            there: pieces(there),
            boundary: None,
            settled: None,
        }
    }

    fn holding(count: u32) -> Shelf {
        Shelf {
            held: pieces(count),
            ..Shelf::default()
        }
    }

    fn after(shelf: Shelf, moves: &[Move]) -> Shelf {
        moves
            .iter()
            .fold(shelf, |shelf, moved| shelf.after(moved, None).unwrap())
    }

    #[test]
    fn a_shelf_is_known_by_its_stream() {
        for (location, variant) in [("STORE-HH", ""), ("A/B", "RED/XL"), ("00/00", "M")] {
            let shelf = ShelfKey {
                erp: ErpCode::parse("bc-main").unwrap(),
                location: LocationCode::parse(location).unwrap(),
                item: SystemId::parse("01a21fc1-6a5d-7c7f-a961-9f17cd5b5a93").unwrap(),
                variant: VariantCode::parse_optional(variant).unwrap(),
            };
            assert_eq!(ShelfKey::of_stream(&shelf.stream()), Some(shelf));
        }
        for other in [
            "shelf/bc-main/STORE-HH",
            "reservation/a/1",
            "shelf/bc-main/A/b/c",
        ] {
            assert_eq!(ShelfKey::of_stream(other), None, "{other}");
        }
    }

    #[test]
    fn a_shelf_gives_what_is_there_to_the_last_piece_and_no_more() {
        let take = |count| Move::Take(pieces(count));
        let taken = holding(3).after(&take(2), Some(&figure(5)));
        assert_eq!(taken, Ok(holding(5)));
        let short = NotThere::TooLow { left: pieces(0) };
        assert_eq!(holding(5).after(&take(1), Some(&figure(5))), Err(short));
        assert_eq!(holding(5).after(&take(1), Some(&figure(2))), Err(short));
    }

    #[test]
    fn unknown_stock_is_not_zero_and_gives_nothing() {
        let taken = holding(0).after(&Move::Take(pieces(1)), None);
        assert_eq!(taken, Err(NotThere::Unknown));
    }

    #[test]
    fn what_comes_back_is_taken_whatever_the_figure_says() {
        let back = Move::GiveBack(pieces(2), None);
        let after = holding(5).after(&back, Some(&figure(1)));
        assert_eq!(after, Ok(holding(3)));
        assert_eq!(holding(5).after(&back, None), Ok(holding(3)));
    }

    #[test]
    fn what_the_figure_contains_is_not_subtracted_twice() {
        let shelf = after(holding(3), &[Move::Tell(pieces(2), None, 10)]);
        let seen_at = |boundary| Figure {
            boundary: Some(boundary),
            ..figure(8)
        };
        assert_eq!(shelf.left(&seen_at(10)), pieces(5), "not yet contained");
        assert_eq!(shelf.left(&seen_at(11)), pieces(7));
        let free = after(shelf, &[Move::GiveBack(pieces(2), Some(10))]);
        assert_eq!(free, holding(1));
    }

    #[test]
    fn what_a_customer_took_with_him_is_not_there_until_a_figure_knows() {
        let shelf = after(
            holding(2),
            &[Move::Fetch(pieces(2), None, Some(second(40)))],
        );
        let settled = |at| Figure {
            settled: Some(second(at)),
            ..figure(2)
        };
        assert_eq!(shelf.left(&figure(2)), pieces(0));
        assert_eq!(shelf.left(&settled(39)), pieces(0));
        assert_eq!(shelf.left(&settled(40)), pieces(2));
    }

    #[test]
    fn what_the_till_told_early_is_not_missing() {
        // Two were held; one was fetched, and the till has told it within the margin.
        let fetched = Move::Fetch(pieces(1), None, Some(second(40)));
        let shelf = after(holding(2), &[fetched]);
        assert_eq!(
            shelf.left(&figure(1)),
            -pieces(1),
            "nothing more is given away"
        );
        assert_eq!(shelf.missing(&figure(1)), pieces(0));
        assert_eq!(shelf.missing(&figure(0)), pieces(1));
    }

    #[test]
    fn an_erp_that_was_restored_knows_it_anew() {
        let told = [
            Move::Tell(pieces(2), None, 50),
            Move::Tell(pieces(2), Some(50), 40),
        ];
        let shelf = after(holding(2), &told);
        assert_eq!(shelf.told, [(40, pieces(2))]);
    }

    #[test]
    fn what_the_erp_has_yet_to_move_back_no_figure_knows() {
        let fetched = Move::Fetch(pieces(2), Some(10), None);
        let shelf = after(holding(2), &[Move::Tell(pieces(2), None, 10), fetched]);
        let late = Figure {
            settled: Some(second(1_000_000)),
            ..figure(2)
        };
        assert_eq!(shelf.left(&late), pieces(0));
        let shelf = after(shelf, &[Move::Settle(pieces(2), second(50))]);
        assert_eq!(shelf.fetched, [(Some(second(50)), pieces(2))]);
        assert_eq!(shelf.left(&late), pieces(2));
    }

    #[test]
    fn the_newest_reservations_are_short_first() {
        let held = [pieces(1), pieces(3), pieces(2)];
        let short = |missing| shortfalls(&held, missing);
        assert_eq!(short(pieces(2)), [pieces(1), pieces(1), pieces(0)]);
        assert_eq!(short(-pieces(2)), [pieces(0), pieces(0), pieces(0)]);
    }

    proptest! {
        /// However many come and go, a shelf stays small, and nothing is left over when all have gone and all is known.
        #[test]
        fn a_shelf_stays_small_and_ends_empty(quantities in prop::collection::vec((1..9_u32, prop::option::of(1..500_u64), any::<bool>()), 1..300)) {
            let mut shelf = Shelf::default();
            for (count, told, _) in &quantities {
                shelf = shelf.after(&Move::Take(pieces(*count)), Some(&figure(u32::MAX))).unwrap();
                if let Some(told) = told {
                    shelf = after(shelf, &[Move::Tell(pieces(*count), None, *told)]);
                }
                prop_assert!(shelf.told.len() <= MOST_ENTRIES);
            }
            for (count, told, fetched) in quantities.iter().rev() {
                let (count, told) = (pieces(*count), *told);
                let moves = match (fetched, told) {
                    (false, _) => vec![Move::GiveBack(count, told)],
                    (true, None) => vec![Move::Fetch(count, None, Some(second(1)))],
                    (true, Some(_)) => vec![Move::Fetch(count, told, None), Move::Settle(count, second(2))],
                };
                shelf = after(shelf, &moves);
                prop_assert!(shelf.fetched.len() <= MOST_ENTRIES);
            }
            prop_assert!(shelf.held.is_zero());
            let all_known = Figure { settled: Some(second(2)), boundary: Some(1_000), ..figure(7) };
            prop_assert_eq!(shelf.left(&all_known), pieces(7));
        }
    }
}
