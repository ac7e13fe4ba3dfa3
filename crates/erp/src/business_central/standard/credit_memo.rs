//! A return as a credit memo: how it is written so that people understand it and it is found again, and how it is read.
//!
//! Microsoft's page has one field of 35 characters, in capitals, for a number of ours. It holds channel and number where they
//! fit, else a digest of them; lines of text say them exactly, and before every item which line of the return it is.

use std::fmt::Write as _;

use millrace_values::{Amount, ChannelCode, Currency, Decimal, Quantity, ReturnNumber, UnitCode};
use rust_decimal::RoundingStrategy;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::mapping::misfit;
use super::rows::{CreditMemoLineRow, CreditMemoRow, NewCreditMemoLineRow, NewCreditMemoRow};
use crate::ErpError;
use crate::business_central::companion::mapping::{self, Misfit};
use crate::business_central::odata::{Exact, member};
use crate::return_order::{
    NewReturn, NewReturnLine, Refund, ReturnKey, ReturnLineObserved, ReturnObserved, ReturnState,
};

/// External document numbers of ours begin so.
pub(super) const MARK: &str = "MR";
/// Characters of an external document number, and of a line of text.
const NUMBER: usize = 35;
const TEXT: usize = 100;
/// What is written before a customer's words, so that they are taken for nothing else.
const QUOTE: &str = "> ";

const RETURN: &str = "Return ";
const LINE: &str = "Line ";
const WITH_TAX: &str = "Prices with tax";
const WITHOUT_TAX: &str = "Prices without tax";

/// What was found in the ERP about one line of a return.
pub(super) struct Found {
    pub variant: Option<Uuid>,
    pub location: Option<Uuid>,
    /// The unit it is credited in.
    pub unit: String,
}

/// What a return is searched by.
pub(super) fn external_number(key: &ReturnKey) -> String {
    let plain = format!("{MARK}/{}/{}", key.channel, key.number).to_uppercase();
    if plain.chars().count() <= NUMBER {
        return plain;
    }
    let mut digest = format!("{MARK}-");
    for byte in &Sha256::digest(key.to_string())[..16] {
        _ = write!(digest, "{byte:02X}");
    }
    digest
}

/// The draft of a credit memo; `with_tax`: its prices include tax, which is as the customer's card says.
pub(super) fn draft(
    goods: &NewReturn,
    found: &[Found],
    reason: Option<Uuid>,
    freight_account: Option<&str>,
    with_tax: bool,
) -> Result<NewCreditMemoRow, ErpError> {
    let mut lines: Vec<NewCreditMemoLineRow> = header(goods, with_tax)
        .into_iter()
        .map(NewCreditMemoLineRow::text)
        .collect();
    for (line, found) in goods.lines.iter().zip(found) {
        lines.extend(about(line).into_iter().map(NewCreditMemoLineRow::text));
        let amount = if with_tax { line.gross } else { line.net };
        let own_price = (with_tax == goods.prices_include_tax).then_some(line.unit_price.value());
        let (price, discount) = priced(amount, line.quantity.value(), own_price);
        lines.push(NewCreditMemoLineRow {
            line_type: "Item",
            line_object_number: Some(line.item.to_string()),
            item_variant_id: found.variant,
            location_id: found.location,
            unit_of_measure_code: Some(found.unit.clone()),
            quantity: Some(Exact(line.quantity.value())),
            unit_price: Some(Exact(price)),
            discount_amount: Some(Exact(discount)),
            ..NewCreditMemoLineRow::default()
        });
    }
    if let Some(freight) = &goods.freight {
        let account =
            freight_account.ok_or_else(|| ErpError::Denied("freight_account is not set".into()))?;
        let amount = if with_tax { freight.gross } else { freight.net };
        lines.push(NewCreditMemoLineRow {
            line_type: "Account",
            line_object_number: Some(account.to_owned()),
            description: Some("Freight".to_owned()),
            quantity: Some(Exact(Decimal::ONE)),
            unit_price: Some(Exact(amount.value())),
            ..NewCreditMemoLineRow::default()
        });
    }
    Ok(NewCreditMemoRow {
        external_document_number: external_number(&goods.key),
        credit_memo_date: goods
            .submitted_at
            .0
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date(),
        customer_number: goods.customer.to_string(),
        currency_code: goods.currency.code(),
        customer_return_reason_id: reason,
        sales_credit_memo_lines: lines,
    })
}

