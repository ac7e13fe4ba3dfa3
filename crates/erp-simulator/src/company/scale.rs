//! `--scale N`: N more items with prices and stock, the same ones every time.

use rust_decimal::Decimal;

use super::{CompanyData, ItemData, PriceData, PriceListData, StockData};

/// Adds `items` items, each with a price for everybody and stock at two of the company's locations.
pub fn scale(data: &mut CompanyData, items: usize) {
    let keeps_reservations = |code: &String| {
        data.locations
            .iter()
            .any(|store| store.reservation_warehouse == *code)
    };
    let locations: Vec<String> = data
        .locations
        .iter()
        .map(|location| location.code.clone())
        .filter(|code| !keeps_reservations(code))
        .collect();
    let mut lines = Vec::with_capacity(items);
    for nth in 0..items {
        let number = format!("G{nth:07}");
        let cents = i64::try_from(nth * 37 % 90_000).unwrap_or_default() + 199;
        data.items.push(ItemData {
            number: number.clone(),
            name: format!("Grossware {nth}"),
            unit_price: Decimal::new(cents, 2),
            unit_cost: Decimal::new(cents / 2, 2),
            ..ItemData::default()
        });
        lines.push(PriceData {
            item: number.clone(),
            price: Decimal::new(cents - 10, 2),
            ..PriceData::default()
        });
        for step in 0..locations.len().min(2) {
            data.stock.push(StockData {
                item: number.clone(),
                location: locations[(nth + step) % locations.len()].clone(),
                quantity: Decimal::from(nth % 50 + 1),
                ..StockData::default()
            });
        }
    }
    data.price_lists.push(PriceListData {
        code: "SCALE".to_owned(),
        lines,
        ..PriceListData::default()
    });
}
