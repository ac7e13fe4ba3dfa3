//! What people make of a return order: goods are received, judged and credited, in parts if need be.
//!
//! What was received lies at the return desk and is nobody's stock; only what may be sold again goes back on a shelf.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;
use serde::Deserialize;

use super::returns::{no, write};
use super::status::{self, Kind, Told};
use super::stock::{self, Movement, Shelf};
use super::{amounts, buffer, documents, posting};
use crate::database::{
    Customer, Document, DocumentKind, DocumentLine, Item, ItemKind, LineKind, ReturnLine,
    ReturnOrder, ReturnState, Transaction,
};
use crate::numbers::unit_amount;
use crate::refusal::Refusal;

/// What becomes of goods that came back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disposition {
    #[default]
    Restock,
    Scrap,
    Repair,
}

/// How much of which line, by line number; `None` = everything there is.
pub type Quantities = Option<BTreeMap<i64, Decimal>>;

/// Posts a receipt.
pub fn receive(
    tx: &mut Transaction<'_>,
    order: &ReturnOrder,
    quantities: &Quantities,
) -> Result<Arc<ReturnOrder>, Refusal> {
    check_state(order)?;
    let picked = pick(order, quantities, "receive", |line| {
        line.quantity - line.received
    })?;
    let mut after = order.clone();
    let number = tx.next_number("return receipt", 107_001);
    after.receipts.push(format!("S-RCPT{number}"));
    for (place, quantity) in picked {
        after.lines[place].received += quantity;
    }
    after.state = ReturnState::Received;
    Ok(write(tx, after))
}

/// Says what becomes of received goods; each entry stands for itself.
pub fn inspect(
    tx: &mut Transaction<'_>,
    order: &ReturnOrder,
    judged: &[(Quantities, Disposition)],
) -> Result<Arc<ReturnOrder>, Refusal> {
    check_state(order)?;
    let mut after = order.clone();
    for (quantities, disposition) in judged {
        let picked = pick(&after, quantities, "inspect", ReturnLine::unjudged)?;
        for (place, quantity) in picked {
            let line = &mut after.lines[place];
            match disposition {
                Disposition::Restock => line.restocked += quantity,
                Disposition::Scrap => line.scrapped += quantity,
                Disposition::Repair => line.repair += quantity,
            }
            if *disposition == Disposition::Restock {
                let line = line.clone();
                restock(tx, &after, &line, quantity)?;
            }
        }
    }
    Ok(write(tx, after))
}

/// Posts a credit memo for goods that were received; the order's own feed tells of it too.
pub fn credit(
    tx: &mut Transaction<'_>,
    order: &ReturnOrder,
    quantities: &Quantities,
) -> Result<(Arc<ReturnOrder>, Arc<Document>), Refusal> {
    check_state(order)?;
    let picked = pick(order, quantities, "credit", |line| {
        line.received - line.credited
    })?;
    let mut memo = memo(tx, order)?;
    let mut after = order.clone();
    let mut told: Vec<(DocumentLine, Decimal)> = Vec::new();
    for (place, quantity) in picked {
        let line = memo_line(tx, &memo, &after.lines[place], quantity);
        let credited = &mut after.lines[place];
        tell_once(&mut told, &line, credited);
        credited.credited += quantity;
        credited.credited_net += line.net;
        credited.credited_tax += line.tax;
        memo.lines.push(line);
    }
    if order.memos.is_empty() && !(order.freight_net + order.freight_tax).is_zero() {
        let line = freight(tx, &memo, order);
        memo.lines.push(line);
    }
    memo.number = documents::next_number(tx, DocumentKind::CreditMemo)?;
    let totals = amounts::totals(&memo);
    let memo = tx.put(memo);
    posting::owe(tx, memo.bill_to, -totals.gross());
    status::tell(
        tx,
        Told {
            reason: &memo.reason,
            lines: told,
            ..Told::about(&memo, Kind::Credited)
        },
    );
    after.memos.push(memo.number.clone());
    after.credited_net += totals.net;
    after.credited_tax += totals.tax;
    let all = after
        .lines
        .iter()
        .all(|line| line.credited == line.received);
    after.state = if all {
        ReturnState::Credited
    } else {
        ReturnState::Received
    };
    Ok((write(tx, after), memo))
}

