//! `/_office`: what people in the ERP do. Each act is one transaction of the user `OFFICE`.

mod catalogue;
mod environment;
mod partners;
mod returns;
mod sales;
mod stock;
mod transfers;

use std::sync::Arc;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::database::{Item, Tables, Transaction};
use crate::faults::Occasion;
use crate::http::answer::Answer;
use crate::refusal::Refusal;
use crate::simulator::World;

const USER: &str = "OFFICE";

/// Every act with its fields; those with a question mark may be left out.
const ACTS: &[(&str, &str)] = &[
    (
        "create-item",
        "number, name, name2?, kind?, category?, gtin?, unit?, unitPrice?, taxGroup?, variants?, …",
    ),
    (
        "change-item",
        "number, name?, name2?, category?, gtin?, unitPrice?, blocked?, salesBlocked?, salesUnit?, netWeight?, productGroup?",
    ),
    ("rename-item", "number, newNumber"),
    ("delete-item", "number"),
    ("create-variant", "item, code, description"),
    (
        "change-variant",
        "item, code, description?, description2?, blocked?, salesBlocked?",
    ),
    ("rename-variant", "item, code, newCode"),
    ("delete-variant", "item, code"),
    (
        "set-price",
        "item, unitPrice, variant?, priceGroup?, customer?, currency?, unit?, minimum?, discountPercent?, starts?, ends?, includesTax?",
    ),
    (
        "delete-price",
        "item, variant?, priceGroup?, customer?, currency?, unit?, minimum?",
    ),
    (
        "move-stock",
        "item, quantity, location, variant?: adds (or with a minus takes) pieces",
    ),
    (
        "count-stock",
        "item, quantity, location, variant?: sets what is on hand",
    ),
    ("plan-stock", "item, location, variant?, reserved?, safety?"),
    (
        "sell-at-till",
        "item, quantity, location, variant?: a cash sale in a store",
    ),
    (
        "transfer-requests",
        "location?: goods that somebody in the store is to look for",
    ),
    (
        "post-transfer",
        "channel, reservationNumber, lines?: [{line, quantity}]: what was found, everything when left out",
    ),
    ("cancel-transfer", "channel, reservationNumber"),
    (
        "return-transfer",
        "channel, reservationNumber: the goods go back to the store",
    ),
    ("count-requests", "location?: shelves somebody is to count"),
    (
        "answer-count",
        "channel, reservationNumber, line, quantity: sets what is on hand",
    ),
    (
        "return-orders",
        "channel?, orderNumber?, state?: goods that customers send back, refused ones only by their state",
    ),
    (
        "receive-return",
        "channel, returnNumber, lines?: [{line, quantity}]: what came back, everything when left out",
    ),
    (
        "inspect-return",
        "channel, returnNumber, disposition?: restock, scrap or repair, lines?: [{line, quantity, disposition?}]",
    ),
    (
        "credit-return",
        "channel, returnNumber, lines?: [{line, quantity}]: of what was received",
    ),
    ("cancel-return", "channel, returnNumber"),
    (
        "set-return-reason",
        "code, description, translations?: {DEU: text}",
    ),
    ("delete-return-reason", "code"),
    (
        "create-customer",
        "number?, address, email?, priceGroup?, …",
    ),
    (
        "change-customer",
        "number, name?, address?, email?, phone?, blocked?, priceGroup?, language?",
    ),
    ("rename-customer", "number, newNumber"),
    ("delete-customer", "number"),
    ("release", "order | channel, orderNumber"),
    ("reopen", "order | channel, orderNumber"),
    (
        "change-line",
        "order | channel, orderNumber; line, quantity",
    ),
    (
        "ship",
        "order | channel, orderNumber; lines?: [{line, quantity}], agent?, tracking?",
    ),
    ("invoice", "order | channel, orderNumber; lines?"),
    (
        "credit",
        "invoice | channel, orderNumber; lines?, reason?, restock?",
    ),
    (
        "post-credit-memo",
        "number: a draft that was written by hand or over the standard API",
    ),
    ("cancel", "order | channel, orderNumber; lines?, reason?"),
    (
        "documents",
        "channel, orderNumber | order | orderNumber alone (external document number): everything the ERP holds of it",
    ),
    ("stock", "item, variant?, location?: figures"),
    (
        "set-number-series",
        "series: orders, shipments, invoices, creditmemos or customers; isSet: false takes it away",
    ),
    ("backup", "keeps the company as it is now, in memory"),
    (
        "restore",
        "goes back to the backup; row versions go backwards, the epoch changes",
    ),
    (
        "copy-environment",
        "new environment and epoch; subscriptions are gone",
    ),
    (
        "forget-changes",
        "the change queue's retention passes: older cursors expire",
    ),
];

