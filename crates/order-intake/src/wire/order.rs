//! An order ⇄ `webshop_orders.v1.Order`.

use std::collections::HashSet;

use millrace_contract::values::v1 as values;
use millrace_contract::webshop_orders::v1 as proto;
use millrace_values::{
    Amount, ChannelCode, Currency, CustomerNumber, ErpCode, LocationCode, Measured, OrderNumber,
    Percentage, Quantity, ReturnNumber, Sku, Timestamp, UnitPrice, VariantCode,
};
use prost::Message;
use sha2::{Digest, Sha256};

use crate::domain::{Buyer, Freight, Line, Order, Sealed, Totals};
use millrace_service_kit::Faults;

/// Business Central takes so many lines; who sells more in one go splits the order.
const MOST_LINES: usize = 1000;
const MOST_CODE: usize = 50;

/// Reads an order. `erp` is the channel's; what the message says of it and of sealed personal data is the owner's own writing
/// when the order comes from our log, and ignored when it comes from a shop (`sealed` is then `None`).
///
/// # Errors
/// Every field that is malformed.
pub fn read_order(order: &proto::Order, erp: &ErpCode) -> Result<Order, Faults> {
    let mut faults = Faults::default();
    match parts(order, erp, &mut faults) {
        Some(order) if faults.is_empty() => Ok(order),
        Some(_) | None => Err(faults),
    }
}

fn parts(order: &proto::Order, erp: &ErpCode, faults: &mut Faults) -> Option<Order> {
    let channel = faults.take("order.channel", ChannelCode::parse(&order.channel));
    let number = faults.take(
        "order.order_number",
        OrderNumber::parse(&order.order_number),
    );
    let placed_at = match order.placed_at {
        Some(at) => faults.take("order.placed_at", Timestamp::try_from(at)),
        None => missing(faults, "order.placed_at"),
    };
    let currency = faults.take("order.currency_code", Currency::parse(&order.currency_code));
    let buyer = buyer(order.buyer.as_ref(), faults);
    let payment_method = code(&order.payment_method, "order.payment_method", faults);
    let shipment_method = code(&order.shipment_method, "order.shipment_method", faults);
    let requested_delivery = match order.requested_delivery_date.as_str() {
        "" => Some(None),
        day => faults
            .take(
                "order.requested_delivery_date",
                day.parse::<jiff::civil::Date>()
                    .map_err(|_| "is not a day of the form YYYY-MM-DD"),
            )
            .map(Some),
    };
    let exchange_for = faults.take(
        "order.exchange_for_return",
        ReturnNumber::parse_optional(&order.exchange_for_return),
    );
    // Amounts cannot be read without the order's currency.
    let currency = currency?;
    let lines = lines(&order.lines, currency, faults);
    let freight = match &order.freight {
        Some(freight) => read_freight(freight, currency, faults).map(Some),
        None => Some(None),
    };
    let totals = match &order.totals {
        Some(totals) => read_totals(totals, currency, faults),
        None => missing(faults, "order.totals"),
    };
    let personal = order.personal.as_ref().map(|sealed| Sealed {
        person_id: sealed.person_id.clone(),
        nonce: sealed.nonce.to_vec(),
        ciphertext: sealed.ciphertext.to_vec(),
    });
    Some(Order {
        channel: channel?,
        number: number?,
        placed_at: placed_at?,
        currency,
        prices_include_tax: order.prices_include_tax,
        buyer: buyer?,
        personal,
        lines: lines?,
        freight: freight?,
        totals: totals?,
        payment_method: payment_method?,
        shipment_method: shipment_method?,
        requested_delivery: requested_delivery?,
        exchange_for: exchange_for?,
        erp: erp.clone(),
    })
}

/// Whether the ERP has no customer for it yet.
#[must_use]
pub fn is_of_new_customer(order: &proto::Order) -> bool {
    let buyer = order.buyer.as_ref();
    buyer.is_some_and(|buyer| buyer.customer_number.trim().is_empty())
}

fn missing<T>(faults: &mut Faults, field: impl Into<String>) -> Option<T> {
    faults.add(field, "is missing");
    None
}

fn buyer(buyer: Option<&proto::Buyer>, faults: &mut Faults) -> Option<Buyer> {
    let Some(buyer) = buyer else {
        return missing(faults, "order.buyer");
    };
    let customer = faults.take(
        "order.buyer.customer_number",
        CustomerNumber::parse_optional(&buyer.customer_number),
    );
    let shop_customer = code(
        &buyer.shop_customer_number,
        "order.buyer.shop_customer_number",
        faults,
    );
    let (customer, shop_customer) = (customer?, shop_customer?);
    if customer.is_none() && shop_customer.is_empty() {
        faults.add(
            "order.buyer",
            "needs customer_number, or shop_customer_number for a new customer",
        );
        return None;
    }
    let shop_customer = (!shop_customer.is_empty()).then(|| shop_customer.into_boxed_str());
    Some(Buyer {
        customer,
        shop_customer,
    })
}

