//! Goods that are reserved in a store: asked for, put aside in its reservation warehouse, given back. And requests that a
//! person counts what really lies there.

use std::fmt;

use millrace_values::{
    ChannelCode, LocationCode, Quantity, ReservationNumber, Sku, SystemId, Timestamp, UnitCode,
    VariantCode,
};

/// What a transfer is known by, in the ERP and here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransferKey {
    pub channel: ChannelCode,
    pub number: ReservationNumber,
}

impl fmt::Display for TransferKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.channel, self.number)
    }
}

/// Goods of one reservation that somebody in the store is to look for and to put aside.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTransfer {
    pub key: TransferKey,
    pub store: LocationCode,
    pub reservation_warehouse: LocationCode,
    /// For the people in the store; at most 100 characters.
    pub reference: String,
    pub lines: Vec<TransferLine>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferLine {
    pub line_number: u32,
    pub item: Sku,
    pub variant: Option<VariantCode>,
    /// `None`: the item's base unit.
    pub unit: Option<UnitCode>,
    pub quantity: Quantity,
}

/// What a request became.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedTransfer {
    pub transfer: TransferObserved,
    /// It was there before this call.
    pub existed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransferState {
    /// Nobody has looked yet; what is asked for is reserved in the store.
    Open,
    /// What was found lies in the reservation warehouse, the rest is free again.
    Posted,
    /// Nothing was put aside, and nothing is reserved any more.
    Cancelled,
    /// What was put aside is back in the store.
    Returned,
}

/// A transfer as the ERP has it now.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferObserved {
    pub key: TransferKey,
    pub system_id: SystemId,
    pub state: TransferState,
    pub lines: Vec<TransferLineObserved>,
    /// The document that brought the goods to the reservation warehouse, and the one that brought them back.
    pub document_number: Option<String>,
    pub return_document_number: Option<String>,
    /// Of the last change of state: a figure with a boundary contains it if and only if this is below the boundary. `None`
    /// where the ERP has no row versions.
    pub row_version: Option<u64>,
    pub changed_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferLineObserved {
    pub line_number: u32,
    pub unit: Option<UnitCode>,
    pub requested: Quantity,
    /// Zero until it is posted, and when it was cancelled.
    pub found: Quantity,
}

/// How much of a line a person found; a line that is not told of was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundQuantity {
    pub line_number: u32,
    pub quantity: Quantity,
}

/// Asks a person in a store to count, usually because the goods of a reservation were not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountRequest {
    /// With the line: what the request is known by.
    pub reservation: TransferKey,
    pub line_number: u32,
    pub location: LocationCode,
    pub item: Sku,
    pub variant: Option<VariantCode>,
    /// For the person who counts; at most 250 characters.
    pub reason: String,
}

/// What a request to count became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedCount {
    pub system_id: SystemId,
    /// What the person counted, in the item's base unit; `None` until somebody did.
    pub counted: Option<Quantity>,
    /// It was there before this call.
    pub existed: bool,
}

/// A location where customers may reserve and pick up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreObserved {
    pub location: LocationCode,
    pub name: String,
    /// Where the store puts aside what is reserved; without one nothing can be reserved there.
    pub reservation_warehouse: Option<LocationCode>,
}
