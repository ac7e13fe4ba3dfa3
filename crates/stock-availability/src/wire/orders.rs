//! What the events of `webshop-orders` say to stock.

use std::collections::HashMap;

use millrace_contract::values::v1::Quantity as WireQuantity;
use millrace_contract::webshop_orders::v1 as wire;
use millrace_values::{
    ChannelCode, LocationCode, Measured, OrderNumber, Quantity, Sku, SystemId, VariantCode,
};
use prost::Message;

use super::{WireError, moment};
use crate::domain::{Claim, Document, ItemRef, OrderFact, Progress, Taken};

/// One event of an order or a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderNews {
    pub channel: ChannelCode,
    pub claim: Claim,
    pub fact: OrderFact,
}

/// Reads an order's event. `Ok(None)`: a kind this version does not know; every event carries the whole status per line, so
/// the next one it knows makes good for it.
///
/// # Errors
/// What is wrong with it.
pub fn order_news(kind: &str, key: &str, payload: &[u8]) -> Result<Option<OrderNews>, WireError> {
    let Some(name) = kind.strip_prefix("millrace.webshop_orders.v1.") else {
        return Ok(None);
    };
    let (fact, order) = match name {
        "OrderAccepted" => {
            let event: wire::OrderAccepted = decode(payload, "OrderAccepted")?;
            taken(event.order, event.lines)?
        }
        "OrderMended" => {
            let event: wire::OrderMended = decode(payload, "OrderMended")?;
            taken(event.order, event.lines)?
        }
        "OrderHeld" => (
            went_on(None, decode::<wire::OrderHeld>(payload, "OrderHeld")?.lines)?,
            None,
        ),
        "OrderCleared" => (
            went_on(
                None,
                decode::<wire::OrderCleared>(payload, "OrderCleared")?.lines,
            )?,
            None,
        ),
        "OrderRefused" => (
            went_on(
                None,
                decode::<wire::OrderRefused>(payload, "OrderRefused")?.lines,
            )?,
            None,
        ),
        "OrderPosted" => {
            let event: wire::OrderPosted = decode(payload, "OrderPosted")?;
            (went_on(event.document, event.lines)?, None)
        }
        "OrderShipped" => {
            let event: wire::OrderShipped = decode(payload, "OrderShipped")?;
            (went_on(event.document, event.lines)?, None)
        }
        "OrderInvoiced" => {
            let event: wire::OrderInvoiced = decode(payload, "OrderInvoiced")?;
            (went_on(event.document, event.lines)?, None)
        }
        "OrderCredited" => {
            let event: wire::OrderCredited = decode(payload, "OrderCredited")?;
            (went_on(event.document, event.lines)?, None)
        }
        "OrderCancelled" => {
            let event: wire::OrderCancelled = decode(payload, "OrderCancelled")?;
            (went_on(event.document, event.lines)?, None)
        }
        _ => return Ok(None),
    };
    let (channel, number) = match order {
        Some(names) => names,
        None => of_key(key)?,
    };
    Ok(Some(OrderNews {
        channel,
        claim: Claim::Order(number),
        fact,
    }))
}

pub(super) fn decode<M: Message + Default>(
    payload: &[u8],
    kind: &'static str,
) -> Result<M, WireError> {
    M::decode(payload).map_err(|_| WireError::Undecodable { kind })
}

/// `order/<channel>/<number>`; the number may hold anything.
fn of_key(key: &str) -> Result<(ChannelCode, OrderNumber), WireError> {
    let wrong = || WireError::wrong("key", format!("{key:?} is not an order's"));
    let (channel, number) = key
        .strip_prefix("order/")
        .unwrap_or(key)
        .split_once('/')
        .ok_or_else(wrong)?;
    Ok((
        ChannelCode::parse(channel).map_err(|_| wrong())?,
        OrderNumber::parse(number).map_err(|_| wrong())?,
    ))
}

type Named = (OrderFact, Option<(ChannelCode, OrderNumber)>);