/// What whoever posts it must know.
fn header(goods: &NewReturn, with_tax: bool) -> Vec<String> {
    let refund = match goods.refund {
        Refund::Money => "Refund in money",
        Refund::Voucher => "Refund as a voucher",
        Refund::Nothing => "No refund",
    };
    let (net, tax, gross) = (goods.net.value(), goods.tax.value(), goods.gross.value());
    let currency = goods.currency.code();
    let mut texts = vec![
        format!("{RETURN}{}", goods.key),
        format!("Order {}", goods.order_number),
        if with_tax { WITH_TAX } else { WITHOUT_TAX }.to_owned(),
        format!("As sold: net {net}, tax {tax}, gross {gross} {currency}"),
        refund.to_owned(),
    ];
    if goods.gift {
        texts.push("Sent back by who was given it".to_owned());
    }
    if let Some(order) = &goods.exchange_order {
        texts.push(format!("Exchanged for order {order}"));
    }
    texts
}

fn about(line: &NewReturnLine) -> Vec<String> {
    let mut text = format!(
        "{LINE}{}, order line {}: {}",
        line.line_number, line.order_line, line.reason
    );
    if !line.condition.is_empty() {
        _ = write!(text, ", {}", line.condition);
    }
    let mut texts = vec![text.chars().take(TEXT).collect()];
    let words: Vec<char> = line
        .comment
        .chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect();
    for part in words.chunks(TEXT - QUOTE.len()) {
        texts.push(QUOTE.chars().chain(part.iter().copied()).collect());
    }
    texts
}

/// Price and discount from which Business Central computes exactly `amount`: those of the sale where they fit.
fn priced(amount: Amount, quantity: Decimal, own_price: Option<Decimal>) -> (Decimal, Decimal) {
    let (currency, wanted) = (amount.currency(), amount.value());
    let discount = |price: Decimal| {
        let full = Amount::rounded(currency, quantity.checked_mul(price)?).ok()?;
        Some(full.value() - wanted).filter(|discount| !discount.is_sign_negative())
    };
    if let Some((price, discount)) = own_price.and_then(|price| Some((price, discount(price)?))) {
        return (price, discount);
    }
    let price = wanted
        .checked_div(quantity)
        .unwrap_or(wanted)
        .round_dp_with_strategy(5, RoundingStrategy::AwayFromZero);
    (price, discount(price).unwrap_or_default())
}

/// The return that a credit memo says it is of; none: it is none of ours.
pub(super) fn key(row: &CreditMemoRow) -> Option<ReturnKey> {
    if !row.external_document_number.starts_with(MARK) {
        return None;
    }
    row.sales_credit_memo_lines.iter().find_map(|line| {
        let (channel, number) = text(line)?.strip_prefix(RETURN)?.split_once('/')?;
        Some(ReturnKey {
            channel: ChannelCode::parse(channel).ok()?,
            number: ReturnNumber::parse(number).ok()?,
        })
    })
}

/// Whether its prices are not as they were written: then its amounts are wrong.
pub(super) fn is_mispriced(row: &CreditMemoRow) -> bool {
    let wrong = if row.prices_include_tax {
        WITHOUT_TAX
    } else {
        WITH_TAX
    };
    row.sales_credit_memo_lines
        .iter()
        .any(|line| text(line) == Some(wrong))
}

fn text(line: &CreditMemoLineRow) -> Option<&str> {
    (line.line_type == "Comment").then_some(line.description.as_str())
}

pub(super) fn observed(row: &CreditMemoRow, key: ReturnKey) -> Result<ReturnObserved, Misfit> {
    let state = match &*member(&row.status) {
        "Draft" | "In Review" => ReturnState::Open,
        "Open" | "Paid" | "Corrective" => ReturnState::Credited,
        "Canceled" => ReturnState::Cancelled,
        _ => return Err("the credit memo has a status that is not known here".into()),
    };
    let is_credited = state == ReturnState::Credited;
    let currency = Currency::parse(&row.currency_code).map_err(misfit)?;
    let credited = |amount: Exact| -> Result<Option<Amount>, Misfit> {
        let amount = is_credited.then(|| Amount::new(currency, amount.0));
        amount.transpose().map_err(misfit)
    };
    Ok(ReturnObserved {
        key,
        system_id: mapping::id(row.id)?,
        order_number: None,
        state,
        lines: lines(row, is_credited)?,
        document_number: row.number.clone(),
        receipt_numbers: Vec::new(),
        credit_memo_numbers: if is_credited {
            vec![row.number.clone()]
        } else {
            Vec::new()
        },
        credited_net: credited(row.total_amount_excluding_tax)?,
        credited_tax: credited(row.total_tax_amount)?,
        credited_gross: credited(row.total_amount_including_tax)?,
        row_version: None,
        changed_at: mapping::time(&row.last_modified_date_time)?,
    })
}

