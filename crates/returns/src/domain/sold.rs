//! The original order, as far as its returns need it.

use millrace_values::{
    Amount, Currency, CustomerNumber, LocationCode, Percentage, Quantity, Sku, Timestamp, UnitCode,
    UnitPrice, VariantCode,
};

use super::credit::{Credit, Freight};
use super::goods::Return;

#[derive(Debug, Clone, PartialEq)]
pub struct Sold {
    /// The ERP's customer, else the one the buyer named; `None`: a new one whom the ERP has not told of yet.
    pub customer: Option<CustomerNumber>,
    pub shop_customer: Option<Box<str>>,
    pub currency: Currency,
    pub prices_include_tax: bool,
    pub lines: Vec<SoldLine>,
    pub freight: Option<Freight>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SoldLine {
    pub number: u32,
    pub item: Sku,
    pub variant: Option<VariantCode>,
    pub unit: Option<UnitCode>,
    pub location: Option<LocationCode>,
    /// As sold; above zero.
    pub ordered: Quantity,
    pub shipped: Quantity,
    pub cancelled: Quantity,
    /// By all credit memos of the ERP, those of returns among them.
    pub credited: Quantity,
    /// In the order they were shipped.
    pub shipments: Vec<Shipped>,
    pub unit_price: UnitPrice,
    pub tax_percent: Percentage,
    /// The whole line.
    pub price: Credit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shipped {
    pub at: Timestamp,
    pub quantity: Quantity,
}

impl Sold {
    #[must_use]
    pub fn line(&self, number: u32) -> Option<&SoldLine> {
        self.lines.iter().find(|line| line.number == number)
    }

    /// Whether the goods are his who sends them back. Of a gift it is enough to know the order; else one of the two numbers must be
    /// the order's and the other may not be another's.
    #[must_use]
    pub fn is_of(&self, goods: &Return) -> bool {
        if goods.gift {
            return true;
        }
        let by_erp = same(goods.customer.as_ref(), self.customer.as_ref());
        let by_shop = same(goods.shop_customer.as_ref(), self.shop_customer.as_ref());
        match (by_erp, by_shop) {
            (Some(one), Some(other)) => one && other,
            (Some(same), None) | (None, Some(same)) => same,
            (None, None) => false,
        }
    }
}

/// `None`: there is nothing to compare.
fn same<T: PartialEq>(said: Option<&T>, known: Option<&T>) -> Option<bool> {
    Some(said? == known?)
}

impl SoldLine {
    /// What was sold and not cancelled.
    #[must_use]
    pub fn wanted(&self) -> Quantity {
        (self.ordered - self.cancelled).at_least_zero()
    }

    /// What was shipped at `since` or later, less what returns took of it: they take the oldest first.
    #[must_use]
    pub fn left_since(&self, since: Timestamp, taken: Quantity) -> Quantity {
        let (mut before, mut after) = (Quantity::ZERO, Quantity::ZERO);
        for shipped in &self.shipments {
            if shipped.at < since {
                before = before + shipped.quantity;
            } else {
                after = after + shipped.quantity;
            }
        }
        (after - (taken - before).at_least_zero()).at_least_zero()
    }

    /// Off `quantity` pieces at their price, so that what is left is `credit`. Below zero where rounding made a part worth a minor
    /// unit more.
    #[must_use]
    pub fn discount(&self, quantity: Quantity, credit: Credit, prices_include_tax: bool) -> Amount {
        let given = if prices_include_tax {
            credit.gross
        } else {
            credit.net()
        };
        let whole = quantity.value() * self.unit_price.value();
        Amount::rounded(given.currency(), whole)
            .and_then(|whole| whole.minus(given))
            .unwrap_or_else(|_| Amount::zero(given.currency()))
    }
}
