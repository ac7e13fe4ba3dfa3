//! What has become of each line, as quantities; its state is read off them.

use millrace_values::{LocationCode, Quantity, SystemId, UnitCode, VariantCode};

use super::check::KnownItem;
use super::event::LineQuantity;
use super::order::Order;

/// Quantities per state, all in the line's unit. What is neither shipped nor cancelled is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineStatus {
    pub number: u32,
    /// The shop's, else the item's base unit; `None` until a check has found the item.
    pub unit: Option<UnitCode>,
    pub ordered: Quantity,
    pub shipped: Quantity,
    pub invoiced: Quantity,
    pub credited: Quantity,
    pub cancelled: Quantity,
    /// `None` until a check has found the item.
    pub item: Option<SystemId>,
    pub variant: Option<VariantCode>,
    pub location: Option<LocationCode>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineState {
    Created,
    PartlyDelivered,
    Delivered,
    Invoiced,
    Credited,
    Cancelled,
}

impl LineStatus {
    /// Still to be shipped; nothing where people shipped more than was ordered.
    #[must_use]
    pub fn open(&self) -> Quantity {
        (self.ordered - self.shipped - self.cancelled).at_least_zero()
    }

    #[must_use]
    pub fn state(&self) -> LineState {
        let nothing_open = self.open().is_zero();
        if nothing_open && self.shipped.is_zero() && self.invoiced.is_zero() {
            return LineState::Cancelled;
        }
        if self.invoiced.is_positive() && self.credited >= self.invoiced {
            return LineState::Credited;
        }
        if nothing_open && self.invoiced >= self.shipped {
            return LineState::Invoiced;
        }
        if nothing_open {
            return LineState::Delivered;
        }
        if self.shipped.is_positive() {
            return LineState::PartlyDelivered;
        }
        LineState::Created
    }

    /// Nothing more will happen to it, but for a credit.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        match self.state() {
            LineState::Invoiced | LineState::Credited | LineState::Cancelled => {
                self.open().is_zero()
            }
            LineState::Created | LineState::PartlyDelivered | LineState::Delivered => false,
        }
    }
}

/// What a document does to the lines it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    Ship,
    Invoice,
    Credit,
    Cancel,
}

/// The lines after `moved`. Lines the order does not have (people added them in the ERP) are none of the shop's.
#[must_use]
pub fn after(lines: &[LineStatus], movement: Movement, moved: &[LineQuantity]) -> Vec<LineStatus> {
    let mut lines = lines.to_vec();
    for LineQuantity { line, quantity } in moved {
        let Some(status) = lines.iter_mut().find(|status| status.number == *line) else {
            continue;
        };
        let moved = match movement {
            Movement::Ship => &mut status.shipped,
            Movement::Invoice => &mut status.invoiced,
            Movement::Credit => &mut status.credited,
            Movement::Cancel => &mut status.cancelled,
        };
        *moved = *moved + *quantity;
    }
    lines
}

/// What is no longer there when the ERP's sales order stands, or stood, at `stands`; `since`: cancelled after that. A line people made
/// longer stays what the shop sold; without any line the ERP says nothing of them.
#[must_use]
pub fn missing(
    lines: &[LineStatus],
    stands: &[LineQuantity],
    since: &[LineQuantity],
) -> Vec<LineQuantity> {
    if stands.is_empty() {
        return Vec::new();
    }
    let missing = lines.iter().map(|line| {
        let of = |quantities: &[LineQuantity]| -> Quantity {
            quantities
                .iter()
                .filter(|quantity| quantity.line == line.number)
                .map(|quantity| quantity.quantity)
                .sum()
        };
        let cancelled = line.cancelled - of(since);
        let quantity = (line.ordered - cancelled - of(stands)).min(line.open());
        LineQuantity {
            line: line.number,
            quantity,
        }
    });
    missing
        .filter(|missing| missing.quantity.is_positive())
        .collect()
}

