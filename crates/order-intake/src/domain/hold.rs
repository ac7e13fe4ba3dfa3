//! Why an order waits.

/// What is wrong. The names are the contract's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HoldKind {
    UnknownItem,
    UnknownVariant,
    ItemBlocked,
    UnknownUnit,
    LineTotal,
    OrderTotal,
    Currency,
    UnknownCustomer,
    CustomerBlocked,
    PaymentMethodUnmapped,
    ShipmentMethodUnmapped,
    UnknownLocation,
    ErpRefused,
    Tax,
    CustomerRefused,
}

impl HoldKind {
    /// Does it go away when an item, a customer or a setting changes? What the shop got wrong, and what the ERP said no to,
    /// needs a person.
    #[must_use]
    pub fn heals_by_itself(self) -> bool {
        match self {
            Self::UnknownItem
            | Self::UnknownVariant
            | Self::ItemBlocked
            | Self::UnknownUnit
            | Self::UnknownCustomer
            | Self::CustomerBlocked
            | Self::Currency
            | Self::PaymentMethodUnmapped
            | Self::ShipmentMethodUnmapped
            | Self::UnknownLocation => true,
            Self::LineTotal
            | Self::OrderTotal
            | Self::Tax
            | Self::ErpRefused
            | Self::CustomerRefused => false,
        }
    }

    /// Said by the ERP (or by who creates customers in it), not found by our own checks: checking again does not make it go away.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::ErpRefused | Self::CustomerRefused)
    }
}

/// What is wrong, where, and in words. Never personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldReason {
    pub kind: HoldKind,
    /// 0: the whole order.
    pub line: u32,
    pub message: String,
    /// The value that offends.
    pub subject: String,
}

/// What the ERP says no to because of an item or a customer; it may say yes when that changes.
const OF_MASTER_DATA: [&str; 6] = [
    "ITEM",
    "ITEMBLOCKED",
    "VARIANT",
    "UNIT",
    "CUSTOMER",
    "CUSTOMERBLOCKED",
];

/// Subject of the refusal of a new customer whose number stands for somebody with other data: another order of the same buyer
/// was quicker, unless it is the shop's mistake. Goes on once the customer is known here.
pub const OTHER_CUSTOMER: &str = "OTHER_CUSTOMER";

impl HoldReason {
    /// Goes away when an item, a customer or a setting changes.
    #[must_use]
    pub fn heals_by_itself(&self) -> bool {
        self.kind.heals_by_itself() || self.is_of_master_data()
    }

    /// A refusal that is about an item or a customer, by its code.
    #[must_use]
    pub fn is_of_master_data(&self) -> bool {
        let subject = self.subject.as_str();
        (self.kind == HoldKind::ErpRefused && OF_MASTER_DATA.contains(&subject))
            || (self.kind == HoldKind::CustomerRefused && subject == OTHER_CUSTOMER)
    }

    #[must_use]
    pub fn of_order(
        kind: HoldKind,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            line: 0,
            message: message.into(),
            subject: subject.into(),
        }
    }

    #[must_use]
    pub fn of_line(
        kind: HoldKind,
        line: u32,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            line,
            message: message.into(),
            subject: subject.into(),
        }
    }
}
