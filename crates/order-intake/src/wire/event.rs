//! Events ⇄ their messages.

use std::fmt::Display;

use bytes::Bytes;
use millrace_contract::webshop_orders::v1 as proto;
use millrace_event_store::{NewEvent, Recorded};
use millrace_values::{
    Amount, CustomerNumber, ErpCode, LocationCode, Measured, SystemId, Timestamp, VariantCode,
};
use prost::Message;
use thiserror::Error;

use super::document::{read_document, write_document};
use super::order::{quantity, read_order, write_order};
use crate::domain::{Event, HoldKind, HoldReason, LineQuantity, LineState, LineStatus, Order};

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

fn optional_id(text: &str) -> Result<Option<SystemId>, Broken> {
    if text.is_empty() {
        Ok(None)
    } else {
        SystemId::parse(text).map(Some).map_err(Broken::of)
    }
}

pub(super) fn write_reason(reason: &HoldReason) -> proto::HoldReason {
    proto::HoldReason {
        kind: write_kind(reason.kind).into(),
        line_number: reason.line,
        message: reason.message.clone(),
        subject: reason.subject.clone(),
        heals_by_itself: reason.kind.heals_by_itself(),
    }
}

fn read_reason(reason: proto::HoldReason) -> Result<HoldReason, Broken> {
    let kind = read_kind(reason.kind())
        .ok_or_else(|| Broken::of("kind of the hold reason is not known"))?;
    Ok(HoldReason {
        kind,
        line: reason.line_number,
        message: reason.message,
        subject: reason.subject,
    })
}

fn write_kind(kind: HoldKind) -> proto::HoldKind {
    match kind {
        HoldKind::UnknownItem => proto::HoldKind::UnknownItem,
        HoldKind::UnknownVariant => proto::HoldKind::UnknownVariant,
        HoldKind::ItemBlocked => proto::HoldKind::ItemBlocked,
        HoldKind::UnknownUnit => proto::HoldKind::UnknownUnit,
        HoldKind::LineTotal => proto::HoldKind::LineTotal,
        HoldKind::OrderTotal => proto::HoldKind::OrderTotal,
        HoldKind::Currency => proto::HoldKind::Currency,
        HoldKind::UnknownCustomer => proto::HoldKind::UnknownCustomer,
        HoldKind::CustomerBlocked => proto::HoldKind::CustomerBlocked,
        HoldKind::PaymentMethodUnmapped => proto::HoldKind::PaymentMethodUnmapped,
        HoldKind::ShipmentMethodUnmapped => proto::HoldKind::ShipmentMethodUnmapped,
        HoldKind::UnknownLocation => proto::HoldKind::UnknownLocation,
        HoldKind::ErpRefused => proto::HoldKind::ErpRefused,
        HoldKind::Tax => proto::HoldKind::Tax,
        HoldKind::CustomerRefused => proto::HoldKind::CustomerRefused,
    }
}

fn read_kind(kind: proto::HoldKind) -> Option<HoldKind> {
    Some(match kind {
        proto::HoldKind::Unspecified => return None,
        proto::HoldKind::UnknownItem => HoldKind::UnknownItem,
        proto::HoldKind::UnknownVariant => HoldKind::UnknownVariant,
        proto::HoldKind::ItemBlocked => HoldKind::ItemBlocked,
        proto::HoldKind::UnknownUnit => HoldKind::UnknownUnit,
        proto::HoldKind::LineTotal => HoldKind::LineTotal,
        proto::HoldKind::OrderTotal => HoldKind::OrderTotal,
        proto::HoldKind::Currency => HoldKind::Currency,
        proto::HoldKind::UnknownCustomer => HoldKind::UnknownCustomer,
        proto::HoldKind::CustomerBlocked => HoldKind::CustomerBlocked,
        proto::HoldKind::PaymentMethodUnmapped => HoldKind::PaymentMethodUnmapped,
        proto::HoldKind::ShipmentMethodUnmapped => HoldKind::ShipmentMethodUnmapped,
        proto::HoldKind::UnknownLocation => HoldKind::UnknownLocation,
        proto::HoldKind::ErpRefused => HoldKind::ErpRefused,
        proto::HoldKind::Tax => HoldKind::Tax,
        proto::HoldKind::CustomerRefused => HoldKind::CustomerRefused,
    })
}

pub(super) fn write_lines(lines: &[LineStatus]) -> Vec<proto::LineStatus> {
    let told = |line: &LineStatus| {
        let measured = |value| Some(quantity(value, line.unit.as_ref()));
        proto::LineStatus {
            line_number: line.number,
            ordered: measured(line.ordered),
            shipped: measured(line.shipped),
            invoiced: measured(line.invoiced),
            credited: measured(line.credited),
            cancelled: measured(line.cancelled),
            state: write_state(line.state()).into(),
            item_system_id: line.item.map(|id| id.to_string()).unwrap_or_default(),
            variant_code: line
                .variant
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            location_code: line
                .location
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        }
    };
    lines.iter().map(told).collect()
}

fn write_state(state: LineState) -> proto::LineState {
    match state {
        LineState::Created => proto::LineState::Created,
        LineState::PartlyDelivered => proto::LineState::PartlyDelivered,
        LineState::Delivered => proto::LineState::Delivered,
        LineState::Invoiced => proto::LineState::Invoiced,
        LineState::Credited => proto::LineState::Credited,
        LineState::Cancelled => proto::LineState::Cancelled,
    }
}

fn read_lines(lines: Vec<proto::LineStatus>) -> Result<Vec<LineStatus>, Broken> {
    let read = |line: proto::LineStatus| {
        let ordered = line
            .ordered
            .ok_or_else(|| Broken::of("line status has no quantity"))?;
        let ordered = Measured::try_from(ordered).map_err(Broken::of)?;
        let rest = |quantity: Option<millrace_contract::values::v1::Quantity>| {
            Measured::try_from(quantity.unwrap_or_default())
                .map(|measured| measured.quantity)
                .map_err(Broken::of)
        };
        Ok(LineStatus {
            number: line.line_number,
            unit: ordered.unit,
            ordered: ordered.quantity,
            shipped: rest(line.shipped)?,
            invoiced: rest(line.invoiced)?,
            credited: rest(line.credited)?,
            cancelled: rest(line.cancelled)?,
            item: optional_id(&line.item_system_id)?,
            variant: VariantCode::parse_optional(&line.variant_code).map_err(Broken::of)?,
            location: LocationCode::parse_optional(&line.location_code).map_err(Broken::of)?,
        })
    };
    lines.into_iter().map(read).collect()
}

pub(super) fn write_quantities(
    moved: &[LineQuantity],
    lines: &[LineStatus],
) -> Vec<proto::LineQuantity> {
    let told = |moved: &LineQuantity| {
        let unit = lines
            .iter()
            .find(|line| line.number == moved.line)
            .and_then(|line| line.unit.as_ref());
        proto::LineQuantity {
            line_number: moved.line,
            quantity: Some(quantity(moved.quantity, unit)),
        }
    };
    moved.iter().map(told).collect()
}

fn read_quantities(moved: Vec<proto::LineQuantity>) -> Result<Vec<LineQuantity>, Broken> {
    let read = |moved: proto::LineQuantity| {
        let measured =
            Measured::try_from(moved.quantity.unwrap_or_default()).map_err(Broken::of)?;
        Ok(LineQuantity {
            line: moved.line_number,
            quantity: measured.quantity,
        })
    };
    moved.into_iter().map(read).collect()
}
