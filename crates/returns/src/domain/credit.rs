//! What goods are worth when they come back: exact, and cumulative, so that parts of a line add up to the line as it was sold.

use std::collections::BTreeMap;

use millrace_values::{Amount, Currency, Decimal, Percentage, Quantity};

/// Money with the VAT in it, neither below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    pub gross: Amount,
    pub tax: Amount,
}

/// What one line of a return is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineCredit {
    pub line: u32,
    pub way: RefundWay,
    /// What is paid back; zero where the way is nothing.
    pub amount: Credit,
    /// What the pieces were sold for, paid back or not: the next return begins after it.
    pub worth: Credit,
}

/// How a customer is paid back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RefundWay {
    /// As it was paid.
    Money,
    Voucher,
    Nothing,
}

/// The original order's freight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freight {
    pub amount: Credit,
    pub tax_percent: Percentage,
}

/// What was announced, by way.
pub type Refunds = BTreeMap<RefundWay, Amount>;

const ONE_ORDER: &str = "parts of one order are in its currency and no more than its total";

impl Credit {
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        let zero = Amount::zero(currency);
        Self {
            gross: zero,
            tax: zero,
        }
    }

    #[must_use]
    pub fn net(self) -> Amount {
        self.gross.minus(self.tax).expect(ONE_ORDER)
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            gross: self.gross.plus(other.gross).expect(ONE_ORDER),
            tax: self.tax.plus(other.tax).expect(ONE_ORDER),
        }
    }

    /// Never below zero.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self {
            gross: less(self.gross, other.gross),
            tax: less(self.tax, other.tax),
        }
    }

    /// What `part` of `whole` pieces are worth, rounded; never more than all of it.
    #[must_use]
    pub fn share(self, part: Quantity, whole: Quantity) -> Self {
        Self {
            gross: share(self.gross, part, whole),
            tax: share(self.tax, part, whole),
        }
    }

    /// What `quantity` more pieces of something sold at this price for `whole` pieces are worth, when `taken` were worth `before`.
    /// Whatever is given back in between, all pieces together are worth what they were sold at.
    #[must_use]
    pub fn of_next(
        self,
        whole: Quantity,
        taken: Quantity,
        before: Self,
        quantity: Quantity,
    ) -> Self {
        let by_then = self.share(taken + quantity, whole);
        let gross = less(by_then.gross, before.gross);
        let tax = less(by_then.tax, before.tax);
        // Rounded by itself the VAT of a part may be a minor unit more than the part; the next part makes up for it.
        let tax = if tax.value() > gross.value() {
            gross
        } else {
            tax
        };
        Self { gross, tax }
    }
}

/// All of them together.
#[must_use]
pub fn total(currency: Currency, credits: &[LineCredit], freight: Option<&Freight>) -> Credit {
    let lines = credits.iter().map(|credit| credit.amount);
    let freight = freight.map(|freight| freight.amount);
    lines
        .chain(freight)
        .fold(Credit::zero(currency), Credit::plus)
}

/// The way that freight, and whatever else is no line's, is paid back in; `None`: nothing is.
#[must_use]
pub fn main_way(credits: &[LineCredit]) -> Option<RefundWay> {
    credits
        .iter()
        .map(|credit| credit.way)
        .filter(|way| *way != RefundWay::Nothing)
        .min()
}

pub(super) fn less(amount: Amount, other: Amount) -> Amount {
    match amount.minus(other) {
        Ok(left) if !left.is_negative() => left,
        Ok(_) | Err(_) => Amount::zero(amount.currency()),
    }
}

fn share(amount: Amount, part: Quantity, whole: Quantity) -> Amount {
    if part >= whole {
        return amount;
    }
    let (value, part, whole) = (amount.value(), part.value(), whole.value());
    let exact = value
        .checked_mul(part)
        .and_then(|product| product.checked_div(whole));
    let share = exact.unwrap_or_else(|| value * (part / whole));
    let share = share.max(Decimal::ZERO);
    Amount::rounded(amount.currency(), share).expect("a share is no more than all of it")
}
