//! Events ⇄ the messages of topic `reservations`.

use bytes::Bytes;
use jiff::civil::Date;
use millrace_contract::reservations::v1 as proto;
use millrace_contract::values::v1 as values;
use millrace_event_store::Recorded;
use millrace_values::{ErpCode, Measured, Quantity, SystemId, Timestamp, VariantCode};
use prost::Message;
use thiserror::Error;

use super::reservation::{optional, read_reservation, write_reservation};
use super::transfer::{read_transfer, write_transfer};
use crate::domain::{CancelReason, Event, LineStatus};

const PACKAGE: &str = "millrace.reservations.v1.";

/// An event of ours that cannot be read: a newer binary wrote it, or it is broken.
#[derive(Debug, Error)]
pub enum Broken {
    #[error("{0} is no event of a reservation")]
    Kind(String),
    #[error(transparent)]
    Decode(#[from] prost::DecodeError),
    #[error("{0}")]
    Field(String),
}

impl From<millrace_values::wire::MeasuredError> for Broken {
    fn from(error: millrace_values::wire::MeasuredError) -> Self {
        Self::Field(error.to_string())
    }
}

/// Kind and payload.
#[must_use]
pub fn write(event: &Event) -> (String, Bytes) {
    match event {
        Event::Requested {
            reservation,
            content_hash,
            answer_by,
            lines,
            at: _,
        } => encoded(
            "ReservationRequested",
            &proto::ReservationRequested {
                reservation: Some(write_reservation(reservation)),
                content_hash: content_hash.clone().into(),
                lines: write_lines(lines),
                answer_by: answer_by.to_string(),
            },
        ),
        Event::Placed { transfer, lines } => encoded(
            "ReservationPlaced",
            &proto::ReservationPlaced {
                transfer: Some(write_transfer(transfer)),
                lines: write_lines(lines),
            },
        ),
        Event::Posted {
            document_number,
            collect_by,
            transfer,
            lines,
        } => encoded(
            "ReservationPosted",
            &proto::ReservationPosted {
                document_number: document_number.clone(),
                collect_by: collect_by.to_string(),
                transfer: transfer.as_ref().map(write_transfer),
                lines: write_lines(lines),
            },
        ),
        Event::Short { lines } => encoded(
            "ReservationShort",
            &proto::ReservationShort {
                lines: write_lines(lines),
            },
        ),
        Event::Reminded { collect_by, lines } => encoded(
            "ReservationReminded",
            &proto::ReservationReminded {
                collect_by: collect_by.to_string(),
                lines: write_lines(lines),
            },
        ),
        Event::PickedUp { lines } => encoded(
            "ReservationPickedUp",
            &proto::ReservationPickedUp {
                lines: write_lines(lines),
            },
        ),
        Event::Cancelled {
            reason,
            note,
            lines,
        } => encoded(
            "ReservationCancelled",
            &proto::ReservationCancelled {
                reason: write_reason(*reason).into(),
                note: note.clone(),
                lines: write_lines(lines),
            },
        ),
        Event::Expired { lines } => encoded(
            "ReservationExpired",
            &proto::ReservationExpired {
                lines: write_lines(lines),
            },
        ),
        Event::Settled { transfer, lines } => encoded(
            "ReservationSettled",
            &proto::ReservationSettled {
                transfer: Some(write_transfer(transfer)),
                lines: write_lines(lines),
            },
        ),
    }
}

fn encoded(name: &str, message: &impl Message) -> (String, Bytes) {
    (format!("{PACKAGE}{name}"), message.encode_to_vec().into())
}

/// # Errors
/// See [`Broken`].
pub fn read(recorded: &Recorded) -> Result<Event, Broken> {
    let event = &recorded.event;
    let payload = event.payload.as_ref();
    let name = event.kind.strip_prefix(PACKAGE).unwrap_or_default();
    Ok(match name {
        "ReservationRequested" => {
            let message = proto::ReservationRequested::decode(payload)?;
            let erp = ErpCode::parse(event.erp.as_deref().unwrap_or_default())
                .map_err(|error| Broken::Field(error.to_string()))?;
            let reservation = message
                .reservation
                .ok_or_else(|| Broken::Field("reservation is missing".to_owned()))?;
            let reservation = read_reservation(&reservation, &erp)
                .map_err(|faults| Broken::Field(faults.to_string()))?;
            Event::Requested {
                reservation: Box::new(reservation),
                content_hash: message.content_hash.to_vec(),
                at: Timestamp(event.occurred_at),
                answer_by: day(&message.answer_by)?,
                lines: read_lines(message.lines)?,
            }
        }
        "ReservationPosted" => {
            let message = proto::ReservationPosted::decode(payload)?;
            Event::Posted {
                document_number: message.document_number,
                collect_by: day(&message.collect_by)?,
                transfer: message
                    .transfer
                    .map(|transfer| read_transfer(Some(transfer)))
                    .transpose()?,
                lines: read_lines(message.lines)?,
            }
        }
        "ReservationPlaced" => {
            let message = proto::ReservationPlaced::decode(payload)?;
            Event::Placed {
                transfer: read_transfer(message.transfer)?,
                lines: read_lines(message.lines)?,
            }
        }
        "ReservationShort" => Event::Short {
            lines: read_lines(proto::ReservationShort::decode(payload)?.lines)?,
        },
        "ReservationSettled" => {
            let message = proto::ReservationSettled::decode(payload)?;
            Event::Settled {
                transfer: read_transfer(message.transfer)?,
                lines: read_lines(message.lines)?,
            }
        }
        "ReservationReminded" => {
            let message = proto::ReservationReminded::decode(payload)?;
            Event::Reminded {
                collect_by: day(&message.collect_by)?,
                lines: read_lines(message.lines)?,
            }
        }
        "ReservationPickedUp" => Event::PickedUp {
            lines: read_lines(proto::ReservationPickedUp::decode(payload)?.lines)?,
        },
        "ReservationCancelled" => {
            let message = proto::ReservationCancelled::decode(payload)?;
            Event::Cancelled {
                reason: read_reason(message.reason)?,
                note: message.note,
                lines: read_lines(message.lines)?,
            }
        }
        "ReservationExpired" => Event::Expired {
            lines: read_lines(proto::ReservationExpired::decode(payload)?.lines)?,
        },
        _ => return Err(Broken::Kind(event.kind.clone())),
    })
}

fn day(text: &str) -> Result<Date, Broken> {
    text.parse()
        .map_err(|_| Broken::Field(format!("{text} is no day")))
}

pub fn write_lines(lines: &[LineStatus]) -> Vec<proto::LineStatus> {
    let write = |line: &LineStatus| {
        let quantity = |quantity: Quantity| {
            Some(values::Quantity::from(Measured {
                quantity,
                unit: line.unit.clone(),
            }))
        };
        proto::LineStatus {
            line_number: line.line,
            requested: quantity(line.requested),
            found: quantity(line.found),
            cancelled: quantity(line.cancelled),
            picked_up: quantity(line.picked_up),
            returned: quantity(line.returned),
            short: (!line.short.is_zero())
                .then(|| quantity(line.short))
                .flatten(),
            item_system_id: line.item.to_string(),
            variant_code: optional(line.variant.as_ref()),
        }
    };
    lines.iter().map(write).collect()
}

fn read_lines(lines: Vec<proto::LineStatus>) -> Result<Vec<LineStatus>, Broken> {
    lines.into_iter().map(read_line).collect()
}

fn read_line(line: proto::LineStatus) -> Result<LineStatus, Broken> {
    let field = |error: millrace_values::CodeError| Broken::Field(error.to_string());
    let quantity = |quantity: Option<values::Quantity>| {
        Ok::<_, Broken>(Measured::try_from(quantity.unwrap_or_default())?)
    };
    let requested = quantity(line.requested)?;
    Ok(LineStatus {
        line: line.line_number,
        unit: requested.unit,
        requested: requested.quantity,
        found: quantity(line.found)?.quantity,
        cancelled: quantity(line.cancelled)?.quantity,
        picked_up: quantity(line.picked_up)?.quantity,
        returned: quantity(line.returned)?.quantity,
        short: quantity(line.short)?.quantity,
        item: SystemId::parse(&line.item_system_id).map_err(field)?,
        variant: VariantCode::parse_optional(&line.variant_code).map_err(field)?,
    })
}

fn write_reason(reason: CancelReason) -> proto::CancelReason {
    match reason {
        CancelReason::ByShop => proto::CancelReason::ByShop,
        CancelReason::ByStore => proto::CancelReason::ByStore,
        CancelReason::NotFound => proto::CancelReason::NotFound,
        CancelReason::Unanswered => proto::CancelReason::Unanswered,
        CancelReason::RefusedByErp => proto::CancelReason::ErpRefused,
    }
}

fn read_reason(reason: i32) -> Result<CancelReason, Broken> {
    match proto::CancelReason::try_from(reason) {
        Ok(proto::CancelReason::ByShop) => Ok(CancelReason::ByShop),
        Ok(proto::CancelReason::ByStore) => Ok(CancelReason::ByStore),
        Ok(proto::CancelReason::NotFound) => Ok(CancelReason::NotFound),
        Ok(proto::CancelReason::Unanswered) => Ok(CancelReason::Unanswered),
        Ok(proto::CancelReason::ErpRefused) => Ok(CancelReason::RefusedByErp),
        Ok(proto::CancelReason::Unspecified) | Err(_) => {
            Err(Broken::Field(format!("{reason} is no reason to cancel")))
        }
    }
}
