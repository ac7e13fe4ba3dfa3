//! What the events of `reservations` say to stock. A line that was fetched is to stock what a shipped one is: goods that left; its
//! transfer request is its document.

use std::collections::HashMap;

use jiff::Timestamp as Moment;
use millrace_contract::reservations::v1 as wire;
use millrace_values::{
    ChannelCode, LocationCode, Quantity, ReservationNumber, Sku, SystemId, Timestamp, VariantCode,
};

use super::orders::{OrderNews, decode, quantity};
use super::{WireError, moment};
use crate::domain::{Claim, Document, ItemRef, OrderFact, Progress, Taken};

/// Reads a reservation's event, which happened `at`. `Ok(None)`: a kind this version does not know; every event carries the whole
/// status per line.
///
/// # Errors
/// What is wrong with it.
pub fn reservation_news(
    kind: &str,
    key: &str,
    payload: &[u8],
    at: Moment,
) -> Result<Option<OrderNews>, WireError> {
    let name = kind
        .strip_prefix("millrace.reservations.v1.")
        .unwrap_or_default();
    let fact = match name {
        "ReservationRequested" => requested(decode(payload, "ReservationRequested")?)?,
        "ReservationPlaced" => {
            let event: wire::ReservationPlaced = decode(payload, "ReservationPlaced")?;
            went_on(event.lines, at, event.transfer)?
        }
        "ReservationPosted" => {
            let event: wire::ReservationPosted = decode(payload, "ReservationPosted")?;
            went_on(event.lines, at, event.transfer)?
        }
        "ReservationPickedUp" => {
            let event: wire::ReservationPickedUp = decode(payload, "ReservationPickedUp")?;
            went_on(event.lines, at, None)?
        }
        "ReservationCancelled" => {
            let event: wire::ReservationCancelled = decode(payload, "ReservationCancelled")?;
            went_on(event.lines, at, None)?
        }
        "ReservationExpired" => {
            let event: wire::ReservationExpired = decode(payload, "ReservationExpired")?;
            went_on(event.lines, at, None)?
        }
        "ReservationSettled" => {
            let event: wire::ReservationSettled = decode(payload, "ReservationSettled")?;
            went_on(event.lines, at, event.transfer)?
        }
        _ => return Ok(None),
    };
    let (channel, number) = of_key(key)?;
    Ok(Some(OrderNews {
        channel,
        claim: Claim::Reservation(number),
        fact,
    }))
}

/// `reservation/<channel>/<number>`; the number may hold anything.
fn of_key(key: &str) -> Result<(ChannelCode, ReservationNumber), WireError> {
    let wrong = || WireError::wrong("key", format!("{key:?} is not a reservation's"));
    let (channel, number) = key
        .strip_prefix("reservation/")
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(wrong)?;
    Ok((
        ChannelCode::parse(channel).map_err(|_| wrong())?,
        ReservationNumber::parse(number).map_err(|_| wrong())?,
    ))
}

fn requested(event: wire::ReservationRequested) -> Result<OrderFact, WireError> {
    let missing = WireError::Missing {
        field: "reservation",
    };
    let reservation = event.reservation.ok_or(missing)?;
    let store = LocationCode::parse(&reservation.store)
        .map_err(|error| WireError::wrong("store", error))?;
    let mut status: HashMap<u32, wire::LineStatus> = event
        .lines
        .into_iter()
        .map(|line| (line.line_number, line))
        .collect();
    let lines = reservation.lines.into_iter().map(|line| {
        let status = status.remove(&line.line_number).unwrap_or_default();
        Ok(Taken {
            line: line.line_number,
            item: ItemRef {
                number: Sku::parse(&line.item_number)
                    .map_err(|error| WireError::wrong("item_number", error))?,
                id: SystemId::parse(&status.item_system_id).ok(),
            },
            variant: VariantCode::parse_optional(&line.variant_code)
                .map_err(|error| WireError::wrong("variant_code", error))?,
            location: Some(store.clone()),
            ordered: quantity("quantity", line.quantity)?,
        })
    });
    Ok(OrderFact::Taken {
        placed_at: moment("placed_at", reservation.placed_at)?,
        lines: lines.collect::<Result<_, WireError>>()?,
    })
}

fn went_on(
    lines: Vec<wire::LineStatus>,
    at: Moment,
    transfer: Option<wire::ErpTransfer>,
) -> Result<OrderFact, WireError> {
    let transfer = transfer.map(document).transpose()?;
    let (document, returned) = match transfer {
        None => (None, None),
        Some((wire::TransferState::Returned, document)) => (None, Some(document)),
        // A cancelled one took nothing from the store.
        Some((wire::TransferState::Cancelled, _)) => (None, None),
        Some((_, document)) => (Some(document), None),
    };
    let mut fetched_at = None;
    let lines = lines.into_iter().map(|line| {
        let picked_up = quantity("picked_up", line.picked_up)?;
        if picked_up > Quantity::ZERO {
            fetched_at = Some(Timestamp(at));
        }
        Ok(Progress {
            line: line.line_number,
            item: SystemId::parse(&line.item_system_id).ok(),
            location: None,
            cancelled: quantity("cancelled", line.cancelled)?
                + quantity("returned", line.returned)?,
            shipped: picked_up,
        })
    });
    let lines = lines.collect::<Result<_, WireError>>()?;
    Ok(OrderFact::WentOn {
        document,
        returned,
        shipped_at: fetched_at,
        lines,
    })
}

fn document(transfer: wire::ErpTransfer) -> Result<(wire::TransferState, Document), WireError> {
    let row_version = match transfer.row_version.as_str() {
        "" => None,
        text => Some(
            text.parse()
                .map_err(|error| WireError::wrong("row_version", error))?,
        ),
    };
    let at = moment("changed_at", transfer.changed_at)?;
    Ok((transfer.state(), Document { row_version, at }))
}