/// The lines of an order nothing has happened to yet. `item` finds a line's item where it is known, `location` is the
/// channel's own for lines that name none.
#[must_use]
pub fn untouched<'a>(
    order: &Order,
    location: Option<&LocationCode>,
    item: impl Fn(&super::order::Line) -> Option<&'a KnownItem>,
) -> Vec<LineStatus> {
    let status = |line: &super::order::Line| {
        let item = item(line);
        let base_unit = || item.and_then(|item| item.base_unit.clone());
        LineStatus {
            number: line.number,
            unit: line.unit.clone().or_else(base_unit),
            ordered: line.quantity,
            shipped: Quantity::ZERO,
            invoiced: Quantity::ZERO,
            credited: Quantity::ZERO,
            cancelled: Quantity::ZERO,
            item: item.map(|item| item.system_id),
            variant: line.variant.clone(),
            location: line.location.clone().or_else(|| location.cloned()),
        }
    };
    order.lines.iter().map(status).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(
        ordered: u32,
        shipped: u32,
        invoiced: u32,
        credited: u32,
        cancelled: u32,
    ) -> LineStatus {
        LineStatus {
            number: 1,
            unit: None,
            ordered: ordered.into(),
            shipped: shipped.into(),
            invoiced: invoiced.into(),
            credited: credited.into(),
            cancelled: cancelled.into(),
            item: None,
            variant: None,
            location: None,
        }
    }

    /// Row 58.
    #[test]
    fn the_state_of_a_line_is_read_off_its_quantities() {
        let told = [
            (line(3, 0, 0, 0, 0), LineState::Created),
            (line(3, 1, 0, 0, 0), LineState::PartlyDelivered),
            (line(3, 1, 1, 0, 0), LineState::PartlyDelivered),
            (line(3, 3, 0, 0, 0), LineState::Delivered),
            (line(3, 2, 0, 0, 1), LineState::Delivered),
            (line(3, 3, 2, 0, 0), LineState::Delivered),
            (line(3, 3, 3, 0, 0), LineState::Invoiced),
            (line(3, 2, 2, 0, 1), LineState::Invoiced),
            (line(3, 3, 3, 1, 0), LineState::Invoiced),
            (line(3, 3, 3, 3, 0), LineState::Credited),
            (line(3, 0, 0, 0, 3), LineState::Cancelled),
        ];
        for (line, state) in told {
            assert_eq!(line.state(), state, "{line:?}");
        }
    }

    #[test]
    fn a_line_shipped_beyond_its_quantity_has_nothing_open() {
        assert_eq!(line(3, 4, 0, 0, 0).open(), Quantity::ZERO);
        assert_eq!(line(3, 4, 0, 0, 0).state(), LineState::Delivered);
    }

    #[test]
    fn what_people_take_off_a_sales_order_is_missing() {
        let stands = |quantity: u32| {
            [LineQuantity {
                line: 1,
                quantity: quantity.into(),
            }]
        };
        let gone = |quantity: u32| {
            vec![LineQuantity {
                line: 1,
                quantity: quantity.into(),
            }]
        };
        assert_eq!(missing(&[line(3, 0, 0, 0, 0)], &stands(2), &[]), gone(1));
        assert_eq!(missing(&[line(3, 0, 0, 0, 1)], &stands(2), &[]), []);
        assert_eq!(
            missing(&[line(3, 2, 0, 0, 0)], &stands(0), &[]),
            gone(1),
            "what is shipped is shipped"
        );
        assert_eq!(missing(&[line(3, 0, 0, 0, 0)], &stands(5), &[]), []);
        assert_eq!(missing(&[line(3, 0, 0, 0, 0)], &[], &[]), []);
    }

    #[test]
    fn a_line_people_added_in_the_erp_changes_nothing() {
        let lines = [line(3, 0, 0, 0, 0)];
        let moved = [
            LineQuantity {
                line: 0,
                quantity: 5.into(),
            },
            LineQuantity {
                line: 9,
                quantity: 5.into(),
            },
        ];
        assert_eq!(after(&lines, Movement::Ship, &moved), lines);
    }

    proptest! {
        #[test]
        fn what_was_ordered_is_open_shipped_or_cancelled(steps in prop::collection::vec((0..4_u8, 1..4_u32), 0..40)) {
            let mut lines = vec![line(10, 0, 0, 0, 0)];
            for (step, wanted) in steps {
                let status = &lines[0];
                // The ERP ships and cancels what is open, invoices what it shipped, credits what it invoiced.
                let (movement, room) = match step {
                    0 => (Movement::Ship, status.open()),
                    1 => (Movement::Cancel, status.open()),
                    2 => (Movement::Invoice, status.shipped - status.invoiced),
                    _ => (Movement::Credit, status.invoiced - status.credited),
                };
                let quantity = Quantity::from(wanted).min(room);
                lines = after(&lines, movement, &[LineQuantity { line: 1, quantity }]);
            }
            let status = &lines[0];
            prop_assert_eq!(status.open() + status.shipped + status.cancelled, status.ordered);
            prop_assert!(status.invoiced <= status.shipped && status.credited <= status.invoiced);
            if status.is_finished() {
                prop_assert!(status.open().is_zero());
            }
        }
    }
}