fn check_state(order: &ReturnOrder) -> Result<(), Refusal> {
    match order.state {
        ReturnState::Open | ReturnState::Received | ReturnState::Credited => Ok(()),
        ReturnState::Cancelled => Err(no(order, "is cancelled")),
        ReturnState::Refused => Err(no(order, "was refused")),
    }
}

/// The chosen lines by place, with their quantities; refuses what is not open.
fn pick(
    order: &ReturnOrder,
    quantities: &Quantities,
    what: &str,
    open: impl Fn(&ReturnLine) -> Decimal,
) -> Result<Vec<(usize, Decimal)>, Refusal> {
    let known = |number: &i64| order.lines.iter().any(|line| line.line_number == *number);
    if let Some(unknown) = quantities
        .iter()
        .flat_map(BTreeMap::keys)
        .find(|number| !known(number))
    {
        return Err(no(order, &format!("has no line {unknown}")));
    }
    let mut picked = Vec::new();
    for (place, line) in order.lines.iter().enumerate() {
        let open = open(line);
        let wanted = match quantities {
            None => open,
            Some(quantities) => quantities
                .get(&line.line_number)
                .copied()
                .unwrap_or_default(),
        };
        if wanted < Decimal::ZERO || wanted > open {
            let line = line.line_number;
            let why = format!("has only {open} to {what} in line {line} and not {wanted}");
            return Err(no(order, &why));
        }
        if !wanted.is_zero() {
            picked.push((place, wanted));
        }
    }
    if picked.is_empty() {
        return Err(no(order, &format!("has nothing to {what}")));
    }
    Ok(picked)
}

/// Puts goods back on their shelf; what is no inventory item lies on none.
fn restock(
    tx: &mut Transaction<'_>,
    order: &ReturnOrder,
    line: &ReturnLine,
    quantity: Decimal,
) -> Result<(), Refusal> {
    let item = tx
        .get::<Item>(line.item)
        .ok_or_else(|| Refusal::no_such_record("Item", &line.item_number))?;
    if item.kind != ItemKind::Inventory {
        return Ok(());
    }
    let customer = tx.get::<Customer>(order.customer);
    let number = customer.map_or_else(String::new, |customer| customer.number.clone());
    let shelf = Shelf {
        item: line.item,
        variant: line.variant.clone(),
        location: line.location.clone(),
    };
    let receipt = order.receipts.last().map_or("", String::as_str);
    let movement = Movement {
        kind: "Sale",
        document_kind: "Sales_x0020_Return_x0020_Receipt",
        document_number: receipt,
        source_number: &number,
        description: &item.name,
        sales_amount: Decimal::ZERO,
    };
    stock::post(tx, &shelf, quantity * line.unit_quantity, &movement);
    Ok(())
}

/// A credit memo without lines, for the invoice of the order, or for the order while it has none.
fn memo(tx: &Transaction<'_>, order: &ReturnOrder) -> Result<Document, Refusal> {
    let customer = tx
        .get::<Customer>(order.customer)
        .ok_or_else(|| no(order, "is of a customer who is no more"))?;
    let mut memo = documents::draft(tx, DocumentKind::CreditMemo, &customer);
    let origin = origin(tx, order);
    if let Some(origin) = &origin {
        memo.bill_to = origin.bill_to;
        memo.bill_to_number.clone_from(&origin.bill_to_number);
        memo.sell_to_address = origin.sell_to_address.clone();
        memo.bill_to_address = origin.bill_to_address.clone();
        memo.ship_to_address = origin.ship_to_address.clone();
        memo.email.clone_from(&origin.email);
        memo.phone.clone_from(&origin.phone);
        memo.payment_method.clone_from(&origin.payment_method);
        memo.origin_id = origin.id;
        memo.origin_number.clone_from(&origin.number);
    }
    memo.draft = false;
    memo.buffer_id = Some(order.buffer);
    memo.external_number.clone_from(&order.number);
    memo.currency.clone_from(&order.currency);
    memo.prices_include_tax = order.prices_include_tax;
    memo.reason = order
        .lines
        .first()
        .map_or_else(String::new, |line| line.reason.clone());
    Ok(memo)
}

