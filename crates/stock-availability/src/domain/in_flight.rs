//! Shop orders, and reservations in stores, that the ERP's figures do not contain yet, line by line.
//!
//! An order counts from the moment it was accepted, held or not: its customer has a confirmation, and what holds it is our
//! paperwork. It leaves when it is cancelled or dropped, or when the figure contains it. That goods were shipped does not
//! make it leave by itself: a figure from before the order still shows them.
//!
//! A reservation counts from the moment it was made until it is given up, or until the figure contains its transfer request: then
//! the ERP deducts it itself. What was fetched counts until the till has had time to tell: from when the goods are back in the store's
//! stock there, or, where the ERP has no part in it, from when they left. It leaves when the figure contains that moment.

use std::collections::BTreeMap;

use millrace_values::{
    ChannelCode, LocationCode, OrderNumber, Quantity, ReservationNumber, Sku, SystemId, Timestamp,
    VariantCode,
};

use super::figures::Contains;

/// Whose goods they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    Order(OrderNumber),
    Reservation(ReservationNumber),
}

/// One line of a shop order or a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    pub channel: ChannelCode,
    pub claim: Claim,
    pub line: u32,
    pub item: ItemRef,
    pub variant: Option<VariantCode>,
    /// `None`: nobody said; it is taken from where the figures are.
    pub location: Option<LocationCode>,
    pub ordered: Quantity,
    pub cancelled: Quantity,
    pub shipped: Goods,
    pub placed_at: Timestamp,
    /// The earliest document known that it became.
    pub document: Option<Document>,
    /// Of a reservation: what brought its goods back to the store's stock.
    pub returned: Option<Document>,
}

/// The item as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRef {
    pub number: Sku,
    pub id: Option<SystemId>,
}

/// A document of the ERP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document {
    pub row_version: Option<u64>,
    pub at: Timestamp,
}

/// Goods that left: in all, and what had left before the last shipment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Goods {
    pub total: Quantity,
    pub before: Quantity,
    pub at: Option<Timestamp>,
}

/// A line as it was ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub line: u32,
    pub item: ItemRef,
    pub variant: Option<VariantCode>,
    pub location: Option<LocationCode>,
    pub ordered: Quantity,
}

/// How far a line has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub line: u32,
    pub item: Option<SystemId>,
    pub location: Option<LocationCode>,
    pub cancelled: Quantity,
    pub shipped: Quantity,
}

/// What an order's event says to stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderFact {
    /// Accepted, or mended: these are its lines from now on.
    Taken {
        placed_at: Timestamp,
        lines: Vec<Taken>,
    },
    /// The lines went on; `document` where the event is about one, `shipped_at` where goods left.
    WentOn {
        document: Option<Document>,
        /// What brought a reservation's goods back.
        returned: Option<Document>,
        shipped_at: Option<Timestamp>,
        lines: Vec<Progress>,
    },
}

impl InFlight {
    /// What it takes from a figure that contains `contains`: nothing once it is in there.
    #[must_use]
    pub fn missing_from(&self, contains: &Contains) -> Quantity {
        if matches!(self.claim, Claim::Reservation(_)) {
            let held = if self.is_contained(contains) {
                Quantity::ZERO
            } else {
                self.reserved()
            };
            let gone = if self.is_fetched_known(contains) {
                Quantity::ZERO
            } else {
                self.shipped.total
            };
            return held + gone;
        }
        let open = self.ordered - self.cancelled;
        if contains.sales_orders {
            return if self.is_contained(contains) {
                Quantity::ZERO
            } else {
                open
            };
        }
        let left = match self.shipped.at {
            Some(at) if contains.moment(at) => self.shipped.total,
            Some(_) => self.shipped.before,
            None => Quantity::ZERO,
        };
        (open - left).at_least_zero()
    }

    fn is_contained(&self, contains: &Contains) -> bool {
        let document = self.document.as_ref();
        document.is_some_and(|document| contains.document(document))
    }

    /// What a store holds back for a reservation at this moment.
    fn reserved(&self) -> Quantity {
        self.ordered - self.cancelled - self.shipped.total
    }

    /// Whether the figure knows where the goods are that were fetched.
    fn is_fetched_known(&self, contains: &Contains) -> bool {
        let is_back = self
            .returned
            .as_ref()
            .is_some_and(|returned| contains.document(returned));
        // What was put aside left the store's figure, and comes back to it before it is sold.
        if self.is_contained(contains) && !is_back {
            return true;
        }
        self.fetched_from()
            .is_none_or(|moment| contains.moment(moment))
    }

    /// From when on the till may tell what was fetched; `None`: nothing was.
    #[must_use]
    pub fn fetched_from(&self) -> Option<Timestamp> {
        let at = self.shipped.at?;
        Some(self.returned.map_or(at, |returned| at.max(returned.at)))
    }

