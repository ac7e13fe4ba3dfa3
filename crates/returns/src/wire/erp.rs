//! What the ERP says of returns.

use millrace_contract::returns::v1::Remarks;
use millrace_erp::return_order::{Refund, ReturnKey, ReturnObserved, ReturnState};

use crate::domain::credit::main_way;
use crate::domain::{
    Credit, Document, HoldKind, HoldReason, LineCredit, LineSeen, RefundWay, Return, Seen,
};

/// What it is known by there.
#[must_use]
pub fn key(goods: &Return) -> ReturnKey {
    ReturnKey {
        channel: goods.channel.clone(),
        number: goods.number.clone(),
    }
}

/// The return as the rules look at it.
#[must_use]
pub fn seen(observed: ReturnObserved) -> Seen {
    let lines = observed.lines.iter().map(|line| LineSeen {
        line: line.line_number,
        received: line.received,
        restocked: line.restocked,
        scrapped: line.scrapped,
        repair: line.repair,
        credited: line.credited,
    });
    let credited = match (observed.credited_gross, observed.credited_tax) {
        (Some(gross), Some(tax)) => Some(Credit { gross, tax }),
        (Some(_) | None, _) => None,
    };
    Seen {
        cancelled: match observed.state {
            ReturnState::Cancelled => true,
            ReturnState::Open | ReturnState::Received | ReturnState::Credited => false,
        },
        lines: lines.collect(),
        credited: credited.filter(|credit| is_sane(*credit)),
        document: Document {
            system_id: observed.system_id,
            number: observed.document_number,
        },
        receipts: observed.receipt_numbers,
        credit_memos: observed.credit_memo_numbers,
        at: observed.changed_at,
    }
}

/// In one currency, with less VAT than money.
fn is_sane(credit: Credit) -> bool {
    let net = credit.gross.minus(credit.tax);
    net.is_ok_and(|net| !net.is_negative())
        && !credit.gross.is_negative()
        && !credit.tax.is_negative()
}

/// How a document of the ERP says that the customer is paid back: it has one word for the whole.
#[must_use]
pub fn document_way(credits: &[LineCredit]) -> Refund {
    match main_way(credits) {
        Some(RefundWay::Money) => Refund::Money,
        Some(RefundWay::Voucher) => Refund::Voucher,
        Some(RefundWay::Nothing) | None => Refund::Nothing,
    }
}

/// Codes of the ERP's own checks of a return, whose texts name records, codes and amounts. Any other text is Business Central's and
/// may repeat what stands in a field.
const OF_RECORDS: [&str; 15] = [
    "ORDER",
    "ORDERLINE",
    "CUSTOMER",
    "OTHERCUSTOMER",
    "CUSTOMERBLOCKED",
    "ITEM",
    "ITEMBLOCKED",
    "VARIANT",
    "LOCATION",
    "UNIT",
    "QUANTITY",
    "REASON",
    "CODE",
    "CURRENCY",
    "TOTALS",
];
/// Shorter words of a customer are found in any text.
const TELLING: usize = 3;
const MOST_CODE: usize = 50;
const MOST_TEXT: usize = 250;

/// Why the ERP said no, as a reason to hold. It stands in events, which are for everybody: what may be personal stays in the ERP.
#[must_use]
pub fn reason_of_refusal(code: &str, message: &str, remarks: Option<&Remarks>) -> HoldReason {
    let code = plain(code, MOST_CODE);
    // Business Central ends its messages with its own correlation id, and some with the value of a field.
    let ends = ["CorrelationId", "Value:"];
    let end = ends.iter().filter_map(|end| message.find(end)).min();
    let told = plain(message[..end.unwrap_or(message.len())].trim(), MOST_TEXT);
    let is_safe = OF_RECORDS.contains(&code.as_str()) && !repeats(remarks, &told);
    let message = if is_safe {
        format!("the ERP refuses the return: {told}")
    } else {
        format!(
            "the ERP refuses the return with code {code}; why stands there and is not repeated here, since it may be personal"
        )
    };
    HoldReason::of_return(HoldKind::ErpRefused, code, message)
}

fn plain(text: &str, most: usize) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(most)
        .collect()
}

fn repeats(remarks: Option<&Remarks>, told: &str) -> bool {
    let told = told.to_lowercase();
    let lines = remarks.map_or(&[][..], |remarks| &remarks.lines);
    lines
        .iter()
        .flat_map(|line| [&line.comment].into_iter().chain(&line.photos))
        .filter(|words| words.chars().count() >= TELLING)
        .any(|words| told.contains(&words.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use millrace_contract::returns::v1::LineRemarks;

    use super::*;

    fn told(code: &str, message: &str) -> String {
        let remarks = Remarks {
            lines: vec![LineRemarks {
                line_number: 1,
                comment: "Erika wants another".into(),
                photos: vec![],
            }],
        };
        reason_of_refusal(code, message, Some(&remarks)).message
    }

    #[test]
    fn what_the_erp_says_of_records_is_told_and_anything_else_stays_there() {
        assert_eq!(
            told(
                "REASON",
                "The return reason X does not exist (line 1). CorrelationId: 1-2-3."
            ),
            "the ERP refuses the return: The return reason X does not exist (line 1)."
        );
        for (code, message) in [
            ("OTHER", "The field Comment is too long: Erika."),
            ("ITEM", "No item for: ERIKA WANTS ANOTHER"),
        ] {
            let kept = told(code, message);
            assert!(!kept.to_lowercase().contains("erika"), "{kept}");
        }
    }
}
