//! Records for the scripted ERP.

use millrace_erp::master::{PriceLine, PricesObserved, VariantObserved};
use millrace_values::{
    Currency, Decimal, Percentage, PriceGroup, Quantity, Sku, Timestamp, UnitPrice, VariantCode,
};

use crate::scripted_erp::id;

pub fn variant(number: u32, code: &str) -> VariantObserved {
    VariantObserved {
        system_id: id(number),
        code: VariantCode::parse(code).unwrap(),
        description: code.to_lowercase(),
        blocked: false,
        sales_blocked: false,
    }
}

/// `[("", 100), ("DEALER", 80)]`: price groups with prices.
pub fn prices(item: u32, lines: &[(&str, i64)]) -> PricesObserved {
    let line = |(group, price): &(&str, i64)| PriceLine {
        variant: None,
        group: PriceGroup::parse_optional(group).unwrap(),
        unit: None,
        price: UnitPrice::new(Currency::parse("EUR").unwrap(), Decimal::from(*price)).unwrap(),
        includes_tax: false,
        minimum_quantity: Quantity::ZERO,
        line_discount: Percentage::ZERO,
        valid_from: None,
        valid_until: None,
        price_list: "S00001".into(),
    };
    PricesObserved {
        item: id(item),
        number: (!lines.is_empty()).then(|| Sku::parse(&format!("ITEM-{item:03}")).unwrap()),
        lines: lines.iter().map(line).collect(),
        modified_at: Timestamp::parse("2026-02-01T10:00:00Z").unwrap(),
    }
}
