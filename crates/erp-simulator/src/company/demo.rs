//! The furniture company that `millrace simulate` and the demo start with.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::furniture::{CUSTOMERS, ITEMS, LOCATIONS, Line, RESERVATIONS, SERVICES};
use super::{
    CompanyData, CustomerData, ItemData, LocationData, PriceData, PriceListData, StockData,
    UnitData, VariantData,
};
use crate::database::{Address, ItemKind};

/// The demo company.
pub fn demo() -> CompanyData {
    let categories = [
        ("CHAIRS", "Stühle"),
        ("TABLES", "Tische"),
        ("SOFAS", "Sofas und Sessel"),
        ("BEDS", "Betten"),
        ("STORAGE", "Schränke und Regale"),
        ("LIGHTS", "Leuchten"),
        ("TEXTILES", "Textilien"),
        ("OFFICE", "Büro"),
        ("OUTDOOR", "Garten"),
        ("CARE", "Pflege"),
        ("BOOKS", "Bücher"),
        ("SERVICE", "Dienstleistungen"),
    ];
    let groups = [
        ("RETAIL", "Endkunden"),
        ("TRADE", "Fachhandel"),
        ("VIP", "Stammkunden"),
    ];
    CompanyData {
        name: "Ahorn & Eiche Möbel GmbH".to_owned(),
        local_currency: "EUR".to_owned(),
        currencies: Vec::new(),
        locations: locations(),
        item_categories: text_map(&categories),
        price_groups: text_map(&groups),
        return_reasons: Vec::new(),
        items: ITEMS
            .iter()
            .map(item)
            .chain(SERVICES.iter().map(service))
            .collect(),
        price_lists: price_lists(),
        stock: stock(),
        customers: CUSTOMERS.iter().map(customer).collect(),
    }
}

fn text_map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(code, name)| ((*code).to_owned(), (*name).to_owned()))
        .collect()
}

/// Three of them are stores, each with a reservation warehouse at its own address.
fn locations() -> Vec<LocationData> {
    let mut locations: Vec<LocationData> = LOCATIONS.iter().map(location).collect();
    for (store, code, name) in RESERVATIONS {
        let Some(at) = locations.iter().position(|known| known.code == *store) else {
            continue;
        };
        locations[at].store = true;
        locations[at].reservation_warehouse = (*code).to_owned();
        let mut warehouse = LocationData {
            code: (*code).to_owned(),
            name: (*name).to_owned(),
            store: false,
            reservation_warehouse: String::new(),
            ..locations[at].clone()
        };
        (*name).clone_into(&mut warehouse.address.name);
        locations.push(warehouse);
    }
    locations
}

fn location(
    (code, name, street, postal_code, city): &(&str, &str, &str, &str, &str),
) -> LocationData {
    LocationData {
        code: (*code).to_owned(),
        name: (*name).to_owned(),
        address: address(name, street, postal_code, city, "DE"),
        email: format!("{}@ahorn-eiche.example", code.to_lowercase()),
        phone: "+49 511 5550".to_owned(),
        ..LocationData::default()
    }
}

fn address(name: &str, street: &str, postal_code: &str, city: &str, country: &str) -> Address {
    Address {
        name: name.to_owned(),
        address_line1: street.to_owned(),
        postal_code: postal_code.to_owned(),
        city: city.to_owned(),
        country: country.to_owned(),
        ..Address::default()
    }
}

fn item((number, name, category, cents, variants): &Line) -> ItemData {
    let variants = variants
        .split('|')
        .filter_map(|pair| pair.split_once('='))
        .map(|(code, description)| VariantData {
            code: code.to_owned(),
            description: format!("{name}, {description}"),
            ..VariantData::default()
        });
    ItemData {
        number: (*number).to_owned(),
        name: (*name).to_owned(),
        category: (*category).to_owned(),
        gtin: gtin(number),
        unit_price: Decimal::new(*cents, 2),
        unit_cost: Decimal::new(*cents * 6 / 10, 2),
        tax_group: if *category == "BOOKS" {
            "REDUCED"
        } else {
            "NORMAL"
        }
        .to_owned(),
        net_weight: Decimal::new(*cents % 400 + 50, 1),
        units: packs(number),
        variants: variants.collect(),
        ..ItemData::default()
    }
}

