//! A return as callers see it.

use millrace_contract::returns::v1 as proto;

use super::event::write_document;
use super::goods::write_return;
use super::status::{
    write_credit, write_credits, write_freight, write_lines, write_reason, write_refunds,
};
use crate::domain::{Phase, Taken};

/// Without comments and photos, sealed or not.
#[must_use]
pub fn view(taken: &Taken) -> proto::ReturnView {
    let mut goods = write_return(&taken.goods);
    goods.remarks = None;
    proto::ReturnView {
        shop_return: Some(goods),
        state: state_of(taken).into(),
        hold_reasons: taken.reasons.iter().map(write_reason).collect(),
        lines: write_lines(&taken.lines),
        document: taken.document.as_ref().map(write_document),
        receipt_numbers: taken.receipts.clone(),
        credit_memo_numbers: taken.credit_memos.clone(),
        credits: write_credits(&taken.credits),
        freight: taken.freight.as_ref().map(write_freight),
        credited: taken.credited.map(write_credit),
        refunds: write_refunds(&taken.refunds),
        refusal: taken.refusal.clone(),
        taken_at: Some(taken.taken_at.into()),
        version: taken.version,
        remarks: None,
        waits_because: String::new(),
    }
}

/// Where the return stands, in one word.
#[must_use]
pub fn state_of(taken: &Taken) -> proto::ReturnState {
    match taken.phase {
        Phase::Held => proto::ReturnState::Held,
        Phase::Refused => proto::ReturnState::Refused,
        Phase::Cancelled(_) => proto::ReturnState::Cancelled,
        Phase::Cleared | Phase::Posted if taken.is_credited() => proto::ReturnState::Credited,
        Phase::Cleared | Phase::Posted if taken.has_received() => proto::ReturnState::Received,
        Phase::Cleared => proto::ReturnState::Accepted,
        Phase::Posted => proto::ReturnState::Posted,
    }
}
