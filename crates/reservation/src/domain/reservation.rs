//! A reservation and where it stands.

use millrace_values::{
    ChannelCode, CustomerNumber, ErpCode, LocationCode, Quantity, ReservationNumber, Sku, SystemId,
    Timestamp, UnitCode, VariantCode,
};

use super::event::{CancelReason, Event};
use super::shelf::{Move, ShelfKey};
use super::transfer::Transfer;

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
    /// Of what nobody has looked for yet, no longer in the store.
    pub short: Quantity,
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
    /// As the ERP had it when it was last seen; `None`: the ERP has no part in it, or does not know it yet.
    pub transfer: Option<Transfer>,
    /// Since which row version the ERP deducts it from the store's stock.
    pub told: Option<u64>,
    /// Number of its events.
    pub version: u64,
}

/// What one line moves on its shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moving {
    pub line: u32,
    pub shelf: ShelfKey,
    pub moved: Move,
}

impl Taken {
    /// What its shelves hold otherwise after `event`, which comes at `now`.
    #[must_use]
    pub fn moves(&self, event: &Event, now: Timestamp) -> Vec<Moving> {
        let mut moves = Vec::new();
        for (before, after) in self.lines.iter().zip(event.lines()) {
            let held = before.held();
            let mut moved = |moved| {
                moves.push(Moving {
                    line: after.line,
                    shelf: self.reservation.shelf(after),
                    moved,
                });
            };
            match event {
                Event::Placed { transfer, .. } => {
                    if let Some(since) = transfer.row_version
                        && !held.is_zero()
                    {
                        moved(Move::Tell(held, self.told, since));
                    }
                }
                Event::Posted { transfer, .. } => {
                    let free = held - after.held();
                    if !free.is_zero() {
                        moved(Move::GiveBack(free, self.told));
                    }
                    let since = transfer.as_ref().and_then(|transfer| transfer.row_version);
                    if let (Some(since), None) = (since, self.told)
                        && !after.held().is_zero()
                    {
                        moved(Move::Tell(after.held(), None, since));
                    }
                }
                Event::PickedUp { .. } if !held.is_zero() => {
                    let since = self.transfer.is_none().then_some(now);
                    moved(Move::Fetch(held, self.told, since));
                }
                Event::Cancelled { .. } | Event::Expired { .. } if !held.is_zero() => {
                    moved(Move::GiveBack(held, self.told));
                }
                Event::Settled { transfer, .. } if !after.picked_up.is_zero() => {
                    moved(Move::Settle(after.picked_up, transfer.changed_at));
                }
                Event::Requested { .. }
                | Event::Short { .. }
                | Event::Reminded { .. }
                | Event::PickedUp { .. }
                | Event::Cancelled { .. }
                | Event::Expired { .. }
                | Event::Settled { .. } => {}
            }
        }
        moves
    }

    /// Whether it is this transfer that the ERP was seen to have.
    #[must_use]
    pub fn is_known_as(&self, transfer: &Transfer) -> bool {
        let known = self.transfer.as_ref();
        known.is_some_and(|known| known.system_id == transfer.system_id)
    }

    /// Whether something is to be done in an ERP that has transfer requests: to ask for the goods, to take back what was asked for,
    /// or to have counted what was not there.
    #[must_use]
    pub fn concerns_the_erp(&self) -> bool {
        let to_place = self.phase == Phase::Requested && self.transfer.is_none();
        to_place || self.is_to_be_taken_back() || !self.not_found().is_empty()
    }

    /// Whether it has ended here and the ERP may still have it open. What it refused it does not have, and what it has under the
    /// number is not this.
    #[must_use]
    pub fn is_to_be_taken_back(&self) -> bool {
        let was_refused = self.phase == Phase::Cancelled(CancelReason::RefusedByErp);
        self.phase.is_the_end() && !self.is_settled() && !was_refused
    }

    /// Whether the ERP's part is over.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.transfer
            .as_ref()
            .is_some_and(|transfer| transfer.state.is_the_end())
    }

    /// Lines of which a person looked for more than he found.
    #[must_use]
    pub fn not_found(&self) -> Vec<&LineStatus> {
        let looked = self.document_number.is_some()
            || self.phase == Phase::Cancelled(CancelReason::NotFound);
        let lines = self.lines.iter();
        lines
            .filter(|line| looked && line.found < line.requested)
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
