//! From the companion's words to ours. A record that does not fit ours is [`crate::Observed::Unreadable`], with a reason that
//! holds nothing personal.

use std::fmt::Display;

use millrace_values::{
    ChannelCode, Currency, CustomerNumber, LanguageTag, Percentage, PriceGroup, Quantity,
    ReservationNumber, Sku, SystemId, Timestamp, UnitCode, UnitPrice, VariantCode,
};
use uuid::Uuid;

use super::rows::{CustomerRow, ItemRow, PriceRow, StatusEntry, VariantRow};
use super::transfer_rows::TransferRow;
use crate::business_central::language;
use crate::business_central::odata::{day, member};
use crate::document::{DocumentKind, DocumentLine, DocumentObserved, DocumentRef};
use crate::master::{
    CustomerBlock, CustomerObserved, ItemKind, ItemObserved, PriceLine, PricesObserved,
    VariantObserved,
};
use crate::party::Address;
use crate::transfer::{TransferKey, TransferLineObserved, TransferObserved, TransferState};

/// Why a record does not fit; never holds personal data.
pub(crate) type Misfit = String;

pub(super) fn misfit(error: impl Display) -> Misfit {
    error.to_string()
}

pub(crate) fn id(id: Uuid) -> Result<SystemId, Misfit> {
    if id.is_nil() {
        Err("the system id is empty".into())
    } else {
        Ok(SystemId(id))
    }
}

pub(crate) fn time(text: &str) -> Result<Timestamp, Misfit> {
    Timestamp::parse(text).map_err(misfit)
}

/// Codes of BC are upper case, ours for channels lower.
pub(crate) fn channel_out(channel: &ChannelCode) -> String {
    channel.as_str().to_uppercase()
}

/// BC writes no code as an empty one.
pub(crate) fn code_out<T: Display>(code: Option<&T>) -> String {
    code.map(ToString::to_string).unwrap_or_default()
}

pub(crate) fn channel_in(code: &str) -> Result<ChannelCode, Misfit> {
    ChannelCode::parse(&code.to_lowercase()).map_err(misfit)
}

pub(crate) fn item_kind(kind: &str) -> Result<ItemKind, Misfit> {
    match &*member(kind) {
        "Inventory" => Ok(ItemKind::Inventory),
        "Service" => Ok(ItemKind::Service),
        "Non-Inventory" => Ok(ItemKind::NonInventory),
        _ => Err("the item has a type that is not known here".into()),
    }
}

pub(crate) fn item(
    row: ItemRow,
    variants: Vec<VariantRow>,
    changed_by: Option<&str>,
) -> Result<ItemObserved, Misfit> {
    let mut modified_at = time(&row.last_modified_date_time)?;
    let mut observed = Vec::with_capacity(variants.len());
    for variant in variants {
        modified_at = modified_at.max(time(&variant.last_modified_date_time)?);
        observed.push(VariantObserved {
            system_id: id(variant.system_id)?,
            code: VariantCode::parse(&variant.code).map_err(misfit)?,
            description: variant.description,
            blocked: variant.blocked,
            sales_blocked: variant.sales_blocked,
        });
    }
    Ok(ItemObserved {
        system_id: id(row.system_id)?,
        number: Sku::parse(&row.number).map_err(misfit)?,
        display_name: row.display_name,
        display_name2: row.display_name2,
        kind: item_kind(&row.kind)?,
        blocked: row.blocked,
        sales_blocked: row.sales_blocked,
        gtin: row.gtin,
        base_unit: UnitCode::parse_optional(&row.base_unit_of_measure_code).map_err(misfit)?,
        category_code: row.item_category_code,
        tax_group_code: row.tax_group_code,
        variants: observed,
        modified_at,
        modified_by: changed_by
            .filter(|user| !user.is_empty())
            .map(str::to_owned),
    })
}

