//! Events ⇄ their messages.

use std::fmt::Display;

use bytes::Bytes;
use millrace_contract::webshop_orders::v1 as proto;
use millrace_event_store::{NewEvent, Recorded};
use millrace_values::{Amount, CustomerNumber, ErpCode, SystemId, Timestamp};
use prost::Message;
use thiserror::Error;

use super::document::{read_document, write_document};
use super::order::{read_order, write_order};
use super::status::{
    read_lines, read_quantities, read_reason, write_lines, write_quantities, write_reason,
};
use crate::domain::{Event, Order};

const PACKAGE: &str = "millrace.webshop_orders.v1.";

/// An event of our own log that cannot be read: written by a newer binary, or damaged.
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
        Event::Accepted {
            order,
            content_hash,
            ..
        } => packed(
            "OrderAccepted",
            &proto::OrderAccepted {
                order: Some(write_order(order)),
                content_hash: content_hash.clone().into(),
                lines,
            },
        ),
        Event::Held { reasons, .. } => packed(
            "OrderHeld",
            &proto::OrderHeld {
                reasons: reasons.iter().map(write_reason).collect(),
                lines,
            },
        ),
        Event::Cleared { .. } => packed("OrderCleared", &proto::OrderCleared { lines }),
        Event::Mended { order, note, .. } => packed(
            "OrderMended",
            &proto::OrderMended {
                order: Some(write_order(order)),
                note: note.clone(),
                lines,
            },
        ),
        Event::Posted {
            document,
            customer,
            total_difference,
            ..
        } => {
            let (system_id, number) = match customer {
                Some((system_id, number)) => {
                    (system_id.map(|id| id.to_string()), number.to_string())
                }
                None => (None, String::new()),
            };
            packed(
                "OrderPosted",
                &proto::OrderPosted {
                    document: Some(write_document(document)),
                    customer_system_id: system_id.unwrap_or_default(),
                    customer_number: number,
                    total_difference: total_difference.map(Into::into),
                    lines,
                },
            )
        }
        Event::Refused { reason, .. } => packed(
            "OrderRefused",
            &proto::OrderRefused {
                reason: Some(write_reason(reason)),
                lines,
            },
        ),
        Event::Shipped {
            document,
            shipped,
            carrier,
            tracking_number,
            ..
        } => packed(
            "OrderShipped",
            &proto::OrderShipped {
                document: Some(write_document(document)),
                shipped: write_quantities(shipped, event.lines()),
                carrier: carrier.clone(),
                tracking_number: tracking_number.clone(),
                lines,
            },
        ),
        Event::Invoiced {
            document, invoiced, ..
        } => packed(
            "OrderInvoiced",
            &proto::OrderInvoiced {
                document: Some(write_document(document)),
                invoiced: write_quantities(invoiced, event.lines()),
                lines,
            },
        ),
        Event::Credited {
            document, credited, ..
        } => packed(
            "OrderCredited",
            &proto::OrderCredited {
                document: Some(write_document(document)),
                credited: write_quantities(credited, event.lines()),
                lines,
            },
        ),
        Event::Cancelled {
            document,
            cancelled,
            note,
            ..
        } => packed(
            "OrderCancelled",
            &proto::OrderCancelled {
                cancelled: write_quantities(cancelled, event.lines()),
                note: note.clone(),
                lines,
                document: document.as_ref().map(write_document),
            },
        ),
    }
}

/// When it happened, where the event itself says so.
#[must_use]
pub fn occurred_at(event: &Event) -> Option<jiff::Timestamp> {
    match event {
        Event::Accepted { at, .. } => Some(at.0),
        Event::Posted { document, .. }
        | Event::Shipped { document, .. }
        | Event::Invoiced { document, .. }
        | Event::Credited { document, .. } => Some(document.posted_at.0),
        Event::Cancelled { document, .. } => document.as_ref().map(|document| document.posted_at.0),
        Event::Held { .. }
        | Event::Cleared { .. }
        | Event::Mended { .. }
        | Event::Refused { .. } => None,
    }
}