fn taken(order: Option<wire::Order>, status: Vec<wire::LineStatus>) -> Result<Named, WireError> {
    let order = order.ok_or(WireError::Missing { field: "order" })?;
    let channel =
        ChannelCode::parse(&order.channel).map_err(|error| WireError::wrong("channel", error))?;
    let number = OrderNumber::parse(&order.order_number)
        .map_err(|error| WireError::wrong("order_number", error))?;
    let placed_at = moment("placed_at", order.placed_at)?;
    let mut status: HashMap<u32, wire::LineStatus> = status
        .into_iter()
        .map(|line| (line.line_number, line))
        .collect();
    let lines = order.lines.into_iter().map(|line| {
        let status = status.remove(&line.line_number).unwrap_or_default();
        let item = ItemRef {
            number: Sku::parse(&line.item_number)
                .map_err(|error| WireError::wrong("item_number", error))?,
            id: SystemId::parse(&status.item_system_id).ok(),
        };
        Ok(Taken {
            line: line.line_number,
            item,
            variant: VariantCode::parse_optional(&line.variant_code)
                .map_err(|error| WireError::wrong("variant_code", error))?,
            location: location(&status.location_code)?.or(location(&line.location_code)?),
            ordered: quantity("quantity", line.quantity)?,
        })
    });
    let lines = lines.collect::<Result<_, WireError>>()?;
    Ok((
        OrderFact::Taken { placed_at, lines },
        Some((channel, number)),
    ))
}

fn went_on(
    document: Option<wire::ErpDocument>,
    lines: Vec<wire::LineStatus>,
) -> Result<OrderFact, WireError> {
    let mut shipped_at = None;
    let document = match document {
        None => None,
        Some(document) => {
            let at = moment("posted_at", document.posted_at)?;
            if document.kind == "shipment" {
                shipped_at = Some(at);
            }
            // 0 and the empty text: none.
            let row_version = document
                .row_version
                .parse()
                .ok()
                .filter(|version| *version > 0);
            Some(Document { row_version, at })
        }
    };
    let lines = lines.into_iter().map(|line| {
        Ok(Progress {
            line: line.line_number,
            item: SystemId::parse(&line.item_system_id).ok(),
            location: location(&line.location_code)?,
            cancelled: quantity("cancelled", line.cancelled)?,
            shipped: quantity("shipped", line.shipped)?,
        })
    });
    Ok(OrderFact::WentOn {
        document,
        returned: None,
        shipped_at,
        lines: lines.collect::<Result<_, WireError>>()?,
    })
}

fn location(code: &str) -> Result<Option<LocationCode>, WireError> {
    LocationCode::parse_optional(code).map_err(|error| WireError::wrong("location_code", error))
}

/// The number alone: quantities are taken to be in the base unit, which is what order-intake lets pass today.
pub(super) fn quantity(
    field: &'static str,
    quantity: Option<WireQuantity>,
) -> Result<Quantity, WireError> {
    let measured = Measured::try_from(quantity.unwrap_or_default())
        .map_err(|error| WireError::wrong(field, error))?;
    Ok(measured.quantity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_number_with_slashes_is_read_from_its_key() {
        let event = wire::OrderCleared::default().encode_to_vec();
        let news = order_news(
            "millrace.webshop_orders.v1.OrderCleared",
            "order/shop/2026/11/1",
            &event,
        )
        .unwrap()
        .unwrap();
        let number = OrderNumber::parse("2026/11/1").unwrap();
        assert_eq!(
            (news.channel.as_str(), news.claim),
            ("shop", Claim::Order(number))
        );
    }

    #[test]
    fn a_kind_of_a_newer_neighbour_is_passed_over() {
        assert_eq!(
            order_news(
                "millrace.webshop_orders.v1.OrderPraised",
                "order/shop/1",
                b"\xff"
            ),
            Ok(None)
        );
    }

    #[test]
    fn a_message_that_cannot_be_decoded_says_which() {
        let error = order_news(
            "millrace.webshop_orders.v1.OrderHeld",
            "order/shop/1",
            b"\xff",
        )
        .unwrap_err();
        assert_eq!(error.to_string(), "OrderHeld cannot be decoded");
    }

    #[test]
    fn a_posted_order_brings_its_row_version() {
        let document = wire::ErpDocument {
            kind: "sales-order".into(),
            row_version: "4711".into(),
            posted_at: Some(prost_types::Timestamp {
                seconds: 5,
                nanos: 0,
            }),
            ..Default::default()
        };
        let event = wire::OrderPosted {
            document: Some(document),
            ..Default::default()
        }
        .encode_to_vec();
        let news = order_news(
            "millrace.webshop_orders.v1.OrderPosted",
            "order/shop/1",
            &event,
        )
        .unwrap()
        .unwrap();
        let OrderFact::WentOn {
            document: Some(document),
            shipped_at: None,
            ..
        } = news.fact
        else {
            panic!("{news:?}")
        };
        assert_eq!(document.row_version, Some(4711));
    }
}
