//! What the events of `reservations` say to stock. A line that was fetched is to stock what a shipped one is: goods that left.

use std::collections::HashMap;

use jiff::Timestamp as Moment;
use millrace_contract::reservations::v1 as wire;
use millrace_values::{
    ChannelCode, LocationCode, Quantity, ReservationNumber, Sku, SystemId, Timestamp, VariantCode,
};

use super::orders::{OrderNews, decode, quantity};
use super::{WireError, moment};
use crate::domain::{Claim, ItemRef, OrderFact, Progress, Taken};

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
        "ReservationPosted" => {
            let event: wire::ReservationPosted = decode(payload, "ReservationPosted")?;
            went_on(event.lines, at)?
        }
        "ReservationPickedUp" => {
            let event: wire::ReservationPickedUp = decode(payload, "ReservationPickedUp")?;
            went_on(event.lines, at)?
        }
        "ReservationCancelled" => {
            let event: wire::ReservationCancelled = decode(payload, "ReservationCancelled")?;
            went_on(event.lines, at)?
        }
        "ReservationExpired" => {
            let event: wire::ReservationExpired = decode(payload, "ReservationExpired")?;
            went_on(event.lines, at)?
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

fn went_on(lines: Vec<wire::LineStatus>, at: Moment) -> Result<OrderFact, WireError> {
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
        document: None,
        shipped_at: fetched_at,
        lines,
    })
}