/// A GTIN-13 with its check digit.
fn gtin(number: &str) -> String {
    let digits = format!("40063800{number}");
    let sum: u32 = digits
        .chars()
        .enumerate()
        .filter_map(|(place, digit)| {
            digit
                .to_digit(10)
                .map(|digit| digit * if place % 2 == 0 { 1 } else { 3 })
        })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// Felt glides also come by ten.
fn packs(number: &str) -> Vec<UnitData> {
    if number != "1701" {
        return Vec::new();
    }
    vec![UnitData {
        code: "PACK".to_owned(),
        quantity: Decimal::TEN,
    }]
}

fn service((number, name, cents): &(&str, &str, i64)) -> ItemData {
    ItemData {
        number: (*number).to_owned(),
        name: (*name).to_owned(),
        kind: ItemKind::Service,
        category: "SERVICE".to_owned(),
        unit_price: Decimal::new(*cents, 2),
        ..ItemData::default()
    }
}

fn price_lists() -> Vec<PriceListData> {
    let line = |number: &str, cents: i64, minimum: i64| PriceData {
        item: number.to_owned(),
        minimum: Decimal::from(minimum),
        price: Decimal::new(cents, 2),
        ..PriceData::default()
    };
    // Retail prices include tax and end in 90 cents; the trade buys without tax and cheaper in quantity.
    let retail = ITEMS
        .iter()
        .map(|item| line(item.0, (item.3 * 119 / 100 + 50) / 100 * 100 - 10, 0))
        .collect();
    let trade = ITEMS
        .iter()
        .flat_map(|item| {
            [
                line(item.0, item.3 * 80 / 100, 0),
                line(item.0, item.3 * 74 / 100, 10),
            ]
        })
        .collect();
    let vip = ITEMS
        .iter()
        .step_by(3)
        .map(|item| PriceData {
            discount_percent: Decimal::from(10),
            ..line(item.0, (item.3 * 119 / 100 + 50) / 100 * 100 - 10, 0)
        })
        .collect();
    let list = |code: &str, group: &str, includes_tax: bool, lines: Vec<PriceData>| PriceListData {
        code: code.to_owned(),
        price_group: group.to_owned(),
        includes_tax,
        lines,
        ..PriceListData::default()
    };
    vec![
        list("S00001", "RETAIL", true, retail),
        list("S00002", "TRADE", false, trade),
        list("S00003", "VIP", true, vip),
    ]
}

/// Spread by a rule, so that every run of the demo has the same figures.
fn stock() -> Vec<StockData> {
    let mut stock = Vec::new();
    for (place, (number, _, _, _, variants)) in ITEMS.iter().enumerate() {
        let codes: Vec<&str> = variants
            .split('|')
            .filter_map(|pair| pair.split_once('='))
            .map(|(code, _)| code)
            .collect();
        let codes = if codes.is_empty() { vec![""] } else { codes };
        for (nth, variant) in codes.into_iter().enumerate() {
            for (shelf, (location, ..)) in LOCATIONS.iter().enumerate() {
                let most = if shelf < 2 { 60 } else { 9 };
                let quantity =
                    i64::try_from((place * 7 + nth * 5 + shelf * 3) % most).unwrap_or_default();
                stock.push(StockData {
                    item: (*number).to_owned(),
                    variant: variant.to_owned(),
                    location: (*location).to_owned(),
                    quantity: Decimal::from(quantity),
                    safety: (shelf == 0).then(|| Decimal::from(2)),
                    reserved: None,
                });
            }
        }
    }
    stock
}

fn customer(
    (number, name, street, postal_code, city, country): &(&str, &str, &str, &str, &str, &str),
) -> CustomerData {
    let person = number.starts_with('2');
    let group = if person { "RETAIL" } else { "TRADE" };
    CustomerData {
        number: (*number).to_owned(),
        address: address(name, street, postal_code, city, country),
        email: format!("kunde{number}@example.com"),
        phone: format!("+49 30 555{number}"),
        person,
        language: if matches!(*country, "GB" | "NL" | "FR") {
            "ENU"
        } else {
            "DEU"
        }
        .to_owned(),
        price_group: if matches!(*number, "20000" | "20006") {
            "VIP"
        } else {
            group
        }
        .to_owned(),
        prices_include_tax: group == "RETAIL",
        // Private people pay German tax wherever they live.
        tax_group: if person && *country != "GB" {
            "DOMESTIC".to_owned()
        } else {
            String::new()
        },
        tax_number: if person {
            String::new()
        } else {
            format!("{country}8{number}77")
        },
        salesperson: if number.ends_with(['0', '2', '4', '6', '8']) {
            "AK"
        } else {
            "JB"
        }
        .to_owned(),
        ..CustomerData::default()
    }
}
