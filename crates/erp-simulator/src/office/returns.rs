//! Acts of people at the return desk: receive, judge, credit; and the reasons they may name.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::company::{self, ReturnReasonData};
use crate::database::{Record, ReturnOrder, ReturnState, Transaction, buffer_key};
use crate::numbers::{number, wire};
use crate::refusal::Refusal;
use crate::sales::amounts;
use crate::sales::return_desk::{self, Disposition, Quantities};
use crate::sales::returns;
use crate::simulator::World;

/// Which return orders; those that are not refused, when nothing is said.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Chosen {
    channel: Option<String>,
    order_number: Option<String>,
    state: Option<String>,
}

/// Which return order, and which lines; everything there is when they are left out.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Which {
    channel: String,
    return_number: String,
    lines: Option<Vec<LineQuantity>>,
    /// Of all goods that are inspected, where a line does not say otherwise.
    #[serde(default)]
    disposition: Disposition,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineQuantity {
    line: i64,
    #[serde(with = "wire")]
    quantity: Decimal,
    disposition: Option<Disposition>,
}

impl Which {
    fn find(&self, tx: &Transaction<'_>) -> Result<Arc<ReturnOrder>, Refusal> {
        let (channel, number) = (&self.channel, &self.return_number);
        tx.tables()
            .returns
            .by_key(&buffer_key(channel, number))
            .cloned()
            .ok_or_else(|| Refusal::no_such_record("Return Order", &format!("{channel} {number}")))
    }

    fn quantities(&self) -> Quantities {
        let lines = self.lines.as_ref()?;
        let mut quantities = BTreeMap::new();
        for wanted in lines {
            *quantities.entry(wanted.line).or_default() += wanted.quantity;
        }
        Some(quantities)
    }
}

/// A reason by its code.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    code: String,
}

pub(super) fn list(world: &Arc<World>, chosen: &Chosen) -> Value {
    let is_chosen = |order: &&Arc<ReturnOrder>| {
        let is = |wanted: &Option<String>, value: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == value)
        };
        let is_of_state = match &chosen.state {
            Some(state) => state == order.state.name(),
            None => order.state != ReturnState::Refused,
        };
        is_of_state
            && is(&chosen.channel, &order.channel)
            && is(&chosen.order_number, &order.order_number)
    };
    world.read(|tables, _| {
        let returns = tables.returns.iter().filter(is_chosen);
        let returns: Vec<Value> = returns.map(|order| show(order)).collect();
        json!({ "returns": returns })
    })
}

pub(super) fn receive(tx: &mut Transaction<'_>, which: &Which) -> Result<Value, Refusal> {
    let order = which.find(tx)?;
    return_desk::receive(tx, &order, &which.quantities()).map(|order| show(&order))
}

pub(super) fn inspect(tx: &mut Transaction<'_>, which: &Which) -> Result<Value, Refusal> {
    let order = which.find(tx)?;
    let judged: Vec<(Quantities, Disposition)> = match &which.lines {
        None => vec![(None, which.disposition)],
        Some(lines) => lines
            .iter()
            .map(|line| {
                let quantities = BTreeMap::from([(line.line, line.quantity)]);
                (
                    Some(quantities),
                    line.disposition.unwrap_or(which.disposition),
                )
            })
            .collect(),
    };
    return_desk::inspect(tx, &order, &judged).map(|order| show(&order))
}

pub(super) fn credit(tx: &mut Transaction<'_>, which: &Which) -> Result<Value, Refusal> {
    let order = which.find(tx)?;
    let (order, memo) = return_desk::credit(tx, &order, &which.quantities())?;
    let totals = amounts::totals(&memo);
    let mut shown = show(&order);
    shown["creditMemo"] = Value::from(memo.number.clone());
    shown["net"] = number(totals.net);
    shown["tax"] = number(totals.tax);
    shown["gross"] = number(totals.gross());
    Ok(shown)
}

pub(super) fn cancel(tx: &mut Transaction<'_>, which: &Which) -> Result<Value, Refusal> {
    let order = which.find(tx)?;
    returns::cancel(tx, &order).map(|order| show(&order))
}

pub(super) fn set_reason(tx: &mut Transaction<'_>, reason: &ReturnReasonData) -> Value {
    company::write_return_reason(tx, reason);
    json!({ "code": reason.code })
}

pub(super) fn delete_reason(tx: &mut Transaction<'_>, named: &Named) -> Result<Value, Refusal> {
    let code = &named.code;
    let found = company::code(tx, "returnReasons", code).map(|record| record.id);
    let id = found.ok_or_else(|| Refusal::no_such_record("Return Reason", code))?;
    tx.delete::<Record>(id);
    Ok(json!({ "code": code }))
}

fn show(order: &ReturnOrder) -> Value {
    let lines: Vec<Value> = order
        .lines
        .iter()
        .map(|line| {
            json!({
                "line": line.line_number,
                "orderLine": line.order_line,
                "item": line.item_number,
                "variant": line.variant,
                "unit": line.unit,
                "location": line.location,
                "reason": line.reason,
                "quantity": number(line.quantity),
                "received": number(line.received),
                "restocked": number(line.restocked),
                "scrapped": number(line.scrapped),
                "repair": number(line.repair),
                "credited": number(line.credited),
            })
        })
        .collect();
    json!({
        "channel": order.channel,
        "returnNumber": order.number,
        "orderNumber": order.order_number,
        "state": order.state.name(),
        "document": order.document,
        "receipts": order.receipts,
        "creditMemos": order.memos,
        "rowVersion": order.stamp.version,
        "lines": lines,
    })
}