/// A short text without control characters; may be empty.
fn code(text: &str, field: &str, faults: &mut Faults) -> Option<String> {
    let text = text.trim();
    if text.chars().count() > MOST_CODE {
        faults.add(field, format_args!("is longer than {MOST_CODE} characters"));
        return None;
    }
    if let Some(character) = text.chars().find(|character| character.is_control()) {
        faults.add(
            field,
            format_args!("holds a character that is not allowed: {character:?}"),
        );
        return None;
    }
    Some(text.to_owned())
}

fn lines(lines: &[proto::OrderLine], currency: Currency, faults: &mut Faults) -> Option<Vec<Line>> {
    if lines.is_empty() {
        return missing(faults, "order.lines");
    }
    if lines.len() > MOST_LINES {
        faults.add(
            "order.lines",
            format_args!("has {} lines, {MOST_LINES} is the most", lines.len()),
        );
        return None;
    }
    let mut numbers = HashSet::new();
    let mut read = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let at = format!("order.lines[{index}]");
        if i32::try_from(line.line_number).is_err() || line.line_number == 0 {
            faults.add(
                format!("{at}.line_number"),
                "is not between 1 and 2147483647",
            );
        } else if !numbers.insert(line.line_number) {
            faults.add(
                format!("{at}.line_number"),
                format_args!("{} is there twice", line.line_number),
            );
        }
        read.extend(read_line(line, &at, currency, faults));
    }
    (read.len() == lines.len()).then_some(read)
}

fn read_line(
    line: &proto::OrderLine,
    at: &str,
    currency: Currency,
    faults: &mut Faults,
) -> Option<Line> {
    let item = faults.take(format!("{at}.item_number"), Sku::parse(&line.item_number));
    let variant = faults.take(
        format!("{at}.variant_code"),
        VariantCode::parse_optional(&line.variant_code),
    );
    let location = faults.take(
        format!("{at}.location_code"),
        LocationCode::parse_optional(&line.location_code),
    );
    let measured = match &line.quantity {
        Some(quantity) => faults.take(
            format!("{at}.quantity"),
            Measured::try_from(quantity.clone()),
        ),
        None => missing(faults, format!("{at}.quantity")),
    };
    let measured = measured.and_then(|measured| {
        if measured.quantity.is_positive() {
            return Some(measured);
        }
        faults.add(
            format!("{at}.quantity"),
            format_args!("{} is not above zero", measured.quantity),
        );
        None
    });
    let unit_price = match &line.unit_price {
        Some(price) => {
            let field = format!("{at}.unit_price");
            in_currency(price, currency, &field, faults)
                .and_then(|()| faults.take(field, UnitPrice::try_from(price.clone())))
        }
        None => missing(faults, format!("{at}.unit_price")),
    };
    let discount = match &line.discount {
        Some(discount) => amount(Some(discount), currency, format!("{at}.discount"), faults),
        None => Some(Amount::zero(currency)),
    };
    let tax_percent = percent(
        line.tax_percent.as_ref(),
        format!("{at}.tax_percent"),
        faults,
    );
    let net = amount(line.net.as_ref(), currency, format!("{at}.net"), faults);
    let gross = amount(line.gross.as_ref(), currency, format!("{at}.gross"), faults);
    let measured = measured?;
    Some(Line {
        number: line.line_number,
        item: item?,
        variant: variant?,
        quantity: measured.quantity,
        unit: measured.unit,
        unit_price: unit_price?,
        discount: discount?,
        tax_percent: tax_percent?,
        net: net?,
        gross: gross?,
        location: location?,
    })
}

fn read_freight(
    freight: &proto::Freight,
    currency: Currency,
    faults: &mut Faults,
) -> Option<Freight> {
    let net = amount(freight.net.as_ref(), currency, "order.freight.net", faults);
    let gross = amount(
        freight.gross.as_ref(),
        currency,
        "order.freight.gross",
        faults,
    );
    let tax_percent = percent(
        freight.tax_percent.as_ref(),
        "order.freight.tax_percent",
        faults,
    );
    Some(Freight {
        net: net?,
        gross: gross?,
        tax_percent: tax_percent?,
    })
}

