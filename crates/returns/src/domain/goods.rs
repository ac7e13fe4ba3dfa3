//! A return as the shop entered it.

use std::fmt;

use millrace_values::{
    ChannelCode, CustomerNumber, ErpCode, OrderNumber, Quantity, ReturnNumber, ReturnReasonCode,
    Timestamp, UnitCode,
};

#[derive(Debug, Clone, PartialEq)]
pub struct Return {
    pub channel: ChannelCode,
    pub number: ReturnNumber,
    /// What the goods were bought with.
    pub order: OrderNumber,
    /// When the customer asked, by the shop's clock.
    pub submitted_at: Timestamp,
    /// `None`: a guest.
    pub customer: Option<CustomerNumber>,
    /// Number the shop gave the customer.
    pub shop_customer: Option<Box<str>>,
    /// Sent back by who was given it.
    pub gift: bool,
    /// The new order that the goods are exchanged for.
    pub exchange_order: Option<OrderNumber>,
    pub lines: Vec<Line>,
    /// Comments and photos.
    pub remarks: Option<Sealed>,
    pub erp: ErpCode,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Given by the shop, unique within the return.
    pub number: u32,
    /// Of the original order.
    pub order_line: u32,
    pub quantity: Quantity,
    /// `None`: that of the order's line, which it must be anyway.
    pub unit: Option<UnitCode>,
    pub reason: ReturnReasonCode,
    /// The shop's word for what the goods are like; may be empty.
    pub condition: String,
}

/// What a customer wrote, encrypted; the rules never look inside.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    pub person_id: String,
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sealed({})", self.person_id)
    }
}

impl Return {
    #[must_use]
    pub fn stream(&self) -> String {
        stream(&self.channel, &self.number)
    }

    /// Stream of what returns have taken of the original order.
    #[must_use]
    pub fn returnable(&self) -> String {
        format!("returnable/{}/{}", self.channel, self.order)
    }
}

/// The stream of a return, which is its key too. A number may hold any printable character; a channel holds no slash.
#[must_use]
pub fn stream(channel: &ChannelCode, number: &ReturnNumber) -> String {
    format!("return/{channel}/{number}")
}
