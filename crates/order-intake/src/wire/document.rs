//! Documents and refusals of the ERP.

use millrace_contract::personal::v1::Personal;
use millrace_contract::webshop_orders::v1 as proto;
use millrace_erp::document as erp;
use millrace_values::{SystemId, Timestamp};

use super::event::Broken;
use crate::domain::{Command, Document, DocumentKind, HoldKind, HoldReason, LineQuantity};

impl From<erp::DocumentRef> for Document {
    fn from(document: erp::DocumentRef) -> Self {
        Self {
            kind: match document.kind {
                erp::DocumentKind::SalesOrder => DocumentKind::SalesOrder,
                erp::DocumentKind::Shipment => DocumentKind::Shipment,
                erp::DocumentKind::Invoice => DocumentKind::Invoice,
                erp::DocumentKind::CreditMemo => DocumentKind::CreditMemo,
                erp::DocumentKind::Cancellation => DocumentKind::Cancellation,
            },
            system_id: document.system_id,
            number: document.number,
            row_version: document.row_version,
            posted_at: document.posted_at,
        }
    }
}

/// What the ERP's status feed says of an order.
#[must_use]
pub fn observed(observed: erp::DocumentObserved) -> Command {
    let lines = observed.lines.into_iter().map(|line| LineQuantity {
        line: line.line_number,
        quantity: line.quantity,
    });
    Command::Observed {
        document: observed.document.into(),
        lines: lines.collect(),
        carrier: observed.carrier,
        tracking_number: observed.tracking_number,
    }
}

/// Codes of the ERP's own checks of an order, whose texts name records, codes and amounts. Any other text is Business Central's
/// and may repeat what stands in a field.
const OF_RECORDS: [&str; 11] = [
    "CUSTOMER",
    "CUSTOMERBLOCKED",
    "ITEM",
    "ITEMBLOCKED",
    "VARIANT",
    "LOCATION",
    "UNIT",
    "CODE",
    "CURRENCY",
    "TAX",
    "TOTALS",
];
/// Shorter values of a person's data are found in any text.
const TELLING: usize = 3;
const MOST_CODE: usize = 50;
const MOST_TEXT: usize = 250;

/// Why the ERP said no, as a reason to hold. It stands in events, which are for everybody: what may be personal stays in the ERP.
#[must_use]
pub fn reason_of_refusal(code: &str, message: &str, buyer: Option<&Personal>) -> HoldReason {
    let code = plain(code, MOST_CODE);
    // Business Central ends its messages with its own correlation id, and some with the value of a field.
    let ends = ["CorrelationId", "Value:"];
    let end = ends.iter().filter_map(|end| message.find(end)).min();
    let told = plain(message[..end.unwrap_or(message.len())].trim(), MOST_TEXT);
    let is_safe = OF_RECORDS.contains(&code.as_str()) && !is_about(buyer, &told);
    let message = if is_safe {
        format!("the ERP refuses the order: {told}")
    } else {
        format!(
            "the ERP refuses the order with code {code}; why stands in its order buffer and is not repeated here, since it may be personal"
        )
    };
    HoldReason::of_order(HoldKind::ErpRefused, code, message)
}

fn plain(text: &str, most: usize) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(most)
        .collect()
}

/// Whether the text repeats something of the buyer's data.
fn is_about(buyer: Option<&Personal>, text: &str) -> bool {
    let Some(buyer) = buyer else { return false };
    let text = text.to_lowercase();
    let addresses = [&buyer.sell_to, &buyer.ship_to, &buyer.bill_to];
    let of_addresses = addresses.into_iter().flatten().flat_map(|address| {
        [
            &address.name,
            &address.name2,
            &address.address_line1,
            &address.address_line2,
            &address.postal_code,
            &address.city,
            &address.state,
            &address.contact_name,
        ]
    });
    let own = [&buyer.email, &buyer.phone, &buyer.vat_registration_number];
    let telling = |value: &&String| value.chars().count() >= TELLING;
    of_addresses
        .chain(own)
        .filter(telling)
        .any(|value| text.contains(&value.to_lowercase()))
}

/// As it stands in events and answers.
#[must_use]
pub fn document_kind(kind: DocumentKind) -> &'static str {
    match kind {
        DocumentKind::SalesOrder => "sales-order",
        DocumentKind::Shipment => "shipment",
        DocumentKind::Invoice => "invoice",
        DocumentKind::CreditMemo => "credit-memo",
        DocumentKind::Cancellation => "cancellation",
    }
}

pub(super) fn write_document(document: &Document) -> proto::ErpDocument {
    proto::ErpDocument {
        kind: document_kind(document.kind).to_owned(),
        system_id: document.system_id.to_string(),
        number: document.number.clone(),
        row_version: document
            .row_version
            .map(|version| version.to_string())
            .unwrap_or_default(),
        posted_at: Some(document.posted_at.into()),
    }
}

pub(super) fn read_document(document: Option<proto::ErpDocument>) -> Result<Document, Broken> {
    let document = document.ok_or_else(|| Broken::of("document is missing"))?;
    let kind = match document.kind.as_str() {
        "sales-order" => DocumentKind::SalesOrder,
        "shipment" => DocumentKind::Shipment,
        "invoice" => DocumentKind::Invoice,
        "credit-memo" => DocumentKind::CreditMemo,
        "cancellation" => DocumentKind::Cancellation,
        other => {
            return Err(Broken::of(format_args!(
                "document kind {other:?} is not known"
            )));
        }
    };
    let row_version = match document.row_version.as_str() {
        "" => None,
        text => Some(
            text.parse()
                .map_err(|_| Broken::of("row version is not a number"))?,
        ),
    };
    let posted_at = document
        .posted_at
        .ok_or_else(|| Broken::of("document has no time"))?;
    Ok(Document {
        kind,
        system_id: SystemId::parse(&document.system_id).map_err(Broken::of)?,
        number: document.number,
        row_version,
        posted_at: Timestamp::try_from(posted_at).map_err(Broken::of)?,
    })
}

#[cfg(test)]
mod tests {
    use millrace_contract::personal::v1::Address;

    use super::*;

    fn told(code: &str, message: &str) -> String {
        let buyer = Personal {
            sell_to: Some(Address {
                name: "Erika Mustermann".into(),
                city: "Köln".into(),
                ..Address::default()
            }),
            email: "erika@example.com".into(),
            ..Personal::default()
        };
        reason_of_refusal(code, message, Some(&buyer)).message
    }

    #[test]
    fn what_the_erp_says_of_records_is_told() {
        assert_eq!(
            told(
                "ITEM",
                "The item 1896-S does not exist (line 1). CorrelationId: 1-2-3."
            ),
            "the ERP refuses the order: The item 1896-S does not exist (line 1)."
        );
    }

    #[test]
    fn what_the_erp_says_of_anything_else_stays_there() {
        let kept = told("OTHER", "The email address \"x@\" is not valid.");
        assert!(!kept.contains("x@") && kept.contains("OTHER"), "{kept}");
    }

    #[test]
    fn a_text_that_repeats_something_of_the_buyer_stays_there_whatever_its_code() {
        for message in [
            "The customer ERIKA MUSTERMANN is blocked.",
            "No tax for köln (line 1).",
            "erika@example.com",
        ] {
            let kept = told("TAX", message);
            assert!(!kept.contains(message), "{kept}");
        }
        assert_eq!(
            told("CODE", "The code is too long. Value: Heidestraße 17"),
            "the ERP refuses the order: The code is too long."
        );
    }
}
