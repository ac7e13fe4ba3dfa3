//! Between the companion's words and ours, as far as goods are concerned that come back.

use std::collections::BTreeMap;

use millrace_values::{
    Amount, Currency, LanguageTag, OrderNumber, Quantity, ReturnNumber, ReturnReasonCode, UnitCode,
};

use super::mapping::{self, Misfit, misfit};
use super::return_rows::{
    NewReturnLineRow, NewReturnRow, ReturnLineRow, ReturnReasonRow, ReturnRow,
};
use crate::business_central::language;
use crate::business_central::odata::{Exact, moment};
use crate::return_order::{
    NewReturn, Refund, ReturnKey, ReturnLineObserved, ReturnObserved, ReturnReasonObserved,
    ReturnState,
};

/// A translation into a language that is not known here is left out: it is no reason to lack the reason.
pub(super) fn reason(row: ReturnReasonRow) -> Result<ReturnReasonObserved, Misfit> {
    let mut translations = BTreeMap::new();
    for translation in row.translations {
        let tag = language::tag(&translation.language_code);
        if let Some(tag) = tag.and_then(|tag| LanguageTag::parse(tag).ok()) {
            translations.insert(tag, translation.description);
        }
    }
    Ok(ReturnReasonObserved {
        code: ReturnReasonCode::parse(&row.code).map_err(misfit)?,
        description: row.description,
        translations,
    })
}

/// A return order as the page or the feed has it.
pub(super) fn returned(row: &ReturnRow) -> Result<ReturnObserved, Misfit> {
    let state = match row.state.as_str() {
        "open" => ReturnState::Open,
        "received" => ReturnState::Received,
        "credited" => ReturnState::Credited,
        "cancelled" => ReturnState::Cancelled,
        _ => return Err("the return order is in a state that is not known here".into()),
    };
    let currency = Currency::parse(&row.currency_code).map_err(misfit)?;
    let credit_memo_numbers = numbers(&row.credit_memo_numbers);
    let credited = |amount: Exact| -> Result<Option<Amount>, Misfit> {
        if credit_memo_numbers.is_empty() {
            return Ok(None);
        }
        Amount::new(currency, amount.0).map(Some).map_err(misfit)
    };
    Ok(ReturnObserved {
        key: ReturnKey {
            channel: mapping::channel_in(&row.channel_code)?,
            number: ReturnNumber::parse(&row.return_number).map_err(misfit)?,
        },
        system_id: mapping::id(row.system_id)?,
        order_number: OrderNumber::parse_optional(&row.order_number).map_err(misfit)?,
        state,
        lines: row.lines.iter().map(line).collect::<Result<_, _>>()?,
        document_number: row.return_order_number.clone(),
        receipt_numbers: numbers(&row.receipt_numbers),
        credited_net: credited(row.credited_net_amount)?,
        credited_tax: credited(row.credited_tax_amount)?,
        credited_gross: credited(row.credited_gross_amount)?,
        credit_memo_numbers,
        row_version: u64::try_from(row.system_row_version).ok(),
        changed_at: mapping::time(&row.changed_at)?,
    })
}

fn numbers(text: &str) -> Vec<String> {
    text.split(',')
        .filter(|number| !number.is_empty())
        .map(str::to_owned)
        .collect()
}

fn line(row: &ReturnLineRow) -> Result<ReturnLineObserved, Misfit> {
    let quantity = |quantity: Exact| Quantity::new(quantity.0).map_err(misfit);
    Ok(ReturnLineObserved {
        line_number: row.line_number,
        unit: UnitCode::parse_optional(&row.unit_of_measure_code).map_err(misfit)?,
        requested: quantity(row.quantity)?,
        received: quantity(row.received_quantity)?,
        restocked: quantity(row.restocked_quantity)?,
        scrapped: quantity(row.scrapped_quantity)?,
        repair: quantity(row.repair_quantity)?,
        credited: quantity(row.credited_quantity)?,
    })
}

pub(super) fn new_return(goods: &NewReturn) -> NewReturnRow {
    let lines = goods.lines.iter().map(|line| NewReturnLineRow {
        line_number: line.line_number,
        order_line_number: line.order_line,
        item_number: line.item.to_string(),
        variant_code: mapping::code_out(line.variant.as_ref()),
        unit_of_measure_code: mapping::code_out(line.unit.as_ref()),
        quantity: Exact(line.quantity.value()),
        location_code: mapping::code_out(line.location.as_ref()),
        return_reason_code: line.reason.to_string(),
        condition_text: line.condition.clone(),
        comment_text: line.comment.clone(),
        photo_addresses: line.photos.join("\n"),
        unit_price: Exact(line.unit_price.value()),
        discount_amount: Exact(line.discount.value()),
        tax_percent: Exact(line.tax_percent.value()),
        net_amount: Exact(line.net.value()),
        gross_amount: Exact(line.gross.value()),
    });
    let freight = goods.freight.as_ref();
    NewReturnRow {
        channel_code: mapping::channel_out(&goods.key.channel),
        return_number: goods.key.number.to_string(),
        revision: goods.revision.max(1),
        order_number: goods.order_number.to_string(),
        customer_number: goods.customer.to_string(),
        submitted_at: moment(goods.submitted_at),
        currency_code: goods.currency.code().to_owned(),
        prices_include_tax: goods.prices_include_tax,
        refund_type: match goods.refund {
            Refund::Money => "Money",
            Refund::Voucher => "Voucher",
            Refund::Nothing => "Nothing",
        },
        is_gift: goods.gift,
        exchange_order_number: mapping::code_out(goods.exchange_order.as_ref()),
        freight_net_amount: freight
            .map_or_else(Exact::default, |freight| Exact(freight.net.value())),
        freight_gross_amount: freight
            .map_or_else(Exact::default, |freight| Exact(freight.gross.value())),
        freight_tax_percent: freight
            .map_or_else(Exact::default, |freight| Exact(freight.tax_percent.value())),
        net_amount: Exact(goods.net.value()),
        tax_amount: Exact(goods.tax.value()),
        gross_amount: Exact(goods.gross.value()),
        lines: lines.collect(),
    }
}
