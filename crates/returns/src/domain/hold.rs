//! Why a return waits: the named rules.

/// Which rule is broken. The names are the contract's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HoldKind {
    OrderUnknown,
    CustomerMismatch,
    NotDelivered,
    UnknownLine,
    TooMany,
    PeriodOver,
    ReasonUnknown,
    ReasonNotAllowed,
    WrongUnit,
    ErpRefused,
}

impl HoldKind {
    /// Does it go away when an order, a shipment, a reason, another return or a setting changes? What the shop got wrong, and what
    /// the ERP said no to, needs a person.
    #[must_use]
    pub fn heals_by_itself(self) -> bool {
        match self {
            Self::OrderUnknown
            | Self::NotDelivered
            | Self::TooMany
            | Self::ReasonUnknown
            | Self::ReasonNotAllowed => true,
            Self::CustomerMismatch
            | Self::UnknownLine
            | Self::PeriodOver
            | Self::WrongUnit
            | Self::ErpRefused => false,
        }
    }

    /// Whether settings may switch the rule off. Without the order, its line and its unit nobody knows what the goods are worth.
    #[must_use]
    pub fn may_be_off(self) -> bool {
        match self {
            Self::CustomerMismatch
            | Self::NotDelivered
            | Self::TooMany
            | Self::PeriodOver
            | Self::ReasonUnknown
            | Self::ReasonNotAllowed => true,
            Self::OrderUnknown | Self::UnknownLine | Self::WrongUnit | Self::ErpRefused => false,
        }
    }
}

/// What is wrong, where, and in words. Never personal, and never whose an order is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldReason {
    pub kind: HoldKind,
    /// 0: the whole return.
    pub line: u32,
    pub message: String,
    /// The value that offends.
    pub subject: String,
}

impl HoldReason {
    #[must_use]
    pub fn of_return(
        kind: HoldKind,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self::of_line(kind, 0, subject, message)
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