/// The items that a line of text says to be lines of the return; others were added by people.
fn lines(row: &CreditMemoRow, is_credited: bool) -> Result<Vec<ReturnLineObserved>, Misfit> {
    let mut rows: Vec<&CreditMemoLineRow> = row.sales_credit_memo_lines.iter().collect();
    rows.sort_by_key(|line| line.sequence);
    let mut lines = Vec::new();
    let mut announced = None;
    for row in rows {
        if let Some(text) = text(row) {
            announced = announced_line(text).or(announced);
            continue;
        }
        if row.line_type != "Item" {
            continue;
        }
        let Some(line_number) = announced.take() else {
            continue;
        };
        let quantity = Quantity::new(row.quantity.0).map_err(misfit)?;
        lines.push(ReturnLineObserved {
            line_number,
            unit: UnitCode::parse_optional(&row.unit_of_measure_code).map_err(misfit)?,
            requested: quantity,
            received: Quantity::ZERO,
            restocked: Quantity::ZERO,
            scrapped: Quantity::ZERO,
            repair: Quantity::ZERO,
            credited: if is_credited {
                quantity
            } else {
                Quantity::ZERO
            },
        });
    }
    Ok(lines)
}

fn announced_line(text: &str) -> Option<u32> {
    let (number, rest) = text.strip_prefix(LINE)?.split_once(',')?;
    rest.starts_with(" order line ")
        .then(|| number.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(channel: &str, number: &str) -> ReturnKey {
        ReturnKey {
            channel: ChannelCode::parse(channel).unwrap(),
            number: ReturnNumber::parse(number).unwrap(),
        }
    }

    fn euro(text: &str) -> Amount {
        Amount::new(Currency::parse("EUR").unwrap(), text.parse().unwrap()).unwrap()
    }

    #[test]
    fn an_external_number_is_readable_where_it_fits_and_always_fits() {
        assert_eq!(
            external_number(&key_of("furniture-de", "T-1")),
            "MR/FURNITURE-DE/T-1"
        );
        let long = external_number(&key_of("furniture-de", &"t".repeat(35)));
        assert_eq!(long.chars().count(), NUMBER);
        assert_eq!(long, long.to_uppercase());
        let capitals = external_number(&key_of("furniture-de", &"T".repeat(35)));
        assert_ne!(long, capitals);
    }

    #[test]
    fn price_and_discount_of_the_sale_stand_where_they_make_the_amount() {
        let price = |text: &str| text.parse::<Decimal>().unwrap();
        let (three, own) = (Decimal::from(3), Some(price("3.335")));
        // 3 × 3.335 = 10.005 → 10.01
        assert_eq!(
            priced(euro("10.01"), three, own),
            (price("3.335"), Decimal::ZERO)
        );
        assert_eq!(
            priced(euro("9.01"), three, own),
            (price("3.335"), Decimal::ONE)
        );
        // More than the price makes: another price.
        assert_eq!(
            priced(euro("10.02"), three, own),
            (price("3.34"), Decimal::ZERO)
        );
        assert_eq!(
            priced(euro("10"), three, None),
            (price("3.33334"), Decimal::ZERO)
        );
        assert_eq!(priced(euro("0"), three, own).1, price("10.01"));
        assert_eq!(priced(euro("1"), Decimal::ZERO, None).0, Decimal::ONE);
    }

    #[test]
    fn a_customers_words_are_taken_for_nothing_else() {
        let line = |description: &str, line_type: &str, sequence: i64| CreditMemoLineRow {
            sequence,
            line_type: line_type.into(),
            description: description.into(),
            unit_of_measure_code: "PCS".into(),
            quantity: Exact(Decimal::ONE),
        };
        let row = CreditMemoRow {
            id: Uuid::from_u128(1),
            number: "D1001".into(),
            external_document_number: "MR/OUTLET/T-1".into(),
            currency_code: "EUR".into(),
            prices_include_tax: false,
            total_amount_excluding_tax: Exact::default(),
            total_tax_amount: Exact::default(),
            total_amount_including_tax: Exact::default(),
            status: "Draft".into(),
            last_modified_date_time: "2026-11-24T10:00:00.000Z".into(),
            sales_credit_memo_lines: vec![
                line("added by hand", "Item", 5),
                line("Stuhl", "Item", 40),
                line("> Line 9, order line 9: WRONG", "Comment", 30),
                line("> Return other/T-9", "Comment", 10),
                line("Line 2, order line 1: DEFECT", "Comment", 20),
                line("Return outlet/T-1", "Comment", 1),
            ],
        };
        let key = key(&row).unwrap();
        assert_eq!(key, key_of("outlet", "T-1"));
        let observed = observed(&row, key).unwrap();
        let numbers: Vec<u32> = observed.lines.iter().map(|line| line.line_number).collect();
        assert_eq!(numbers, [2]);
        assert_eq!(observed.state, ReturnState::Open);
    }
}
