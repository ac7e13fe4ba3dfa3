//! Events ⇄ the messages of topic `returns`.

use std::fmt::Display;

use bytes::Bytes;
use millrace_contract::returns::v1 as proto;
use millrace_event_store::{NewEvent, Recorded};
use millrace_values::{ErpCode, LocationCode, SystemId, Timestamp};
use prost::Message;
use thiserror::Error;

use super::goods::{optional, read_return, write_return};
use super::status::{
    read_credit, read_credits, read_dispositions, read_freight, read_lines, read_quantities,
    read_reason, read_refunds, write_credit, write_credits, write_dispositions, write_freight,
    write_lines, write_quantities, write_reason, write_refunds,
};
use crate::domain::{CancelReason, Document, Event, Return};

const PACKAGE: &str = "millrace.returns.v1.";

/// An event that cannot be read: written by a newer binary, or damaged.
#[derive(Debug, Error)]
#[error("event cannot be read: {0}")]
pub struct Broken(String);

impl Broken {
    pub(super) fn of(why: impl Display) -> Self {
        Self(why.to_string())
    }
}

impl From<prost::DecodeError> for Broken {
    fn from(error: prost::DecodeError) -> Self {
        Self::of(error)
    }
}

/// The event's type and payload.
#[must_use]
pub fn write(event: &Event) -> (String, Bytes) {
    let lines = write_lines(event.lines());
    match event {
        Event::Submitted {
            goods,
            content_hash,
            ..
        } => packed(
            "ReturnSubmitted",
            &proto::ReturnSubmitted {
                shop_return: Some(write_return(goods)),
                content_hash: content_hash.clone().into(),
                lines,
            },
        ),
        Event::Held { reasons, .. } => packed(
            "ReturnHeld",
            &proto::ReturnHeld {
                reasons: reasons.iter().map(write_reason).collect(),
                lines,
            },
        ),
        Event::Mended { goods, note, .. } => packed(
            "ReturnMended",
            &proto::ReturnMended {
                shop_return: Some(write_return(goods)),
                note: note.clone(),
                lines,
            },
        ),
        Event::Cleared {
            credits,
            freight,
            location,
            ..
        } => packed(
            "ReturnCleared",
            &proto::ReturnCleared {
                credits: write_credits(credits),
                freight: freight.as_ref().map(write_freight),
                lines,
                location_code: optional(location.as_ref()),
            },
        ),
        Event::Posted { document, .. } => packed(
            "ReturnPosted",
            &proto::ReturnPosted {
                document: Some(write_document(document)),
                lines,
            },
        ),
        Event::Lost { .. } => packed("ReturnLost", &proto::ReturnLost { lines }),
        Event::ErpRefused { reason, .. } => packed(
            "ReturnErpRefused",
            &proto::ReturnErpRefused {
                reason: Some(write_reason(reason)),
                lines,
            },
        ),
        Event::Received {
            received,
            receipts,
            credits,
            ..
        } => packed(
            "ReturnReceived",
            &proto::ReturnReceived {
                received: write_quantities(received, event.lines()),
                receipt_numbers: receipts.clone(),
                credits: write_credits(credits),
                lines,
            },
        ),
        Event::Inspected { dispositions, .. } => packed(
            "ReturnInspected",
            &proto::ReturnInspected {
                dispositions: write_dispositions(dispositions, event.lines()),
                lines,
            },
        ),
        Event::Credited {
            credit_memos,
            credited,
            amount,
            ..
        } => packed(
            "ReturnCredited",
            &proto::ReturnCredited {
                credit_memo_numbers: credit_memos.clone(),
                credited: write_quantities(credited, event.lines()),
                amount: Some(write_credit(*amount)),
                lines,
            },
        ),
        Event::RefundAnnounced { refunds, .. } => packed(
            "ReturnRefundAnnounced",
            &proto::ReturnRefundAnnounced {
                refunds: write_refunds(refunds),
                lines,
            },
        ),
        Event::Refused { text, .. } => packed(
            "ReturnRefused",
            &proto::ReturnRefused {
                text: text.clone(),
                lines,
            },
        ),
        Event::Cancelled { reason, note, .. } => packed(
            "ReturnCancelled",
            &proto::ReturnCancelled {
                reason: match reason {
                    CancelReason::ByShop => proto::CancelReason::ByShop,
                    CancelReason::InErp => proto::CancelReason::InErp,
                }
                .into(),
                note: note.clone(),
                lines,
            },
        ),
    }
}

/// When it happened, where the event itself says so.
#[must_use]
pub fn occurred_at(event: &Event) -> Option<jiff::Timestamp> {
    match event {
        Event::Submitted { at, .. }
        | Event::Posted { at, .. }
        | Event::Received { at, .. }
        | Event::Inspected { at, .. }
        | Event::Credited { at, .. } => Some(at.0),
        Event::Held { .. }
        | Event::Mended { .. }
        | Event::Cleared { .. }
        | Event::Lost { .. }
        | Event::ErpRefused { .. }
        | Event::RefundAnnounced { .. }
        | Event::Refused { .. }
        | Event::Cancelled { .. } => None,
    }
}