/// The price on the item card (none when it is zero: BC's way to say that there is none) and the lines of the price lists.
/// Prices for a single customer are no prices of a shop and left out.
pub(crate) fn prices(
    row: &ItemRow,
    lines: Vec<PriceRow>,
    local: Currency,
) -> Result<PricesObserved, Misfit> {
    let mut modified_at = time(&row.last_modified_date_time)?;
    let mut observed = Vec::with_capacity(lines.len() + 1);
    if !row.unit_price.0.is_zero() {
        let unit = &row.sales_unit_of_measure_code;
        let is_base = *unit == row.base_unit_of_measure_code;
        observed.push(PriceLine {
            variant: None,
            group: None,
            unit: if is_base {
                None
            } else {
                UnitCode::parse_optional(unit).map_err(misfit)?
            },
            price: UnitPrice::new(local, row.unit_price.0).map_err(misfit)?,
            includes_tax: row.price_includes_tax,
            minimum_quantity: Quantity::ZERO,
            line_discount: Percentage::ZERO,
            valid_from: None,
            valid_until: None,
            price_list: String::new(),
        });
    }
    for line in lines {
        modified_at = modified_at.max(time(&line.last_modified_date_time)?);
        if let Some(line) = price_line(line)? {
            observed.push(line);
        }
    }
    Ok(PricesObserved {
        item: id(row.system_id)?,
        number: Some(Sku::parse(&row.number).map_err(misfit)?),
        lines: observed,
        modified_at,
    })
}

fn price_line(row: PriceRow) -> Result<Option<PriceLine>, Misfit> {
    let group = match &*member(&row.source_type) {
        "All Customers" => None,
        "Customer Price Group" => Some(PriceGroup::parse(&row.source_number).map_err(misfit)?),
        _ => return Ok(None),
    };
    let currency = Currency::parse(&row.currency_code).map_err(misfit)?;
    Ok(Some(PriceLine {
        variant: VariantCode::parse_optional(&row.variant_code).map_err(misfit)?,
        group,
        unit: UnitCode::parse_optional(&row.unit_of_measure_code).map_err(misfit)?,
        price: UnitPrice::new(currency, row.unit_price.0).map_err(misfit)?,
        includes_tax: row.prices_include_tax,
        minimum_quantity: Quantity::new(row.minimum_quantity.0).map_err(misfit)?,
        line_discount: Percentage::new(row.line_discount_percent.0).map_err(misfit)?,
        valid_from: day(row.starting_date),
        valid_until: day(row.ending_date),
        price_list: row.price_list_code,
    }))
}

pub(crate) fn block(blocked: &str) -> Result<CustomerBlock, Misfit> {
    match member(blocked).trim() {
        "" => Ok(CustomerBlock::None),
        "Ship" => Ok(CustomerBlock::Ship),
        "Invoice" => Ok(CustomerBlock::Invoice),
        "All" => Ok(CustomerBlock::All),
        _ => Err("the customer is blocked in a way that is not known here".into()),
    }
}