/// Answers `/_office` and `/_office/{act}`.
pub(crate) async fn serve(
    world: &Arc<World>,
    method: &str,
    rest: &str,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let name = rest.trim_matches('/');
    if name.is_empty() {
        let acts: Vec<Value> = ACTS
            .iter()
            .map(|(act, fields)| json!({ "act": act, "fields": fields }))
            .collect();
        return Ok(Answer::json(200, &json!({ "acts": acts })));
    }
    if method != "POST" {
        return Err(Refusal::method_not_allowed("_office"));
    }
    let body = if body.is_empty() { b"{}" } else { body };
    let body =
        serde_json::from_slice(body).map_err(|error| Refusal::bad_request(error.to_string()))?;
    act(world, name, body)
        .await
        .map(|answer| Answer::json(200, &answer))
}

/// Does one act and tells what came of it.
pub(crate) async fn act(world: &Arc<World>, name: &str, body: Value) -> Result<Value, Refusal> {
    match name {
        "documents" => return sales::documents(world, parse(body)?),
        "stock" => return stock::look(world, parse(body)?),
        "transfer-requests" => return Ok(transfers::open(world, &parse(body)?)),
        "count-requests" => return Ok(transfers::to_count(world, &parse(body)?)),
        "return-orders" => return Ok(returns::list(world, &parse(body)?)),
        "set-number-series" => return environment::set_number_series(world, &parse(body)?),
        "backup" | "restore" | "copy-environment" | "forget-changes" => {
            return environment::act(world, name);
        }
        _ => {}
    }
    if !ACTS.iter().any(|(act, _)| *act == name) {
        return Err(Refusal::no_such_segment(name));
    }
    let path = format!("/_office/{name}");
    let hold = world.faults.hold(&Occasion {
        method: "POST",
        path: &path,
        client: USER,
    });
    world
        .write(USER, hold, |tx| apply(tx, name, body.clone()))
        .await
}

fn apply(tx: &mut Transaction<'_>, name: &str, body: Value) -> Result<Value, Refusal> {
    match name {
        "create-item" => catalogue::create_item(tx, &parse(body)?),
        "change-item" => catalogue::change_item(tx, parse(body)?),
        "rename-item" => catalogue::rename_item(tx, &parse(body)?),
        "delete-item" => catalogue::delete_item(tx, &parse(body)?),
        "create-variant" => catalogue::create_variant(tx, &parse(body)?),
        "change-variant" => catalogue::change_variant(tx, parse(body)?),
        "rename-variant" => catalogue::rename_variant(tx, &parse(body)?),
        "delete-variant" => catalogue::delete_variant(tx, &parse(body)?),
        "set-price" => catalogue::set_price(tx, &parse(body)?),
        "delete-price" => catalogue::delete_price(tx, &parse(body)?),
        "move-stock" => stock::adjust(tx, &parse(body)?),
        "count-stock" => stock::count(tx, &parse(body)?),
        "plan-stock" => stock::plan(tx, &parse(body)?),
        "sell-at-till" => stock::sell_at_till(tx, &parse(body)?),
        "post-transfer" => transfers::post(tx, &parse(body)?),
        "cancel-transfer" => transfers::cancel(tx, &parse(body)?),
        "return-transfer" => transfers::give_back(tx, &parse(body)?),
        "answer-count" => transfers::count(tx, &parse(body)?),
        "receive-return" => returns::receive(tx, &parse(body)?),
        "inspect-return" => returns::inspect(tx, &parse(body)?),
        "credit-return" => returns::credit(tx, &parse(body)?),
        "cancel-return" => returns::cancel(tx, &parse(body)?),
        "set-return-reason" => Ok(returns::set_reason(tx, &parse(body)?)),
        "delete-return-reason" => returns::delete_reason(tx, &parse(body)?),
        "create-customer" => partners::create(tx, &parse(body)?),
        "change-customer" => partners::change(tx, parse(body)?),
        "rename-customer" => partners::rename(tx, &parse(body)?),
        "delete-customer" => partners::delete(tx, &parse(body)?),
        "release" => sales::release(tx, &parse(body)?, true),
        "reopen" => sales::release(tx, &parse(body)?, false),
        "change-line" => sales::change_line(tx, &parse(body)?),
        "ship" => sales::ship(tx, &parse(body)?),
        "invoice" => sales::invoice(tx, &parse(body)?),
        "credit" => sales::credit(tx, &parse(body)?),
        "post-credit-memo" => sales::post_credit_memo(tx, &parse(body)?),
        "cancel" => sales::cancel(tx, &parse(body)?),
        _ => Err(Refusal::no_such_segment(name)),
    }
}

fn parse<T: DeserializeOwned>(body: Value) -> Result<T, Refusal> {
    serde_json::from_value(body).map_err(|error| Refusal::bad_request(error.to_string()))
}

/// Something with a number, and perhaps a new one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Numbered {
    number: String,
    #[serde(default)]
    new_number: String,
}

fn item(tables: &Tables, number: &str) -> Result<Arc<Item>, Refusal> {
    tables
        .items
        .by_key(number)
        .cloned()
        .ok_or_else(|| Refusal::no_such_record("Item", number))
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// A decimal that may be left out.
fn or_zero(value: Option<Decimal>) -> Decimal {
    value.unwrap_or_default()
}