fn read_totals(
    totals: &proto::OrderTotals,
    currency: Currency,
    faults: &mut Faults,
) -> Option<Totals> {
    let net = amount(totals.net.as_ref(), currency, "order.totals.net", faults);
    let tax = amount(totals.tax.as_ref(), currency, "order.totals.tax", faults);
    let gross = amount(
        totals.gross.as_ref(),
        currency,
        "order.totals.gross",
        faults,
    );
    Some(Totals {
        net: net?,
        tax: tax?,
        gross: gross?,
    })
}

/// An amount of a sale: of the order's currency and not negative.
fn amount(
    money: Option<&values::Money>,
    currency: Currency,
    field: impl Into<String>,
    faults: &mut Faults,
) -> Option<Amount> {
    let field = field.into();
    let Some(money) = money else {
        return missing(faults, field);
    };
    in_currency(money, currency, &field, faults)?;
    let amount = faults.take(&field, Amount::try_from(money.clone()))?;
    if amount.is_negative() {
        faults.add(field, format_args!("{} is negative", amount.value()));
        return None;
    }
    Some(amount)
}

fn in_currency(
    money: &values::Money,
    currency: Currency,
    field: &str,
    faults: &mut Faults,
) -> Option<()> {
    if money.currency_code == currency.code() {
        return Some(());
    }
    faults.add(
        format!("{field}.currency_code"),
        format_args!(
            "{:?} is not the order's currency {currency}",
            money.currency_code
        ),
    );
    None
}

/// An absent rate is none: 0 %.
fn percent(
    percent: Option<&values::Decimal>,
    field: impl Into<String>,
    faults: &mut Faults,
) -> Option<Percentage> {
    match percent {
        Some(percent) => faults.take(field, Percentage::try_from(*percent)),
        None => Some(Percentage::ZERO),
    }
}

/// The contract's order, sealed personal data included where the order has it.
#[must_use]
pub fn write_order(order: &Order) -> proto::Order {
    let text = |code: Option<&str>| code.unwrap_or_default().to_owned();
    proto::Order {
        channel: order.channel.to_string(),
        order_number: order.number.to_string(),
        placed_at: Some(order.placed_at.into()),
        currency_code: order.currency.code().to_owned(),
        prices_include_tax: order.prices_include_tax,
        buyer: Some(proto::Buyer {
            customer_number: text(order.buyer.customer.as_ref().map(CustomerNumber::as_str)),
            shop_customer_number: text(order.buyer.shop_customer.as_deref()),
        }),
        personal: order.personal.as_ref().map(|sealed| {
            millrace_contract::personal::v1::SealedPersonal {
                person_id: sealed.person_id.clone(),
                nonce: sealed.nonce.clone().into(),
                ciphertext: sealed.ciphertext.clone().into(),
                fingerprint: bytes::Bytes::new(),
            }
        }),
        lines: order.lines.iter().map(write_line).collect(),
        freight: order.freight.as_ref().map(|freight| proto::Freight {
            net: Some(freight.net.into()),
            gross: Some(freight.gross.into()),
            tax_percent: Some(freight.tax_percent.into()),
        }),
        totals: Some(proto::OrderTotals {
            net: Some(order.totals.net.into()),
            tax: Some(order.totals.tax.into()),
            gross: Some(order.totals.gross.into()),
        }),
        payment_method: order.payment_method.clone(),
        shipment_method: order.shipment_method.clone(),
        requested_delivery_date: order
            .requested_delivery
            .map(|day| day.to_string())
            .unwrap_or_default(),
        erp: order.erp.to_string(),
        exchange_for_return: order
            .exchange_for
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
    }
}

fn write_line(line: &Line) -> proto::OrderLine {
    proto::OrderLine {
        line_number: line.number,
        item_number: line.item.to_string(),
        variant_code: line
            .variant
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        quantity: Some(quantity(line.quantity, line.unit.as_ref())),
        unit_price: Some(line.unit_price.into()),
        discount: (!line.discount.is_zero()).then(|| line.discount.into()),
        tax_percent: Some(line.tax_percent.into()),
        net: Some(line.net.into()),
        gross: Some(line.gross.into()),
        location_code: line
            .location
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
    }
}

pub(super) fn quantity(
    quantity: Quantity,
    unit: Option<&millrace_values::UnitCode>,
) -> values::Quantity {
    Measured {
        quantity,
        unit: unit.cloned(),
    }
    .into()
}

/// SHA-256 over what the shop said, in the one form it has after reading: 2.50 and 2.5 are the same, so are lines with and
/// without an explicit discount of nothing. What we add (the ERP, seals) is left out, and so is personal data: a hash that
/// outlives a person's key could still be guessed at.
#[must_use]
pub fn content_hash(order: &Order) -> Vec<u8> {
    let mut content = write_order(order);
    content.personal = None;
    content.erp = String::new();
    Sha256::digest(content.encode_to_vec()).to_vec()
}
