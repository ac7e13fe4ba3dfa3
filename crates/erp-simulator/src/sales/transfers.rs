//! Goods of a reservation on their way: asked for in a store, put aside in its reservation warehouse, given back.
//!
//! Whether the goods are there is not asked when they are requested: a person in the store looks, and posts what was found.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::documents;
use super::stock::{self, Movement, Shelf};
use crate::company::Location;
use crate::database::{
    Item, ItemKind, Refused, Stamp, Tables, Transaction, TransferLine, TransferRequest,
    TransferState, TransferStatus, Variant, buffer_key,
};
use crate::numbers::wire;
use crate::refusal::Refusal;

/// A request as the companion's page takes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewTransfer {
    pub channel_code: String,
    pub reservation_number: String,
    pub from_location_code: String,
    #[serde(default)]
    pub to_location_code: String,
    #[serde(default)]
    pub reference_text: String,
    pub lines: Vec<NewTransferLine>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewTransferLine {
    pub line_number: i64,
    pub item_number: String,
    #[serde(default)]
    pub variant_code: String,
    #[serde(default)]
    pub unit_of_measure_code: String,
    #[serde(with = "wire")]
    pub quantity: Decimal,
}

/// How much of each line was found, by line number; a line that is absent was not found.
pub type Found = BTreeMap<i64, Decimal>;

/// Stores the request once per key; whether it is new stands beside it. One that was refused is replaced.
pub fn request(
    tx: &mut Transaction<'_>,
    wanted: &NewTransfer,
    content: &Value,
) -> Result<(Arc<TransferRequest>, bool), Refusal> {
    let key = buffer_key(&wanted.channel_code, &wanted.reservation_number);
    let known = tx.tables().transfers.by_key(&key).cloned();
    if let Some(known) = &known
        && known.state != TransferState::Refused
    {
        if known.content == *content {
            return Ok((known.clone(), false));
        }
        return Err(Refusal::same_key("Transfer Request", &name(known)));
    }
    let mut request = TransferRequest {
        id: known.as_ref().map_or_else(|| tx.new_id(), |known| known.id),
        stamp: Stamp::default(),
        channel: wanted.channel_code.clone(),
        number: wanted.reservation_number.clone(),
        content: content.clone(),
        reference: wanted.reference_text.clone(),
        from: wanted.from_location_code.clone(),
        to: wanted.to_location_code.clone(),
        state: TransferState::Open,
        refused: Refused::default(),
        document: String::new(),
        return_document: String::new(),
        lines: Vec::new(),
    };
    match check(tx.tables(), wanted) {
        Ok((to, lines)) => {
            request.to = to;
            request.lines = lines;
            hold(tx, &request, Decimal::ONE);
        }
        Err(refused) => {
            request.state = TransferState::Refused;
            request.refused = refused;
        }
    }
    Ok((write(tx, request), true))
}

/// Moves what was found to the reservation warehouse and cancels the rest.
pub fn post(
    tx: &mut Transaction<'_>,
    request: &Arc<TransferRequest>,
    found: &Found,
) -> Result<Arc<TransferRequest>, Refusal> {
    let found_of = |line: &TransferLine| found.get(&line.line_number).copied().unwrap_or_default();
    if let Some(unknown) = found.keys().find(|number| {
        !request
            .lines
            .iter()
            .any(|line| line.line_number == **number)
    }) {
        return Err(Refusal::bad_request(format!(
            "The transfer request {} has no line {unknown}.",
            name(request)
        )));
    }
    let is_repeat = request
        .lines
        .iter()
        .all(|line| line.found == found_of(line));
    match request.state {
        TransferState::Open => {}
        TransferState::Refused => return Err(refused(request)),
        TransferState::Posted | TransferState::Cancelled | TransferState::Returned if is_repeat => {
            return Ok(request.clone());
        }
        TransferState::Cancelled => {
            return Err(no(request, "is cancelled and cannot be posted"));
        }
        TransferState::Posted | TransferState::Returned => {
            return Err(Refusal::same_key("Transfer Request", &name(request)));
        }
    }
    if let Some(line) = request
        .lines
        .iter()
        .find(|line| found_of(line) < Decimal::ZERO || found_of(line) > line.quantity)
    {
        return Err(no(
            request,
            &format!(
                "asks for {} in line {}: {} cannot have been found",
                line.quantity,
                line.line_number,
                found_of(line)
            ),
        ));
    }
    hold(tx, request, -Decimal::ONE);
    let mut after = (**request).clone();
    for line in &mut after.lines {
        line.found = found_of(line);
    }
    if after.lines.iter().all(|line| line.found.is_zero()) {
        after.state = TransferState::Cancelled;
    } else {
        after.state = TransferState::Posted;
        after.document = next_number(tx);
        carry(tx, &after, &after.from, &after.to, &after.document);
    }
    Ok(write(tx, after))
}

