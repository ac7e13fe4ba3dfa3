//! Return orders: goods of a shop order that come back. Here they are taken, given up and told of; what people do with the
//! goods is in [`super::return_desk`].

use std::sync::Arc;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::return_check::{self, Checked};
use super::stock;
use crate::database::{
    Item, Refused, ReturnLine, ReturnOrder, ReturnState, ReturnStatus, Stamp, Tables, Transaction,
    buffer_key,
};
use crate::numbers::wire;
use crate::refusal::Refusal;

/// A return as the companion's page takes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewReturn {
    pub channel_code: String,
    pub return_number: String,
    #[serde(default = "first_revision", skip_serializing)]
    pub revision: i64,
    pub order_number: String,
    pub customer_number: String,
    #[serde(default = "no_instant")]
    pub submitted_at: String,
    #[serde(default)]
    pub currency_code: String,
    #[serde(default)]
    pub prices_include_tax: bool,
    #[serde(default)]
    pub refund_type: Refund,
    #[serde(default)]
    pub is_gift: bool,
    #[serde(default)]
    pub exchange_order_number: String,
    #[serde(default, with = "wire")]
    pub freight_net_amount: Decimal,
    #[serde(default, with = "wire")]
    pub freight_gross_amount: Decimal,
    #[serde(default, with = "wire")]
    pub freight_tax_percent: Decimal,
    #[serde(with = "wire")]
    pub net_amount: Decimal,
    #[serde(with = "wire")]
    pub tax_amount: Decimal,
    #[serde(with = "wire")]
    pub gross_amount: Decimal,
    pub lines: Vec<NewReturnLine>,
}

/// How the customer is paid back; nothing here computes with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refund {
    #[default]
    Money,
    Voucher,
    Nothing,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewReturnLine {
    pub line_number: i64,
    pub order_line_number: i64,
    pub item_number: String,
    #[serde(default)]
    pub variant_code: String,
    #[serde(default)]
    pub unit_of_measure_code: String,
    #[serde(with = "wire")]
    pub quantity: Decimal,
    #[serde(default)]
    pub location_code: String,
    pub return_reason_code: String,
    #[serde(default)]
    pub condition_text: String,
    #[serde(default)]
    pub comment_text: String,
    #[serde(default)]
    pub photo_addresses: String,
    #[serde(default, with = "wire")]
    pub unit_price: Decimal,
    #[serde(default, with = "wire")]
    pub discount_amount: Decimal,
    #[serde(default, with = "wire")]
    pub tax_percent: Decimal,
    #[serde(with = "wire")]
    pub net_amount: Decimal,
    #[serde(with = "wire")]
    pub gross_amount: Decimal,
}

fn first_revision() -> i64 {
    1
}

fn no_instant() -> String {
    "0001-01-01T00:00:00Z".to_owned()
}

/// Makes the return order once per key; whether it is new stands beside it. One that was refused is checked anew.
pub fn place(
    tx: &mut Transaction<'_>,
    wanted: &NewReturn,
    content: &Value,
) -> Result<(Arc<ReturnOrder>, bool), Refusal> {
    let key = buffer_key(&wanted.channel_code, &wanted.return_number);
    let known = tx.tables().returns.by_key(&key).cloned();
    if let Some(known) = &known {
        let is_same = known.content == *content;
        let is_refused = known.state == ReturnState::Refused;
        if is_same && !is_refused {
            return Ok((known.clone(), false));
        }
        if !is_same && (!is_refused || wanted.revision <= known.revision) {
            return Err(Refusal::same_key("Return Order", &name(known)));
        }
    }
    let mut order = ReturnOrder {
        id: known.as_ref().map_or_else(|| tx.new_id(), |known| known.id),
        stamp: Stamp::default(),
        channel: wanted.channel_code.clone(),
        number: wanted.return_number.clone(),
        revision: wanted.revision,
        content: content.clone(),
        order_number: wanted.order_number.clone(),
        buffer: Uuid::nil(),
        customer: Uuid::nil(),
        currency: String::new(),
        prices_include_tax: wanted.prices_include_tax,
        state: ReturnState::Open,
        refused: Refused::default(),
        document: String::new(),
        receipts: Vec::new(),
        memos: Vec::new(),
        credited_net: Decimal::ZERO,
        credited_tax: Decimal::ZERO,
        freight_net: wanted.freight_net_amount,
        freight_tax: wanted.freight_gross_amount - wanted.freight_net_amount,
        freight_percent: wanted.freight_tax_percent,
        lines: Vec::new(),
    };
    match return_check::check(tx, wanted) {
        Ok(Checked {
            buffer,
            customer,
            currency,
            lines,
        }) => {
            order.buffer = buffer;
            order.customer = customer;
            order.currency = currency;
            order.lines = lines;
            order.document = format!("S-RETORD{}", tx.next_number("return", 105_001));
        }
        Err(refused) => {
            order.state = ReturnState::Refused;
            order.refused = refused;
        }
    }
    Ok((write(tx, order), true))
}

