//! What has become of each line, as quantities; its state is read off them.

use millrace_values::{Quantity, Sku, UnitCode, VariantCode};

use super::goods::Return;
use super::sold::Sold;

/// Quantities per state, all in the unit of the order's line. What neither came back nor was cancelled is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineStatus {
    pub number: u32,
    pub order_line: u32,
    /// `None` while the order's line is not known.
    pub item: Option<Sku>,
    pub variant: Option<VariantCode>,
    pub unit: Option<UnitCode>,
    pub requested: Quantity,
    pub received: Quantity,
    pub restocked: Quantity,
    pub scrapped: Quantity,
    pub repair: Quantity,
    pub credited: Quantity,
    pub cancelled: Quantity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineState {
    Requested,
    PartlyReceived,
    Received,
    Inspected,
    Credited,
    Cancelled,
}

/// What becomes of goods that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disposition {
    Restocked,
    Scrapped,
    Repair,
}

impl LineStatus {
    /// What is taken back, whether or not it is here yet.
    #[must_use]
    pub fn wanted(&self) -> Quantity {
        (self.requested - self.cancelled).at_least_zero()
    }

    #[must_use]
    pub fn inspected(&self) -> Quantity {
        self.restocked + self.scrapped + self.repair
    }

    #[must_use]
    pub fn of(&self, disposition: Disposition) -> Quantity {
        match disposition {
            Disposition::Restocked => self.restocked,
            Disposition::Scrapped => self.scrapped,
            Disposition::Repair => self.repair,
        }
    }

    pub fn set(&mut self, disposition: Disposition, quantity: Quantity) {
        match disposition {
            Disposition::Restocked => self.restocked = quantity,
            Disposition::Scrapped => self.scrapped = quantity,
            Disposition::Repair => self.repair = quantity,
        }
    }

    #[must_use]
    pub fn state(&self) -> LineState {
        if !self.wanted().is_positive() {
            return LineState::Cancelled;
        }
        if self.credited >= self.wanted() {
            return LineState::Credited;
        }
        if self.received.is_positive() && self.inspected() >= self.received {
            return LineState::Inspected;
        }
        if self.received >= self.wanted() {
            return LineState::Received;
        }
        if self.received.is_positive() {
            return LineState::PartlyReceived;
        }
        LineState::Requested
    }

    /// Nothing more comes of it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        match self.state() {
            LineState::Credited | LineState::Cancelled => true,
            LineState::Requested
            | LineState::PartlyReceived
            | LineState::Received
            | LineState::Inspected => false,
        }
    }
}

/// The lines of a return nothing has happened to yet.
#[must_use]
pub fn untouched(goods: &Return, sold: Option<&Sold>) -> Vec<LineStatus> {
    let status = |line: &super::goods::Line| {
        let sold = sold.and_then(|sold| sold.line(line.order_line));
        LineStatus {
            number: line.number,
            order_line: line.order_line,
            item: sold.map(|sold| sold.item.clone()),
            variant: sold.and_then(|sold| sold.variant.clone()),
            unit: sold.map_or_else(|| line.unit.clone(), |sold| sold.unit.clone()),
            requested: line.quantity,
            received: Quantity::ZERO,
            restocked: Quantity::ZERO,
            scrapped: Quantity::ZERO,
            repair: Quantity::ZERO,
            credited: Quantity::ZERO,
            cancelled: Quantity::ZERO,
        }
    };
    goods.lines.iter().map(status).collect()
}

/// Nothing is expected any more of what is not here.
#[must_use]
pub fn given_up(lines: &[LineStatus]) -> Vec<LineStatus> {
    let given_up = lines.iter().map(|line| LineStatus {
        cancelled: line
            .cancelled
            .max((line.requested - line.received).at_least_zero()),
        ..line.clone()
    });
    given_up.collect()
}