pub(crate) fn customer(row: CustomerRow) -> Result<CustomerObserved, Misfit> {
    // Made by us as `<channel>/<number in the shop>`; others may write what they like there.
    let shop = row
        .external_reference
        .split_once('/')
        .and_then(|(channel, number)| {
            Some((channel_in(channel).ok()?, number.to_owned()))
                .filter(|(_, number)| !number.is_empty())
        });
    Ok(CustomerObserved {
        system_id: id(row.system_id)?,
        number: CustomerNumber::parse(&row.number).map_err(misfit)?,
        shop,
        block: block(&row.blocked)?,
        price_group: PriceGroup::parse_optional(&row.price_group).map_err(misfit)?,
        currency_code: row.currency_code,
        language: language::tag(&row.language_code).and_then(|tag| LanguageTag::parse(tag).ok()),
        payment_terms_code: row.payment_terms_code,
        payment_method_code: row.payment_method_code,
        shipment_method_code: row.shipment_method_code,
        address: Address {
            name: row.display_name,
            name2: row.display_name2,
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

/// `None`: nothing that the port tells of.
pub(crate) fn document(entry: &StatusEntry) -> Result<Option<DocumentObserved>, Misfit> {
    let (kind, with_lines) = match entry.kind.as_str() {
        "created" | "changed" => (DocumentKind::SalesOrder, true),
        "released" => (DocumentKind::SalesOrder, false),
        "shipped" => (DocumentKind::Shipment, true),
        "invoiced" => (DocumentKind::Invoice, true),
        "credited" => (DocumentKind::CreditMemo, true),
        "cancelled" => (DocumentKind::Cancellation, true),
        // "reopened", and what later versions add: no quantity changed that another entry does not tell.
        _ => return Ok(None),
    };
    let mut lines = Vec::new();
    // Line 0 is one that people added in the ERP: not of the shop's order.
    for line in entry
        .lines
        .iter()
        .filter(|line| with_lines && line.line_number > 0)
    {
        lines.push(DocumentLine {
            line_number: line.line_number,
            quantity: Quantity::new(line.quantity.0).map_err(misfit)?,
            unit: UnitCode::parse_optional(&line.unit_of_measure_code).map_err(misfit)?,
        });
    }
    let carrier = if entry.shipping_agent_name.is_empty() {
        &entry.shipping_agent_code
    } else {
        &entry.shipping_agent_name
    };
    Ok(Some(DocumentObserved {
        channel: channel_in(&entry.channel_code)?,
        order_number: millrace_values::OrderNumber::parse(&entry.order_number).map_err(misfit)?,
        document: DocumentRef {
            kind,
            system_id: id(entry.document_id)?,
            number: entry.document_number.clone(),
            row_version: u64::try_from(entry.system_row_version).ok(),
            posted_at: time(&entry.happened_at)?,
        },
        lines,
        carrier: carrier.clone(),
        tracking_number: entry.tracking_number.clone(),
    }))
}

/// A transfer as the page or the feed has it.
pub(crate) fn transfer(row: &TransferRow) -> Result<TransferObserved, Misfit> {
    let state = match row.state.as_str() {
        "open" => TransferState::Open,
        "posted" => TransferState::Posted,
        "cancelled" => TransferState::Cancelled,
        "returned" => TransferState::Returned,
        _ => return Err("the transfer is in a state that is not known here".into()),
    };
    let mut lines = Vec::with_capacity(row.lines.len());
    for line in &row.lines {
        lines.push(TransferLineObserved {
            line_number: line.line_number,
            unit: UnitCode::parse_optional(&line.unit_of_measure_code).map_err(misfit)?,
            requested: Quantity::new(line.quantity.0).map_err(misfit)?,
            found: Quantity::new(line.found_quantity.0).map_err(misfit)?,
        });
    }
    let number = |number: &str| (!number.is_empty()).then(|| number.to_owned());
    Ok(TransferObserved {
        key: TransferKey {
            channel: channel_in(&row.channel_code)?,
            number: ReservationNumber::parse(&row.reservation_number).map_err(misfit)?,
        },
        system_id: id(row.system_id)?,
        state,
        lines,
        document_number: number(&row.transfer_document_number),
        return_document_number: number(&row.return_document_number),
        row_version: u64::try_from(row.system_row_version).ok(),
        changed_at: time(&row.changed_at)?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::business_central::collection::{Unreadable, row};

    fn item_row(change: Value) -> ItemRow {
        let mut record = json!({
            "systemId": "5d115c9c-44e3-ea11-bb43-000d3a2feca1", "number": "1896-S", "displayName": "Chair", "displayName2": "",
            "type": "Non_x002D_Inventory", "blocked": false, "salesBlocked": false, "itemCategoryCode": "", "gtin": "",
            "baseUnitOfMeasureCode": "PCS", "salesUnitOfMeasureCode": "BOX", "unitPrice": 12.34567, "priceIncludesTax": true,
            "taxGroupCode": "", "hasVariants": false, "lastModifiedDateTime": "2026-03-31T09:15:00.123Z", "boundary": 7,
            "someLaterProperty": 1,
        });
        record
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        serde_json::from_str(&record.to_string()).unwrap()
    }

    fn price_row(change: Value) -> PriceRow {
        let mut record = json!({
            "priceListCode": "S1", "sourceType": "All_x0020_Customers", "sourceNumber": "", "currencyCode": "EUR",
            "itemId": "5d115c9c-44e3-ea11-bb43-000d3a2feca1", "variantCode": "", "unitOfMeasureCode": "", "minimumQuantity": 0,
            "unitPrice": 10, "lineDiscountPercent": 0, "startingDate": "0001-01-01", "endingDate": "2026-12-31",
            "pricesIncludeTax": false, "lastModifiedDateTime": "2026-04-01T00:00:00.000Z",
        });
        record
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        serde_json::from_str(&record.to_string()).unwrap()
    }

    fn euro() -> Currency {
        Currency::parse("EUR").unwrap()
    }

    #[test]
    fn an_item_of_a_kind_that_is_not_known_cannot_be_read() {
        assert_eq!(
            item(item_row(json!({})), vec![], None).unwrap().kind,
            ItemKind::NonInventory
        );
        assert!(item(item_row(json!({ "type": "Robot" })), vec![], None).is_err());
    }

    #[test]
    fn an_item_without_a_number_cannot_be_read() {
        assert_eq!(
            item(item_row(json!({ "number": "" })), vec![], None),
            Err("item number is empty".into())
        );
    }

    #[test]
    fn the_price_on_the_card_is_per_sales_unit_and_zero_is_none() {
        let observed = prices(&item_row(json!({})), vec![], euro()).unwrap();
        assert_eq!(observed.lines[0].unit.as_ref().unwrap().as_str(), "BOX");
        assert_eq!(observed.lines[0].price.value().to_string(), "12.34567");
        assert!(
            prices(&item_row(json!({ "unitPrice": 0 })), vec![], euro())
                .unwrap()
                .lines
                .is_empty()
        );
    }

    #[test]
    fn a_price_for_one_customer_is_no_price_of_a_shop() {
        let lines = vec![price_row(
            json!({ "sourceType": "Customer", "sourceNumber": "10000" }),
        )];
        let observed = prices(&item_row(json!({ "unitPrice": 0 })), lines, euro()).unwrap();
        assert!(observed.lines.is_empty());
    }

    #[test]
    fn the_empty_date_is_for_ever_and_the_prices_are_as_young_as_the_youngest() {
        let observed = prices(
            &item_row(json!({ "unitPrice": 0 })),
            vec![price_row(json!({}))],
            euro(),
        )
        .unwrap();
        assert_eq!(
            (observed.lines[0].valid_from, observed.lines[0].valid_until),
            (None, Some(jiff::civil::date(2026, 12, 31)))
        );
        assert_eq!(
            observed.modified_at,
            Timestamp::parse("2026-04-01T00:00:00Z").unwrap()
        );
    }

    #[test]
    fn one_price_that_cannot_be_read_leaves_the_others_as_they_were_told() {
        let lines = vec![
            price_row(json!({})),
            price_row(json!({ "unitPrice": 1.234567 })),
        ];
        assert!(prices(&item_row(json!({})), lines, euro()).is_err());
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_id_and_not_repeated() {
        let record =
            r#"{"systemId":"5d115c9c-44e3-ea11-bb43-000d3a2feca1","number":["Erika Mustermann"]}"#;
        let raw = serde_json::value::RawValue::from_string(record.into()).unwrap();
        let Err(Unreadable {
            system_id, reason, ..
        }) = row::<CustomerRow>("customer", "systemId", &raw)
        else {
            panic!("it cannot be read")
        };
        assert_eq!(
            system_id,
            Some(SystemId::parse("5d115c9c-44e3-ea11-bb43-000d3a2feca1").unwrap())
        );
        assert!(!reason.contains("Erika"), "{reason}");
    }

    #[test]
    fn a_status_of_a_later_version_tells_nothing() {
        let entry = |kind: &str| -> StatusEntry {
            serde_json::from_str(
                &json!({
                    "systemRowVersion": 9, "channelCode": "FURNITURE-DE", "orderNumber": "1042", "kind": kind,
                    "documentId": "5d115c9c-44e3-ea11-bb43-000d3a2feca1", "documentNumber": "S1",
                    "happenedAt": "2026-04-01T00:00:00.000Z", "shippingAgentCode": "DHL", "shippingAgentName": "",
                    "trackingNumber": "", "lines": [
                        { "lineNumber": 0, "unitOfMeasureCode": "PCS", "quantity": 1 },
                        { "lineNumber": 2, "unitOfMeasureCode": "PCS", "quantity": 3 },
                    ],
                })
                .to_string(),
            )
            .unwrap()
        };
        assert_eq!(document(&entry("teleported")), Ok(None));
        let shipped = document(&entry("shipped")).unwrap().unwrap();
        assert_eq!(shipped.channel.as_str(), "furniture-de");
        assert_eq!(shipped.carrier, "DHL");
        let lines: Vec<u32> = shipped.lines.iter().map(|line| line.line_number).collect();
        assert_eq!(lines, [2], "a line that people added is not the shop's");
    }
}
