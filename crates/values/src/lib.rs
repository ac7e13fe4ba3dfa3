//! The words everyone shares: parsed once, never invalid. Codes, numbers, money, time, and their one encoding on the wire
//! ([`wire`]). No rules and no I/O here.

mod channel;
mod code;
mod number;
mod time;
pub mod wire;

pub use channel::{Channel, Channels, ChannelsError, Rounding};
pub use code::{
    ChannelCode, CodeError, CustomerNumber, ErpCode, LanguageTag, LocationCode, OrderNumber,
    PriceGroup, ReservationNumber, ReturnNumber, ReturnReasonCode, Sku, SystemId, UnitCode,
    VariantCode,
};
pub use number::{
    Amount, Currency, Decimal, Measured, NumberError, Percentage, Quantity, UnitPrice,
};
pub use time::{TimeError, Timestamp};
