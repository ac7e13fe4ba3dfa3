//! Documents and refusals of the ERP.

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

/// Why the ERP said no, as a reason to hold. The ERP's text may name records but no persons: it is about codes and totals.
#[must_use]
pub fn reason_of_refusal(code: &str, message: &str) -> HoldReason {
    // Business Central ends its messages with its own correlation id: noise here.
    let told = message
        .split("CorrelationId")
        .next()
        .unwrap_or_default()
        .trim();
    let told: String = told
        .chars()
        .filter(|character| !character.is_control())
        .take(250)
        .collect();
    HoldReason::of_order(
        HoldKind::ErpRefused,
        code,
        format!("the ERP refuses the order: {told}"),
    )
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