fn origin(tx: &Transaction<'_>, order: &ReturnOrder) -> Option<Arc<Document>> {
    let entry = tx.tables().buffer.get(order.buffer)?;
    let invoices = tx
        .tables()
        .documents
        .children(entry.order_id)
        .filter(|document| document.kind == DocumentKind::Invoice);
    let last = invoices.max_by_key(|invoice| invoice.stamp.version);
    last.or_else(|| tx.tables().documents.get(entry.order_id))
        .cloned()
}

/// The part of the line that these pieces make; parts add up to what was sold.
fn memo_line(
    tx: &Transaction<'_>,
    memo: &Document,
    line: &ReturnLine,
    quantity: Decimal,
) -> DocumentLine {
    let part = |amount| amounts::part(amount, line.credited, quantity, line.quantity);
    let item = tx.get::<Item>(line.item);
    let sequence = sequence(tx, memo, |sold| sold.shop_line == line.order_line);
    DocumentLine {
        id: tx.new_id(),
        sequence: sequence.unwrap_or_else(|| line.line_number * 10_000),
        shop_line: line.order_line,
        item: Some(line.item),
        object_number: line.item_number.clone(),
        variant: line.variant.clone(),
        location: line.location.clone(),
        description: item.as_ref().map_or("", |item| &item.name).to_owned(),
        unit: line.unit.clone(),
        unit_quantity: line.unit_quantity,
        quantity,
        unit_price: line.unit_price,
        discount_amount: part(line.discount),
        tax_group: item.as_ref().map_or("", |item| &item.tax_group).to_owned(),
        tax_percent: line.tax_percent,
        net: part(line.net),
        tax: part(line.net + line.tax) - part(line.net),
        ..DocumentLine::default()
    }
}

fn freight(tx: &Transaction<'_>, memo: &Document, order: &ReturnOrder) -> DocumentLine {
    let sequence = sequence(tx, memo, |sold| {
        sold.kind == LineKind::Account && sold.shop_line == 0
    });
    DocumentLine {
        id: tx.new_id(),
        sequence: sequence.unwrap_or(10_000_000),
        kind: LineKind::Account,
        object_number: buffer::FREIGHT_ACCOUNT.to_owned(),
        description: "Freight".to_owned(),
        unit_quantity: Decimal::ONE,
        quantity: Decimal::ONE,
        unit_price: if order.prices_include_tax {
            order.freight_net + order.freight_tax
        } else {
            order.freight_net
        },
        tax_percent: order.freight_percent,
        net: order.freight_net,
        tax: order.freight_tax,
        ..DocumentLine::default()
    }
}

/// Of the line that is credited: whoever credits the invoice by hand sees that it was.
fn sequence(
    tx: &Transaction<'_>,
    memo: &Document,
    is_it: impl Fn(&DocumentLine) -> bool,
) -> Option<i64> {
    let origin = tx.get::<Document>(memo.origin_id)?;
    let sold = origin.lines.iter().find(|sold| is_it(sold));
    sold.map(|sold| sold.sequence)
}

/// One entry per line of the order, in the order's unit: two lines of the return may be of the same one.
fn tell_once(told: &mut Vec<(DocumentLine, Decimal)>, line: &DocumentLine, before: &ReturnLine) {
    let in_order = |quantity: Decimal| {
        unit_amount(quantity * before.unit_quantity / before.order_unit_quantity)
    };
    // So that the parts of a pack add up to the pack.
    let quantity = in_order(before.credited + line.quantity) - in_order(before.credited);
    let same = |(known, _): &&mut (DocumentLine, Decimal)| known.shop_line == line.shop_line;
    if let Some((_, sum)) = told.iter_mut().find(same) {
        *sum += quantity;
        return;
    }
    let line = DocumentLine {
        unit: before.order_unit.clone(),
        ..line.clone()
    };
    told.push((line, quantity));
}