    /// Nothing of it will ever count again for figures from here on.
    #[must_use]
    pub fn is_settled(&self, contains: &Contains) -> bool {
        if self.ordered == self.cancelled {
            return true;
        }
        match self.claim {
            Claim::Order(_) => self.missing_from(contains).is_zero(),
            Claim::Reservation(_) => {
                let is_still_to_return = self.document.is_some() && self.returned.is_none();
                let is_known = |moment| contains.moment(moment) && !is_still_to_return;
                self.reserved().is_zero() && self.fetched_from().is_none_or(is_known)
            }
        }
    }
}

impl Document {
    /// The one that entered the ERP first: a figure that contains it contains the order.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        match (self.row_version, other.row_version) {
            (Some(mine), Some(theirs)) if theirs < mine => other,
            (None, Some(_)) => other,
            (None, None) if other.at < self.at => other,
            (Some(_), Some(_) | None) | (None, None) => self,
        }
    }
}

/// The claim's lines after a fact. Facts of one claim come in order, some of them twice.
#[must_use]
pub fn follow(
    channel: &ChannelCode,
    claim: &Claim,
    known: Vec<InFlight>,
    fact: OrderFact,
) -> Vec<InFlight> {
    let lines = match fact {
        OrderFact::Taken { placed_at, lines } => {
            let mut known: BTreeMap<u32, InFlight> =
                known.into_iter().map(|line| (line.line, line)).collect();
            let document = known.values().find_map(|line| line.document);
            let take = |taken: Taken| {
                let before = known.remove(&taken.line);
                InFlight {
                    channel: channel.clone(),
                    claim: claim.clone(),
                    line: taken.line,
                    variant: taken.variant,
                    location: taken.location,
                    ordered: taken.ordered,
                    cancelled: Quantity::ZERO,
                    shipped: before
                        .as_ref()
                        .map(|before| before.shipped)
                        .unwrap_or_default(),
                    placed_at,
                    document,
                    returned: None,
                    item: match before {
                        Some(before)
                            if before.item.number == taken.item.number
                                && taken.item.id.is_none() =>
                        {
                            before.item
                        }
                        Some(_) | None => taken.item,
                    },
                }
            };
            lines.into_iter().map(take).collect::<Vec<_>>()
        }
        OrderFact::WentOn {
            document,
            returned,
            shipped_at,
            lines,
        } => {
            let mut progress: BTreeMap<u32, Progress> =
                lines.into_iter().map(|line| (line.line, line)).collect();
            let go_on = |line: InFlight| {
                let mut line = line;
                line.document = match (line.document, document) {
                    (Some(known), Some(new)) => Some(known.earlier(new)),
                    (known, new) => known.or(new),
                };
                line.returned = line.returned.or(returned);
                if let Some(progress) = progress.remove(&line.line) {
                    line = line.gone_on(progress, shipped_at);
                }
                line
            };
            known.into_iter().map(go_on).collect()
        }
    };
    lines
        .into_iter()
        .filter(|line| line.ordered != line.cancelled)
        .collect()
}

