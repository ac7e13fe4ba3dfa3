//! Acts of people in a store: look for reserved goods, put them aside, count.

use std::sync::Arc;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::database::{
    CountRequest, CountState, Transaction, TransferRequest, TransferState, buffer_key, count_key,
};
use crate::numbers::{number, wire};
use crate::refusal::Refusal;
use crate::sales::counts;
use crate::sales::transfers::{self, Found};
use crate::simulator::World;

/// Of which location; of all when it is left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Where {
    location: Option<String>,
}

impl Where {
    fn is_at(&self, location: &str) -> bool {
        self.location
            .as_ref()
            .is_none_or(|wanted| wanted == location)
    }
}

/// Which request, and for posting what was found; everything when it is left out.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Which {
    channel: String,
    reservation_number: String,
    lines: Option<Vec<LineQuantity>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineQuantity {
    line: i64,
    #[serde(with = "wire")]
    quantity: Decimal,
}

/// Which request to count, and how much there was.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Counted {
    channel: String,
    reservation_number: String,
    line: i64,
    #[serde(with = "wire")]
    quantity: Decimal,
}

/// Goods somebody is to look for.
pub(super) fn open(world: &Arc<World>, place: &Where) -> Value {
    world.read(|tables, _| {
        let requests: Vec<Value> = tables
            .transfers
            .iter()
            .filter(|request| request.state == TransferState::Open && place.is_at(&request.from))
            .map(|request| show(request))
            .collect();
        json!({ "requests": requests })
    })
}

/// Shelves somebody is to count.
pub(super) fn to_count(world: &Arc<World>, place: &Where) -> Value {
    world.read(|tables, _| {
        let requests: Vec<Value> = tables
            .counts
            .iter()
            .filter(|request| request.state == CountState::Open && place.is_at(&request.location))
            .map(|request| show_count(request))
            .collect();
        json!({ "requests": requests })
    })
}

pub(super) fn post(tx: &mut Transaction<'_>, which: &Which) -> Result<Value, Refusal> {
    let request = find(tx, which)?;
    let found: Found = match &which.lines {
        Some(lines) => lines
            .iter()
            .map(|found| (found.line, found.quantity))
            .collect(),
        None => request
            .lines
            .iter()
            .map(|line| (line.line_number, line.quantity))
            .collect(),
    };
    transfers::post(tx, &request, &found).map(|request| show(&request))
}

pub(super) fn cancel(tx: &mut Transaction<'_>, which: &Which) -> Result<Value, Refusal> {
    let request = find(tx, which)?;
    transfers::cancel(tx, &request).map(|request| show(&request))
}

pub(super) fn give_back(tx: &mut Transaction<'_>, which: &Which) -> Result<Value, Refusal> {
    let request = find(tx, which)?;
    transfers::give_back(tx, &request).map(|request| show(&request))
}

pub(super) fn count(tx: &mut Transaction<'_>, counted: &Counted) -> Result<Value, Refusal> {
    let key = count_key(&counted.channel, &counted.reservation_number, counted.line);
    let request = tx.tables().counts.by_key(&key).cloned().ok_or_else(|| {
        let (channel, number) = (&counted.channel, &counted.reservation_number);
        Refusal::no_such_record(
            "Count Request",
            &format!("{channel} {number} {}", counted.line),
        )
    })?;
    counts::count(tx, &request, counted.quantity).map(|request| show_count(&request))
}

fn find(tx: &Transaction<'_>, which: &Which) -> Result<Arc<TransferRequest>, Refusal> {
    let (channel, number) = (&which.channel, &which.reservation_number);
    tx.tables()
        .transfers
        .by_key(&buffer_key(channel, number))
        .cloned()
        .ok_or_else(|| Refusal::no_such_record("Transfer Request", &format!("{channel} {number}")))
}

fn show(request: &TransferRequest) -> Value {
    let lines: Vec<Value> = request
        .lines
        .iter()
        .map(|line| {
            json!({
                "line": line.line_number,
                "item": line.item_number,
                "variant": line.variant,
                "unit": line.unit,
                "quantity": number(line.quantity),
                "found": number(line.found),
            })
        })
        .collect();
    json!({
        "channel": request.channel,
        "reservationNumber": request.number,
        "reference": request.reference,
        "from": request.from,
        "to": request.to,
        "state": request.state.name(),
        "document": request.document,
        "returnDocument": request.return_document,
        "rowVersion": request.stamp.version,
        "lines": lines,
    })
}

fn show_count(request: &CountRequest) -> Value {
    json!({
        "channel": request.channel,
        "reservationNumber": request.number,
        "line": request.line_number,
        "location": request.location,
        "item": request.item_number,
        "variant": request.variant,
        "reason": request.reason,
        "state": request.state.name(),
        "counted": number(request.counted),
        "document": request.document,
    })
}
