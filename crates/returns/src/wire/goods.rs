//! A return ⇄ `returns.v1.Return`.

use std::collections::HashSet;

use millrace_contract::personal::v1::SealedPersonal;
use millrace_contract::returns::v1 as proto;
use millrace_contract::values::v1 as values;
use millrace_service_kit::Faults;
use millrace_values::{
    ChannelCode, CustomerNumber, ErpCode, Measured, OrderNumber, Quantity, ReturnNumber,
    ReturnReasonCode, Timestamp, UnitCode,
};
use prost::Message;
use sha2::{Digest, Sha256};

use crate::domain::{Line, Return, Sealed};

/// An order has no more.
pub const MOST_LINES: usize = 1000;
const MOST_CODE: usize = 50;

/// Reads a return. `erp` is the channel's; what the message says of it and of sealed remarks is the owner's own writing when the
/// return comes from our log, and ignored when it comes from a shop (`remarks` is then `None`).
///
/// # Errors
/// Every field that is malformed.
pub fn read_return(goods: &proto::Return, erp: &ErpCode) -> Result<Return, Faults> {
    let mut faults = Faults::default();
    match parts(goods, erp, &mut faults) {
        Some(goods) if faults.is_empty() => Ok(goods),
        Some(_) | None => Err(faults),
    }
}

fn parts(goods: &proto::Return, erp: &ErpCode, faults: &mut Faults) -> Option<Return> {
    let channel = faults.take("shop_return.channel", ChannelCode::parse(&goods.channel));
    let number = faults.take(
        "shop_return.return_number",
        ReturnNumber::parse(&goods.return_number),
    );
    let order = faults.take(
        "shop_return.order_number",
        OrderNumber::parse(&goods.order_number),
    );
    let submitted_at = match goods.submitted_at {
        Some(at) => faults.take("shop_return.submitted_at", Timestamp::try_from(at)),
        None => {
            faults.add("shop_return.submitted_at", "is missing");
            None
        }
    };
    let customer = faults.take(
        "shop_return.customer_number",
        CustomerNumber::parse_optional(&goods.customer_number),
    );
    let shop_customer = text(
        &goods.shop_customer_number,
        "shop_return.shop_customer_number",
        faults,
    );
    let exchange_order = faults.take(
        "shop_return.exchange_order_number",
        OrderNumber::parse_optional(&goods.exchange_order_number),
    );
    let lines = lines(&goods.lines, faults);
    Some(Return {
        channel: channel?,
        number: number?,
        order: order?,
        submitted_at: submitted_at?,
        customer: customer?,
        shop_customer: Some(shop_customer?)
            .filter(|number| !number.is_empty())
            .map(String::into_boxed_str),
        gift: goods.gift,
        exchange_order: exchange_order?,
        lines: lines?,
        remarks: goods.remarks.as_ref().map(|sealed| Sealed {
            person_id: sealed.person_id.clone(),
            bytes: sealed.ciphertext.to_vec(),
        }),
        erp: erp.clone(),
    })
}

/// A short text without control characters; may be empty.
fn text(text: &str, field: &str, faults: &mut Faults) -> Option<String> {
    let text = text.trim();
    if text.chars().count() > MOST_CODE {
        faults.add(field, format_args!("is longer than {MOST_CODE} characters"));
        return None;
    }
    if text.chars().any(char::is_control) {
        faults.add(field, "holds a character that is not allowed");
        return None;
    }
    Some(text.to_owned())
}

fn lines(lines: &[proto::ReturnLine], faults: &mut Faults) -> Option<Vec<Line>> {
    if lines.is_empty() || lines.len() > MOST_LINES {
        let count = lines.len();
        faults.add(
            "shop_return.lines",
            format_args!("must be 1 to {MOST_LINES}, not {count}"),
        );
        return None;
    }
    let mut numbers = HashSet::new();
    let mut read = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let at = |field: &str| format!("shop_return.lines[{index}].{field}");
        if is_number(line.line_number, at("line_number"), faults)
            && !numbers.insert(line.line_number)
        {
            let number = line.line_number;
            faults.add(at("line_number"), format_args!("{number} is there twice"));
        }
        is_number(line.order_line, at("order_line"), faults);
        let quantity = above_zero(line.quantity.as_ref(), &at("quantity"), faults);
        let reason = faults.take(
            at("reason_code"),
            ReturnReasonCode::parse(&line.reason_code),
        );
        let condition = text(&line.condition, &at("condition"), faults);
        if let (Some(quantity), Some(reason), Some(condition)) = (quantity, reason, condition) {
            read.push(Line {
                number: line.line_number,
                order_line: line.order_line,
                quantity: quantity.quantity,
                unit: quantity.unit,
                reason,
                condition,
            });
        }
    }
    (read.len() == lines.len()).then_some(read)
}

fn is_number(number: u32, field: String, faults: &mut Faults) -> bool {
    let fits = number > 0 && i32::try_from(number).is_ok();
    if !fits {
        faults.add(field, "is not between 1 and 2147483647");
    }
    fits
}

fn above_zero(
    quantity: Option<&values::Quantity>,
    field: &str,
    faults: &mut Faults,
) -> Option<Measured> {
    let Some(quantity) = quantity else {
        faults.add(field, "is missing");
        return None;
    };
    let measured = faults.take(field, Measured::try_from(quantity.clone()))?;
    if measured.quantity.is_positive() {
        return Some(measured);
    }
    faults.add(
        field,
        format_args!("{} is not above zero", measured.quantity),
    );
    None
}

/// The contract's return, sealed remarks included where it has some.
#[must_use]
pub fn write_return(goods: &Return) -> proto::Return {
    let lines = goods.lines.iter().map(|line| proto::ReturnLine {
        line_number: line.number,
        order_line: line.order_line,
        quantity: Some(quantity(line.quantity, line.unit.as_ref())),
        reason_code: line.reason.to_string(),
        condition: line.condition.clone(),
    });
    proto::Return {
        channel: goods.channel.to_string(),
        return_number: goods.number.to_string(),
        order_number: goods.order.to_string(),
        submitted_at: Some(goods.submitted_at.into()),
        customer_number: optional(goods.customer.as_ref()),
        shop_customer_number: optional(goods.shop_customer.as_ref()),
        gift: goods.gift,
        exchange_order_number: optional(goods.exchange_order.as_ref()),
        lines: lines.collect(),
        remarks: goods.remarks.as_ref().map(|sealed| SealedPersonal {
            person_id: sealed.person_id.clone(),
            nonce: Vec::new().into(),
            ciphertext: sealed.bytes.clone().into(),
            fingerprint: Vec::new().into(),
        }),
        erp: goods.erp.to_string(),
    }
}

/// SHA-256 over what the shop said, in the one form it has after reading. What we add is left out, and so are remarks: a hash that
/// outlives a person's key could still be guessed at.
#[must_use]
pub fn content_hash(goods: &Return) -> Vec<u8> {
    let mut content = write_return(goods);
    content.remarks = None;
    content.erp = String::new();
    Sha256::digest(content.encode_to_vec()).to_vec()
}

pub(super) fn quantity(quantity: Quantity, unit: Option<&UnitCode>) -> values::Quantity {
    Measured {
        quantity,
        unit: unit.cloned(),
    }
    .into()
}

pub(super) fn optional(code: Option<&impl ToString>) -> String {
    code.map(ToString::to_string).unwrap_or_default()
}