impl InFlight {
    fn gone_on(mut self, progress: Progress, shipped_at: Option<Timestamp>) -> Self {
        self.item.id = self.item.id.or(progress.item);
        self.location = progress.location.or(self.location);
        // Quantities only rise; a repeat of an older fact takes nothing back.
        self.cancelled = self.cancelled.max(progress.cancelled).min(self.ordered);
        if progress.shipped > self.shipped.total {
            self.shipped = Goods {
                total: progress.shipped,
                before: self.shipped.total,
                at: shipped_at.or(self.shipped.at),
            };
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accepted_order_counts_before_any_document() {
        assert_eq!(taken(3).missing_from(&below(100)), quantity(3));
    }

    #[test]
    fn a_document_below_the_boundary_is_contained_and_one_at_the_boundary_is_not() {
        let line = went_on(taken(3), posted(99), 0, 0);
        assert_eq!(line.missing_from(&below(100)), Quantity::ZERO);
        assert_eq!(line.missing_from(&below(99)), quantity(3));
    }

    #[test]
    fn what_was_cancelled_before_it_was_posted_leaves() {
        assert_eq!(
            went_on(taken(3), None, 2, 0).missing_from(&below(100)),
            quantity(1)
        );
        assert_eq!(lines_after(taken(3), None, 3, 0), []);
    }

    #[test]
    fn shipped_goods_still_count_while_the_figure_is_older_than_the_order() {
        let line = went_on(went_on(taken(3), posted(50), 0, 0), posted(60), 0, 3);
        assert_eq!(line.missing_from(&below(50)), quantity(3));
        assert_eq!(
            line.missing_from(&below(55)),
            Quantity::ZERO,
            "the order's version decides, not the shipment's"
        );
    }

    #[test]
    fn a_figure_without_sales_orders_contains_what_was_shipped_long_enough_ago() {
        let line = went_on(taken(3), None, 0, 2);
        let figure = |second| Contains {
            boundary: None,
            settled: at(second),
            sales_orders: false,
        };
        assert_eq!(line.missing_from(&figure(29)), quantity(3));
        assert_eq!(line.missing_from(&figure(30)), quantity(1));
    }

    #[test]
    fn a_reservation_counts_until_it_is_given_up_or_what_was_fetched_is_contained() {
        let reserved = InFlight {
            claim: Claim::Reservation(ReservationNumber::parse("R-1").unwrap()),
            ..taken(3)
        };
        let figure = |second| Contains {
            settled: at(second),
            ..below(100)
        };
        assert_eq!(reserved.missing_from(&figure(59)), quantity(3));
        // One was not there, two were fetched.
        let fetched = went_on(reserved.clone(), None, 1, 2);
        assert_eq!(fetched.missing_from(&figure(29)), quantity(2));
        assert_eq!(fetched.missing_from(&figure(30)), Quantity::ZERO);
        assert_eq!(lines_after(reserved, None, 3, 0), []);
    }

    #[test]
    fn a_reservation_that_the_figure_contains_counts_no_more_until_its_goods_are_fetched_and_back()
    {
        let reserved = InFlight {
            claim: Claim::Reservation(ReservationNumber::parse("R-1").unwrap()),
            ..taken(3)
        };
        let figure = |boundary, second| Contains {
            settled: at(second),
            ..below(boundary)
        };
        let placed = went_on(reserved, posted(50), 0, 0);
        assert_eq!(placed.missing_from(&figure(50, 0)), quantity(3));
        assert_eq!(placed.missing_from(&figure(51, 0)), Quantity::ZERO);
        assert!(!placed.is_settled(&figure(51, 0)), "its goods are there");

        let fetched = went_on(placed, posted(60), 1, 2);
        assert_eq!(fetched.missing_from(&figure(61, 59)), Quantity::ZERO);
        assert!(!fetched.is_settled(&figure(61, 59)), "they are not back");

        let back = InFlight {
            returned: Some(Document {
                row_version: Some(70),
                at: at(40),
            }),
            ..fetched
        };
        assert_eq!(back.missing_from(&figure(70, 39)), Quantity::ZERO);
        assert_eq!(back.missing_from(&figure(71, 39)), quantity(2));
        assert_eq!(back.missing_from(&figure(71, 40)), Quantity::ZERO);
        assert!(back.is_settled(&figure(71, 40)));
    }

    #[test]
    fn a_mended_order_takes_what_it_says_now() {
        let fact = OrderFact::Taken {
            placed_at: at(0),
            lines: vec![ordered(2, 7)],
        };
        let lines = follow(&channel(), &order(), vec![taken(3)], fact);
        assert_eq!(
            lines
                .iter()
                .map(|line| (line.line, line.ordered))
                .collect::<Vec<_>>(),
            [(2, quantity(7))]
        );
    }

    #[test]
    fn an_older_fact_again_takes_no_cancellation_back() {
        let line = went_on(went_on(taken(3), None, 2, 0), None, 0, 0);
        assert_eq!(line.cancelled, quantity(2));
    }

    fn at(second: u8) -> Timestamp {
        Timestamp::parse(&format!("2026-01-01T10:00:{second:02}Z")).unwrap()
    }

    fn quantity(units: u32) -> Quantity {
        Quantity::from(units)
    }

    fn channel() -> ChannelCode {
        ChannelCode::parse("shop").unwrap()
    }

    fn order() -> Claim {
        Claim::Order(OrderNumber::parse("O-1").unwrap())
    }

    fn ordered(line: u32, units: u32) -> Taken {
        let item = ItemRef {
            number: Sku::parse("1900-S").unwrap(),
            id: None,
        };
        Taken {
            line,
            item,
            variant: None,
            location: None,
            ordered: quantity(units),
        }
    }

    fn taken(units: u32) -> InFlight {
        let fact = OrderFact::Taken {
            placed_at: at(0),
            lines: vec![ordered(1, units)],
        };
        follow(&channel(), &order(), vec![], fact).remove(0)
    }

    fn posted(row_version: u64) -> Option<Document> {
        Some(Document {
            row_version: Some(row_version),
            at: at(10),
        })
    }

    fn lines_after(
        line: InFlight,
        document: Option<Document>,
        cancelled: u32,
        shipped: u32,
    ) -> Vec<InFlight> {
        let progress = Progress {
            line: 1,
            item: None,
            location: None,
            cancelled: quantity(cancelled),
            shipped: quantity(shipped),
        };
        let fact = OrderFact::WentOn {
            document,
            returned: None,
            shipped_at: Some(at(30)),
            lines: vec![progress],
        };
        follow(&channel(), &order(), vec![line], fact)
    }

    fn went_on(
        line: InFlight,
        document: Option<Document>,
        cancelled: u32,
        shipped: u32,
    ) -> InFlight {
        lines_after(line, document, cancelled, shipped).remove(0)
    }

    fn below(boundary: u64) -> Contains {
        Contains {
            boundary: Some(boundary),
            settled: at(0),
            sales_orders: true,
        }
    }
}
