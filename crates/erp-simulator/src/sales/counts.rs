//! Requests that a person counts what really lies on a shelf.

use std::sync::Arc;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::stock::{self, Shelf};
use super::transfers::{header, known_item};
use crate::company::Location;
use crate::database::{
    CountRequest, CountState, Figure, Refused, Stamp, Tables, Transaction, count_key,
};
use crate::refusal::Refusal;

/// A request as the companion's page takes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewCount {
    pub channel_code: String,
    pub reservation_number: String,
    pub line_number: i64,
    pub location_code: String,
    pub item_number: String,
    #[serde(default)]
    pub variant_code: String,
    #[serde(default)]
    pub reason_text: String,
}

/// Stores the request once per key; whether it is new stands beside it. One that was refused is replaced.
pub fn request(
    tx: &mut Transaction<'_>,
    wanted: &NewCount,
    content: &Value,
) -> Result<(Arc<CountRequest>, bool), Refusal> {
    let key = count_key(
        &wanted.channel_code,
        &wanted.reservation_number,
        wanted.line_number,
    );
    let known = tx.tables().counts.by_key(&key).cloned();
    if let Some(known) = &known
        && known.state != CountState::Refused
    {
        if known.content == *content {
            return Ok((known.clone(), false));
        }
        return Err(Refusal::same_key("Count Request", &name(known)));
    }
    let (item, refused) = match check(tx.tables(), wanted) {
        Ok(item) => (item, None),
        Err(refused) => (Uuid::nil(), Some(refused)),
    };
    let request = tx.put(CountRequest {
        id: known.as_ref().map_or_else(|| tx.new_id(), |known| known.id),
        stamp: Stamp::default(),
        channel: wanted.channel_code.clone(),
        number: wanted.reservation_number.clone(),
        line_number: wanted.line_number,
        content: content.clone(),
        item,
        item_number: wanted.item_number.clone(),
        variant: wanted.variant_code.clone(),
        location: wanted.location_code.clone(),
        reason: wanted.reason_text.clone(),
        state: if refused.is_some() {
            CountState::Refused
        } else {
            CountState::Open
        },
        refused: refused.unwrap_or_default(),
        counted: Decimal::ZERO,
        document: String::new(),
    });
    Ok((request, true))
}

/// Sets what is on hand to what was counted, by an adjustment where they differ, and closes the request.
pub fn count(
    tx: &mut Transaction<'_>,
    request: &CountRequest,
    counted: Decimal,
) -> Result<Arc<CountRequest>, Refusal> {
    if request.state != CountState::Open {
        return Err(Refusal::business(format!(
            "The count request {} is not open.",
            name(request)
        )));
    }
    if counted < Decimal::ZERO {
        return Err(Refusal::business("Nobody can count less than nothing."));
    }
    let shelf = Shelf {
        item: request.item,
        variant: request.variant.clone(),
        location: request.location.clone(),
    };
    let on_hand = tx
        .get::<Figure>(shelf.figure_id())
        .map_or(Decimal::ZERO, |figure| figure.on_hand);
    let document = if counted == on_hand {
        String::new()
    } else {
        stock::correct(tx, &shelf, counted - on_hand)
    };
    Ok(tx.put(CountRequest {
        state: CountState::Counted,
        counted,
        document,
        ..request.clone()
    }))
}

fn check(tables: &Tables, wanted: &NewCount) -> Result<Uuid, Refused> {
    let location = &wanted.location_code;
    if Location::find(tables, location).is_none() {
        let text = format!("The location {location} does not exist.");
        return Err(header("LOCATION", text));
    }
    // What is blocked for sale lies there all the same.
    known_item(
        tables,
        &wanted.item_number,
        &wanted.variant_code,
        wanted.line_number,
    )
    .map(|(item, _)| item.id)
}

fn name(request: &CountRequest) -> String {
    format!(
        "{} {} {}",
        request.channel, request.number, request.line_number
    )
}