/// Reads an event of our own log back.
///
/// # Errors
/// It was not written by this binary or one before it.
pub fn read(recorded: &Recorded) -> Result<Event, Broken> {
    let NewEvent { kind, payload, .. } = &recorded.event;
    let payload = payload.clone();
    let name = kind.strip_prefix(PACKAGE).unwrap_or(kind);
    Ok(match name {
        "OrderAccepted" => {
            let proto::OrderAccepted {
                order,
                content_hash,
                lines,
            } = Message::decode(payload)?;
            Event::Accepted {
                order: own_order(order)?,
                content_hash: content_hash.to_vec(),
                at: Timestamp(recorded.event.occurred_at),
                lines: read_lines(lines)?,
            }
        }
        "OrderHeld" => {
            let proto::OrderHeld { reasons, lines } = Message::decode(payload)?;
            let reasons = reasons
                .into_iter()
                .map(read_reason)
                .collect::<Result<_, _>>()?;
            Event::Held {
                reasons,
                lines: read_lines(lines)?,
            }
        }
        "OrderCleared" => Event::Cleared {
            lines: read_lines(proto::OrderCleared::decode(payload)?.lines)?,
        },
        "OrderMended" => {
            let proto::OrderMended { order, note, lines } = Message::decode(payload)?;
            Event::Mended {
                order: own_order(order)?,
                note,
                lines: read_lines(lines)?,
            }
        }
        "OrderPosted" => read_posted(Message::decode(payload)?)?,
        "OrderRefused" => {
            let proto::OrderRefused { reason, lines } = Message::decode(payload)?;
            let reason = reason.ok_or_else(|| Broken::of("reason is missing"))?;
            Event::Refused {
                reason: read_reason(reason)?,
                lines: read_lines(lines)?,
            }
        }
        "OrderShipped" => {
            let proto::OrderShipped {
                document,
                shipped,
                carrier,
                tracking_number,
                lines,
            } = Message::decode(payload)?;
            Event::Shipped {
                document: read_document(document)?,
                shipped: read_quantities(shipped)?,
                carrier,
                tracking_number,
                lines: read_lines(lines)?,
            }
        }
        "OrderInvoiced" => {
            let proto::OrderInvoiced {
                document,
                invoiced,
                lines,
            } = Message::decode(payload)?;
            Event::Invoiced {
                document: read_document(document)?,
                invoiced: read_quantities(invoiced)?,
                lines: read_lines(lines)?,
            }
        }
        "OrderCredited" => {
            let proto::OrderCredited {
                document,
                credited,
                lines,
            } = Message::decode(payload)?;
            Event::Credited {
                document: read_document(document)?,
                credited: read_quantities(credited)?,
                lines: read_lines(lines)?,
            }
        }
        "OrderCancelled" => {
            let proto::OrderCancelled {
                cancelled,
                note,
                lines,
                document,
            } = Message::decode(payload)?;
            Event::Cancelled {
                document: document
                    .map(|document| read_document(Some(document)))
                    .transpose()?,
                cancelled: read_quantities(cancelled)?,
                note,
                lines: read_lines(lines)?,
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

fn own_order(order: Option<proto::Order>) -> Result<Box<Order>, Broken> {
    let order = order.ok_or_else(|| Broken::of("order is missing"))?;
    let erp = ErpCode::parse(&order.erp).map_err(Broken::of)?;
    read_order(&order, &erp).map(Box::new).map_err(Broken::of)
}

fn read_posted(posted: proto::OrderPosted) -> Result<Event, Broken> {
    let proto::OrderPosted {
        document,
        customer_system_id,
        customer_number,
        total_difference,
        lines,
    } = posted;
    let number = CustomerNumber::parse_optional(&customer_number).map_err(Broken::of)?;
    let customer = match number {
        Some(number) => Some((optional_id(&customer_system_id)?, number)),
        None => None,
    };
    Ok(Event::Posted {
        document: read_document(document)?,
        customer,
        total_difference: total_difference
            .map(Amount::try_from)
            .transpose()
            .map_err(Broken::of)?,
        lines: read_lines(lines)?,
    })
}

pub(super) fn optional_id(text: &str) -> Result<Option<SystemId>, Broken> {
    if text.is_empty() {
        Ok(None)
    } else {
        SystemId::parse(text).map(Some).map_err(Broken::of)
    }
}