/// Gives the goods free that nobody has put aside yet.
pub fn cancel(
    tx: &mut Transaction<'_>,
    request: &Arc<TransferRequest>,
) -> Result<Arc<TransferRequest>, Refusal> {
    match request.state {
        TransferState::Open => {}
        TransferState::Refused => return Err(refused(request)),
        TransferState::Cancelled => return Ok(request.clone()),
        TransferState::Posted | TransferState::Returned => {
            return Err(no(request, "is posted and cannot be cancelled"));
        }
    }
    hold(tx, request, -Decimal::ONE);
    let after = TransferRequest {
        state: TransferState::Cancelled,
        ..(**request).clone()
    };
    Ok(write(tx, after))
}

/// Moves everything that was found back to the store.
pub fn give_back(
    tx: &mut Transaction<'_>,
    request: &Arc<TransferRequest>,
) -> Result<Arc<TransferRequest>, Refusal> {
    match request.state {
        TransferState::Posted => {}
        TransferState::Refused => return Err(refused(request)),
        TransferState::Returned => return Ok(request.clone()),
        TransferState::Open | TransferState::Cancelled => {
            return Err(no(request, "is not posted, so nothing can be returned"));
        }
    }
    let mut after = (**request).clone();
    after.state = TransferState::Returned;
    after.return_document = next_number(tx);
    carry(tx, &after, &after.to, &after.from, &after.return_document);
    Ok(write(tx, after))
}

/// Requests that are not returned yet follow a variant to its new code.
pub fn follow_variant(tx: &mut Transaction<'_>, item: &Item, code: &str, new_code: &str) {
    let concerned = |line: &TransferLine| line.item == item.id && line.variant == code;
    let requests: Vec<Arc<TransferRequest>> = tx
        .tables()
        .transfers
        .iter()
        .filter(|request| {
            matches!(request.state, TransferState::Open | TransferState::Posted)
                && request.lines.iter().any(concerned)
        })
        .cloned()
        .collect();
    for request in requests {
        let mut after = (*request).clone();
        for line in after.lines.iter_mut().filter(|line| concerned(line)) {
            new_code.clone_into(&mut line.variant);
        }
        tx.put(after);
    }
}

fn check(tables: &Tables, wanted: &NewTransfer) -> Result<(String, Vec<TransferLine>), Refused> {
    let from = &wanted.from_location_code;
    let store = Location::find(tables, from)
        .ok_or_else(|| header("LOCATION", format!("The location {from} does not exist.")))?;
    if !store.is_store {
        return Err(header(
            "NOTASTORE",
            format!("The location {from} is no store."),
        ));
    }
    let warehouse = store.warehouse;
    if warehouse.is_empty() || warehouse == from {
        let text = format!("The store {from} has no reservation warehouse.");
        return Err(header("NOWAREHOUSE", text));
    }
    let to = &wanted.to_location_code;
    for location in [to.as_str(), warehouse] {
        if !location.is_empty() && Location::find(tables, location).is_none() {
            let text = format!("The location {location} does not exist.");
            return Err(header("LOCATION", text));
        }
    }
    if !to.is_empty() && to != warehouse {
        let text =
            format!("The reservation warehouse of the store {from} is {warehouse} and not {to}.");
        return Err(header("WAREHOUSE", text));
    }
    let lines: Result<Vec<TransferLine>, Refused> = wanted
        .lines
        .iter()
        .map(|line| check_line(tables, line))
        .collect();
    Ok((warehouse.to_owned(), lines?))
}