/// Gives up a return order of which nothing was received.
pub fn cancel(
    tx: &mut Transaction<'_>,
    order: &Arc<ReturnOrder>,
) -> Result<Arc<ReturnOrder>, Refusal> {
    match order.state {
        ReturnState::Open => {}
        ReturnState::Cancelled => return Ok(order.clone()),
        ReturnState::Refused => return Err(no(order, "was refused")),
        ReturnState::Received | ReturnState::Credited => {
            return Err(no(order, "has a receipt and cannot be cancelled"));
        }
    }
    let after = ReturnOrder {
        state: ReturnState::Cancelled,
        ..(**order).clone()
    };
    Ok(write(tx, after))
}

/// Whether goods of the item may still come back or wait to be judged.
pub fn are_awaited(tables: &Tables, item: Uuid) -> bool {
    tables
        .returns
        .iter()
        .filter(|order| is_under_way(order))
        .any(|order| order.lines.iter().any(|line| line.item == item))
}

/// Return orders that are under way follow a variant to its new code.
pub fn follow_variant(tx: &mut Transaction<'_>, item: &Item, code: &str, new_code: &str) {
    let concerned = |line: &ReturnLine| line.item == item.id && line.variant == code;
    let orders: Vec<Arc<ReturnOrder>> = tx
        .tables()
        .returns
        .iter()
        .filter(|order| is_under_way(order) && order.lines.iter().any(concerned))
        .cloned()
        .collect();
    for order in orders {
        let mut after = (*order).clone();
        for line in after.lines.iter_mut().filter(|line| concerned(line)) {
            new_code.clone_into(&mut line.variant);
        }
        tx.put(after);
    }
}

fn is_under_way(order: &ReturnOrder) -> bool {
    let is_done = |line: &ReturnLine| line.received == line.quantity && line.unjudged().is_zero();
    match order.state {
        ReturnState::Cancelled | ReturnState::Refused => false,
        ReturnState::Open | ReturnState::Received | ReturnState::Credited => {
            !order.lines.iter().all(is_done)
        }
    }
}

/// The return order is written after all that its change moved: its row version is the largest of them.
pub(super) fn write(tx: &mut Transaction<'_>, order: ReturnOrder) -> Arc<ReturnOrder> {
    let order = tx.put(order);
    if order.state != ReturnState::Refused {
        let told = (*order).clone();
        tx.append(|id| ReturnStatus {
            id,
            stamp: Stamp::default(),
            order: told,
        });
        let key = stock::primary_key(&[&order.channel, &order.number]);
        tx.tell("returnStatus", "modified", order.id, Uuid::nil(), key);
    }
    order
}

fn name(order: &ReturnOrder) -> String {
    format!("{} {}", order.channel, order.number)
}

pub(super) fn no(order: &ReturnOrder, why: &str) -> Refusal {
    Refusal::business(format!("The return order {} {why}.", name(order)))
}
