//! What returns have taken of one order, all of them together. A return that passes takes; one that is refused or given up gives
//! back. Both are written in one append with the return, at the version that was decided on: of two returns of the last piece at
//! the same instant one is decided anew.

use std::collections::BTreeMap;

use millrace_values::Quantity;

use super::credit::Credit;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Returnable {
    /// By the order's line.
    pub lines: BTreeMap<u32, TakenLine>,
    /// The return that pays back the freight.
    pub freight_by: Option<String>,
}

/// So many pieces, and what they were sold for, paid back or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenLine {
    pub quantity: Quantity,
    pub worth: Credit,
    /// Pieces of the order that credit memos of returns name; what else is credited of it is no return's.
    pub credited: Quantity,
}

/// What one return has of its order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Takes {
    pub lines: BTreeMap<u32, TakenLine>,
    pub freight: bool,
}

impl Takes {
    pub fn add(&mut self, order_line: u32, taken: TakenLine) {
        add(&mut self.lines, order_line, taken);
    }
}

impl Returnable {
    #[must_use]
    pub fn taken(&self, order_line: u32) -> Quantity {
        self.lines
            .get(&order_line)
            .map_or(Quantity::ZERO, |taken| taken.quantity)
    }

    /// What the pieces that are taken were sold for; nothing so far is zero.
    #[must_use]
    pub fn worth(&self, order_line: u32, zero: Credit) -> Credit {
        self.lines
            .get(&order_line)
            .map_or(zero, |taken| taken.worth)
    }

    /// Of the pieces that are credited, those that are by returns.
    #[must_use]
    pub fn credited(&self, order_line: u32) -> Quantity {
        self.lines
            .get(&order_line)
            .map_or(Quantity::ZERO, |taken| taken.credited)
    }

    /// Not credited yet.
    pub fn take(&mut self, order_line: u32, quantity: Quantity, worth: Credit) {
        let taken = TakenLine {
            quantity,
            worth,
            credited: Quantity::ZERO,
        };
        add(&mut self.lines, order_line, taken);
    }

    /// After the return of this stream, which had `before`, has `after`.
    #[must_use]
    pub fn moved(&self, stream: &str, before: &Takes, after: &Takes) -> Self {
        let mut moved = self.clone();
        for (line, given_back) in &before.lines {
            if let Some(taken) = moved.lines.get_mut(line) {
                taken.quantity = (taken.quantity - given_back.quantity).at_least_zero();
                taken.worth = taken.worth.less(given_back.worth);
                taken.credited = (taken.credited - given_back.credited).at_least_zero();
            }
        }
        for (line, taken) in &after.lines {
            add(&mut moved.lines, *line, *taken);
        }
        if before.freight && moved.freight_by.as_deref() == Some(stream) {
            moved.freight_by = None;
        }
        if after.freight {
            moved.freight_by = Some(stream.to_owned());
        }
        moved
    }
}

fn add(lines: &mut BTreeMap<u32, TakenLine>, line: u32, more: TakenLine) {
    lines
        .entry(line)
        .and_modify(|taken| {
            taken.quantity = taken.quantity + more.quantity;
            taken.worth = taken.worth.plus(more.worth);
            taken.credited = taken.credited + more.credited;
        })
        .or_insert(more);
}
