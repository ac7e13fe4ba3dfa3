//! Invoices and credit memos that were written by hand, without an order, and are then posted.

use std::sync::Arc;

use rust_decimal::Decimal;
use uuid::Uuid;

use super::status::{self, Kind, Told};
use super::{amounts, documents, posting, stock};
use crate::database::{Document, DocumentKind, DocumentLine, Transaction};
use crate::refusal::Refusal;

/// Posts a draft: it moves the stock itself, the customer owes, and the shop is told when the credited invoice was its.
pub fn post(tx: &mut Transaction<'_>, draft: &Document) -> Result<Uuid, Refusal> {
    if !draft.draft {
        return Err(Refusal::business("The document is already posted."));
    }
    if draft.lines.is_empty() {
        return Err(Refusal::business("There is nothing to post."));
    }
    let back = draft.kind == DocumentKind::CreditMemo;
    let sign = if back { Decimal::ONE } else { -Decimal::ONE };
    let number = documents::next_number(tx, draft.kind)?;
    for line in &draft.lines {
        let Some(shelf) = stock::shelf_of(tx.tables(), line) else {
            continue;
        };
        let movement = stock::Movement {
            kind: "Sale",
            document_kind: if back {
                "Sales_x0020_Credit_x0020_Memo"
            } else {
                "Sales_x0020_Invoice"
            },
            document_number: &number,
            source_number: &draft.customer_number,
            description: &line.description,
            sales_amount: -sign * line.net,
        };
        stock::post(
            tx,
            &shelf,
            sign * line.quantity * line.unit_quantity,
            &movement,
        );
    }
    let origin = tx
        .get::<Document>(draft.origin_id)
        .filter(|origin| origin.kind == DocumentKind::Invoice);
    let mut posted = Document {
        number,
        draft: false,
        posting_date: stock::today(tx),
        ..draft.clone()
    };
    if let Some(origin) = &origin {
        posted.buffer_id = origin.buffer_id;
        adopt_shop_lines(&mut posted.lines, origin);
    }
    let gross = amounts::totals(&posted).gross();
    let posted: Arc<Document> = tx.put(posted);
    posting::owe(tx, posted.bill_to, -sign * gross);
    if origin.is_some() {
        status::tell(
            tx,
            Told {
                reason: &posted.reason,
                ..Told::about(&posted, Kind::Credited)
            },
        );
    }
    Ok(posted.id)
}

/// A line written by hand credits the invoiced line of the same item and variant.
fn adopt_shop_lines(lines: &mut [DocumentLine], invoice: &Document) {
    let mut free: Vec<&DocumentLine> = invoice
        .lines
        .iter()
        .filter(|line| line.shop_line > 0)
        .collect();
    for line in lines {
        let same = |other: &&DocumentLine| {
            other.object_number == line.object_number
                && other.variant == line.variant
                && other.quantity >= line.quantity
        };
        if let Some(at) = free.iter().position(same) {
            let invoiced = free.remove(at);
            line.shop_line = invoiced.shop_line;
            line.sequence = invoiced.sequence;
        }
    }
}
