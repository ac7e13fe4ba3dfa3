//! From Microsoft's words to ours, as far as a standard tenant knows them: one price and one stock figure per item.

use std::collections::HashMap;
use std::fmt::Display;

use millrace_values::{
    Currency, CustomerNumber, LocationCode, Percentage, Quantity, Sku, SystemId, Timestamp,
    UnitCode, UnitPrice, VariantCode,
};
use uuid::Uuid;

use super::rows::{CustomerRow, ItemRow, VariantRow};
use crate::business_central::companion::mapping::{Misfit, block, id, item_kind, time};
use crate::master::{CustomerObserved, ItemObserved, PriceLine, PricesObserved, VariantObserved};
use crate::party::Address;
use crate::stock::{Figure, StockObserved};

pub(super) fn misfit(error: impl Display) -> Misfit {
    error.to_string()
}

fn number(row: &ItemRow) -> Result<Sku, Misfit> {
    Sku::parse(&row.number).map_err(misfit)
}

pub(crate) fn item(row: &ItemRow, variants: &[VariantRow]) -> Result<ItemObserved, Misfit> {
    let mut modified_at = time(&row.last_modified_date_time)?;
    let mut observed = Vec::with_capacity(variants.len());
    for variant in variants {
        modified_at = modified_at.max(time(&variant.last_modified_date_time)?);
        observed.push(VariantObserved {
            system_id: id(variant.id)?,
            code: VariantCode::parse(&variant.code).map_err(misfit)?,
            description: variant.description.clone(),
            blocked: false,
            sales_blocked: false,
        });
    }
    Ok(ItemObserved {
        system_id: id(row.id)?,
        number: number(row)?,
        display_name: row.display_name.clone(),
        display_name2: row.display_name2.clone(),
        kind: item_kind(&row.kind)?,
        blocked: row.blocked,
        sales_blocked: false,
        gtin: row.gtin.clone(),
        base_unit: UnitCode::parse_optional(&row.base_unit_of_measure_code).map_err(misfit)?,
        category_code: row.item_category_code.clone(),
        tax_group_code: row.tax_group_code.clone(),
        variants: observed,
        modified_at,
        modified_by: None,
    })
}

/// A price of zero is BC's way to say that there is none.
pub(crate) fn prices(row: &ItemRow, local: Currency) -> Result<PricesObserved, Misfit> {
    let mut lines = Vec::new();
    if !row.unit_price.0.is_zero() {
        lines.push(PriceLine {
            variant: None,
            group: None,
            unit: None,
            price: UnitPrice::new(local, row.unit_price.0).map_err(misfit)?,
            includes_tax: row.price_includes_tax,
            minimum_quantity: Quantity::ZERO,
            line_discount: Percentage::ZERO,
            valid_from: None,
            valid_until: None,
            price_list: String::new(),
        });
    }
    Ok(PricesObserved {
        item: id(row.id)?,
        number: Some(number(row)?),
        lines,
        modified_at: time(&row.last_modified_date_time)?,
    })
}

pub(crate) fn stock(
    row: &ItemRow,
    location: &LocationCode,
    as_of: Timestamp,
) -> Result<StockObserved, Misfit> {
    Ok(StockObserved {
        item: id(row.id)?,
        number: number(row)?,
        unit: UnitCode::parse_optional(&row.base_unit_of_measure_code).map_err(misfit)?,
        figures: vec![Figure {
            variant: None,
            location: location.clone(),
            on_hand: Quantity::new(row.inventory.0).map_err(misfit)?,
            // Not known here, and the capabilities say so; see the head of this level.
            allocated: Quantity::ZERO,
            reserved: Quantity::ZERO,
            safety_stock: Quantity::ZERO,
        }],
        as_of,
        boundary: None,
    })
}

pub(crate) fn customer(
    row: CustomerRow,
    codes: &HashMap<Uuid, String>,
) -> Result<CustomerObserved, Misfit> {
    let code = |id: Uuid| codes.get(&id).cloned().unwrap_or_default();
    Ok(CustomerObserved {
        system_id: SystemId(id(row.id)?.0),
        number: CustomerNumber::parse(&row.number).map_err(misfit)?,
        shop: None,
        block: block(&row.blocked)?,
        price_group: None,
        currency_code: row.currency_code,
        language: None,
        payment_terms_code: code(row.payment_terms_id),
        payment_method_code: code(row.payment_method_id),
        shipment_method_code: code(row.shipment_method_id),
        address: Address {
            name: row.display_name,
            name2: String::new(),
            line1: row.address_line1,
            line2: row.address_line2,
            postal_code: row.postal_code,
            city: row.city,
            state: row.state,
            country_code: row.country,
            contact_name: String::new(),
        },
        email: row.email,
        phone: row.phone_number,
        vat_registration_number: row.tax_registration_number,
        modified_at: time(&row.last_modified_date_time)?,
    })
}