fn check_line(tables: &Tables, wanted: &NewTransferLine) -> Result<TransferLine, Refused> {
    let place = wanted.line_number;
    let (item, variant) = known_item(tables, &wanted.item_number, &wanted.variant_code, place)?;
    let is_blocked = item.blocked
        || item.sales_blocked
        || variant.is_some_and(|variant| variant.blocked || variant.sales_blocked);
    if is_blocked {
        let text = format!("The item {} is blocked", item.number);
        return Err(about(place, "ITEMBLOCKED", text));
    }
    let unit = if wanted.unit_of_measure_code.is_empty() {
        &item.base_unit
    } else {
        &wanted.unit_of_measure_code
    };
    let unit_quantity = documents::unit_quantity(item, unit).ok_or_else(|| {
        let text = format!("The item {} has no unit {unit}", item.number);
        about(place, "UNIT", text)
    })?;
    if wanted.quantity <= Decimal::ZERO {
        let text = "The quantity must be above 0".to_owned();
        return Err(about(place, "QUANTITY", text));
    }
    Ok(TransferLine {
        line_number: place,
        item: item.id,
        item_number: item.number.clone(),
        variant: wanted.variant_code.clone(),
        unit: unit.clone(),
        unit_quantity,
        quantity: wanted.quantity,
        found: Decimal::ZERO,
    })
}

/// An item that lies on shelves, and its variant where one is named.
pub(super) fn known_item<'a>(
    tables: &'a Tables,
    number: &str,
    variant: &str,
    place: i64,
) -> Result<(&'a Item, Option<&'a Variant>), Refused> {
    let item = tables
        .items
        .by_key(number)
        .ok_or_else(|| about(place, "ITEM", format!("The item {number} does not exist")))?;
    if item.kind != ItemKind::Inventory {
        let text = format!("The item {number} has no stock");
        return Err(about(place, "ITEM", text));
    }
    if variant.is_empty() {
        return Ok((item, None));
    }
    let known = tables
        .variants
        .by_key(&format!("{}/{variant}", item.id))
        .ok_or_else(|| {
            let text = format!("The variant {variant} of item {number} does not exist");
            about(place, "VARIANT", text)
        })?;
    Ok((item, Some(known)))
}

pub(super) fn about(place: i64, code: &str, text: String) -> Refused {
    Refused {
        code: code.to_owned(),
        text: format!("{text} (line {place})."),
        line: place,
    }
}

/// About no line in particular.
pub(super) fn header(code: &str, text: String) -> Refused {
    Refused {
        code: code.to_owned(),
        text,
        line: 0,
    }
}

/// Holds the requested quantities back in the store, or with -1 lets go of them.
fn hold(tx: &mut Transaction<'_>, request: &TransferRequest, sign: Decimal) {
    for line in &request.lines {
        let change = sign * line.quantity * line.unit_quantity;
        stock::adjust(tx, &shelf(line, &request.from), |figure| {
            figure.requested += change;
            figure.reserved += change;
        });
    }
}

/// Moves what was found of each line.
fn carry(tx: &mut Transaction<'_>, request: &TransferRequest, from: &str, to: &str, number: &str) {
    let lines = request.lines.iter().filter(|line| !line.found.is_zero());
    for line in lines {
        let quantity = line.found * line.unit_quantity;
        for (location, quantity, document_kind) in [
            (from, -quantity, "Transfer_x0020_Shipment"),
            (to, quantity, "Transfer_x0020_Receipt"),
        ] {
            let movement = Movement {
                kind: "Transfer",
                document_kind,
                document_number: number,
                source_number: "",
                description: &request.reference,
                sales_amount: Decimal::ZERO,
            };
            stock::post(tx, &shelf(line, location), quantity, &movement);
        }
    }
}

fn shelf(line: &TransferLine, location: &str) -> Shelf {
    Shelf {
        item: line.item,
        variant: line.variant.clone(),
        location: location.to_owned(),
    }
}

/// The request is written after all that its change moved: its row version is the largest of them.
fn write(tx: &mut Transaction<'_>, request: TransferRequest) -> Arc<TransferRequest> {
    let request = tx.put(request);
    if request.state != TransferState::Refused {
        let told = (*request).clone();
        tx.append(|id| TransferStatus {
            id,
            stamp: Stamp::default(),
            request: told,
        });
        let key = stock::primary_key(&[&request.channel, &request.number]);
        tx.tell(
            "transferStatus",
            "modified",
            request.id,
            uuid::Uuid::nil(),
            key,
        );
    }
    request
}

fn next_number(tx: &mut Transaction<'_>) -> String {
    format!("TR{:06}", tx.next_number("transfer", 1))
}

fn name(request: &TransferRequest) -> String {
    format!("{} {}", request.channel, request.number)
}

fn no(request: &TransferRequest, why: &str) -> Refusal {
    Refusal::business(format!("The transfer request {} {why}.", name(request)))
}

fn refused(request: &TransferRequest) -> Refusal {
    no(request, "was refused")
}
