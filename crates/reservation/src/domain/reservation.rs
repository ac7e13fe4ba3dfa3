//! A reservation and where it stands.

use millrace_values::{
    ChannelCode, CustomerNumber, ErpCode, LocationCode, Quantity, ReservationNumber, Sku, SystemId,
    Timestamp, UnitCode, VariantCode,
};

use super::event::CancelReason;
use super::shelf::{Move, ShelfKey};

/// A reservation as the shop asked for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reservation {
    pub channel: ChannelCode,
    pub number: ReservationNumber,
    pub store: LocationCode,
    pub placed_at: Timestamp,
    /// `None`: a guest.
    pub customer: Option<CustomerNumber>,
    pub contact: Option<Sealed>,
    pub lines: Vec<Line>,
    pub erp: ErpCode,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub number: u32,
    pub item: Sku,
    pub variant: Option<VariantCode>,
    pub quantity: Quantity,
}

/// Whom to tell, encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    pub person_id: String,
    pub bytes: Vec<u8>,
}

/// What has become of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineStatus {
    pub line: u32,
    pub requested: Quantity,
    pub unit: Option<UnitCode>,
    pub found: Quantity,
    pub cancelled: Quantity,
    pub picked_up: Quantity,
    pub returned: Quantity,
    pub item: SystemId,
    pub variant: Option<VariantCode>,
}

impl LineStatus {
    /// What the store holds of it: all that was asked for until somebody looks, then what was found and is still there.
    #[must_use]
    pub fn held(&self) -> Quantity {
        if self.found.is_zero() {
            return self.requested - self.cancelled;
        }
        self.found - self.picked_up - self.returned
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Held; nobody in the store has looked.
    Requested,
    /// Put aside; the customer may come.
    Posted,
    PickedUp,
    Cancelled(CancelReason),
    Expired,
}

impl Phase {
    /// Nothing comes after it.
    #[must_use]
    pub fn is_the_end(self) -> bool {
        match self {
            Self::Requested | Self::Posted => false,
            Self::PickedUp | Self::Cancelled(_) | Self::Expired => true,
        }
    }
}

/// `None`: nobody made such a reservation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State(pub Option<Box<Taken>>);

/// A reservation that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    pub reservation: Reservation,
    pub content_hash: Vec<u8>,
    pub requested_at: Timestamp,
    /// Last day on which the store may look for the goods.
    pub answer_by: jiff::civil::Date,
    pub phase: Phase,
    pub lines: Vec<LineStatus>,
    pub document_number: Option<String>,
    /// Last day on which the goods are kept.
    pub collect_by: Option<jiff::civil::Date>,
    pub reminded: bool,
    /// Number of its events.
    pub version: u64,
}

impl Taken {
    /// What its shelves hold less once it stands like `after`.
    #[must_use]
    pub fn moves_to(&self, after: &[LineStatus]) -> Vec<Move> {
        let pairs = self.lines.iter().zip(after);
        pairs
            .filter_map(|(before, after)| {
                let quantity = after.held() - before.held();
                (!quantity.is_zero()).then(|| Move {
                    shelf: self.reservation.shelf(after),
                    quantity,
                })
            })
            .collect()
    }
}

impl Reservation {
    /// Its stream.
    #[must_use]
    pub fn stream(&self) -> String {
        stream(&self.channel, &self.number)
    }

    /// Where the goods of a line stand.
    #[must_use]
    pub fn shelf(&self, line: &LineStatus) -> ShelfKey {
        ShelfKey {
            erp: self.erp.clone(),
            location: self.store.clone(),
            item: line.item,
            variant: line.variant.clone(),
        }
    }
}

/// Stream of a reservation; also its key.
#[must_use]
pub fn stream(channel: &ChannelCode, number: &ReservationNumber) -> String {
    format!("reservation/{channel}/{number}")
}