/// Reads an event of our own log back.
///
/// # Errors
/// It was not written by this binary or one before it.
pub fn read(recorded: &Recorded) -> Result<Event, Broken> {
    let NewEvent {
        kind,
        payload,
        occurred_at,
        ..
    } = &recorded.event;
    let payload = payload.clone();
    let at = Timestamp(*occurred_at);
    let name = kind.strip_prefix(PACKAGE).unwrap_or(kind);
    Ok(match name {
        "ReturnSubmitted" => {
            let message = proto::ReturnSubmitted::decode(payload)?;
            Event::Submitted {
                goods: own_return(message.shop_return)?,
                content_hash: message.content_hash.to_vec(),
                at,
                lines: read_lines(message.lines)?,
            }
        }
        "ReturnHeld" => {
            let message = proto::ReturnHeld::decode(payload)?;
            let reasons = message.reasons.into_iter().map(read_reason);
            Event::Held {
                reasons: reasons.collect::<Result<_, _>>()?,
                lines: read_lines(message.lines)?,
            }
        }
        "ReturnMended" => {
            let message = proto::ReturnMended::decode(payload)?;
            Event::Mended {
                goods: own_return(message.shop_return)?,
                note: message.note,
                lines: read_lines(message.lines)?,
            }
        }
        "ReturnCleared" => {
            let message = proto::ReturnCleared::decode(payload)?;
            Event::Cleared {
                credits: read_credits(message.credits)?,
                freight: message.freight.map(read_freight).transpose()?,
                location: LocationCode::parse_optional(&message.location_code)
                    .map_err(Broken::of)?,
                lines: read_lines(message.lines)?,
            }
        }
        "ReturnPosted" => {
            let message = proto::ReturnPosted::decode(payload)?;
            Event::Posted {
                document: read_document(message.document)?,
                at,
                lines: read_lines(message.lines)?,
            }
        }
        "ReturnLost" => {
            let message = proto::ReturnLost::decode(payload)?;
            Event::Lost {
                lines: read_lines(message.lines)?,
            }
        }
        "ReturnErpRefused" => {
            let message = proto::ReturnErpRefused::decode(payload)?;
            let reason = message
                .reason
                .ok_or_else(|| Broken::of("reason is missing"))?;
            Event::ErpRefused {
                reason: read_reason(reason)?,
                lines: read_lines(message.lines)?,
            }
        }
        "ReturnReceived" => {
            let message = proto::ReturnReceived::decode(payload)?;
            Event::Received {
                received: read_quantities(message.received)?,
                receipts: message.receipt_numbers,
                credits: read_credits(message.credits)?,
                at,
                lines: read_lines(message.lines)?,
            }
        }
        "ReturnInspected" => {
            let message = proto::ReturnInspected::decode(payload)?;
            Event::Inspected {
                dispositions: read_dispositions(message.dispositions)?,
                at,
                lines: read_lines(message.lines)?,
            }
        }
        "ReturnCredited" => {
            let message = proto::ReturnCredited::decode(payload)?;
            Event::Credited {
                credit_memos: message.credit_memo_numbers,
                credited: read_quantities(message.credited)?,
                amount: read_credit(message.amount)?,
                at,
                lines: read_lines(message.lines)?,
            }
        }
        "ReturnRefundAnnounced" => {
            let message = proto::ReturnRefundAnnounced::decode(payload)?;
            Event::RefundAnnounced {
                refunds: read_refunds(message.refunds)?,
                lines: read_lines(message.lines)?,
            }
        }
        "ReturnRefused" => {
            let message = proto::ReturnRefused::decode(payload)?;
            Event::Refused {
                text: message.text,
                lines: read_lines(message.lines)?,
            }
        }
        "ReturnCancelled" => {
            let message = proto::ReturnCancelled::decode(payload)?;
            let reason = match message.reason() {
                proto::CancelReason::ByShop => CancelReason::ByShop,
                proto::CancelReason::InErp => CancelReason::InErp,
                proto::CancelReason::Unspecified => {
                    return Err(Broken::of("who cancelled is not known"));
                }
            };
            Event::Cancelled {
                reason,
                note: message.note,
                lines: read_lines(message.lines)?,
            }
        }
        other => {
            return Err(Broken::of(format_args!(
                "events of type {other} are not known"
            )));
        }
    })
}

fn packed(name: &str, message: &impl Message) -> (String, Bytes) {
    (format!("{PACKAGE}{name}"), message.encode_to_vec().into())
}

fn own_return(goods: Option<proto::Return>) -> Result<Box<Return>, Broken> {
    let goods = goods.ok_or_else(|| Broken::of("return is missing"))?;
    let erp = ErpCode::parse(&goods.erp).map_err(Broken::of)?;
    read_return(&goods, &erp).map(Box::new).map_err(Broken::of)
}

pub(super) fn write_document(document: &Document) -> proto::ReturnDocument {
    proto::ReturnDocument {
        system_id: document.system_id.to_string(),
        number: document.number.clone(),
    }
}

fn read_document(document: Option<proto::ReturnDocument>) -> Result<Document, Broken> {
    let document = document.ok_or_else(|| Broken::of("document is missing"))?;
    Ok(Document {
        system_id: SystemId::parse(&document.system_id).map_err(Broken::of)?,
        number: document.number,
    })
}
