//! What there is to sell, as the ERP has it or as the shop sees it: both told in the same words, so that they can be compared.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

/// Item number and variant code.
pub type Thing = (String, String);

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Assortment {
    /// Item number → name.
    pub names: BTreeMap<String, String>,
    pub prices: BTreeMap<PriceLine, Price>,
    /// What may be sold at all of the shop's locations; nothing about a thing means: unknown.
    pub stock: BTreeMap<Thing, Decimal>,
}

/// Which price: no group means everybody's, no list the one on the item's card.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PriceLine {
    pub thing: Thing,
    pub group: String,
    pub list: String,
    pub currency: String,
    pub minimum: Decimal,
    /// First day, YYYY-MM-DD; empty: always.
    pub from: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    pub amount: Decimal,
    pub includes_tax: bool,
    pub discount: Decimal,
}

impl Assortment {
    /// What the shop sees otherwise than the ERP has it: how much, and the first of each kind. `None`: nothing.
    pub fn difference(&self, shop: &Self) -> Option<String> {
        let found = [
            differing("items", &self.names, &shop.names),
            differing("prices", &self.prices, &shop.prices),
            differing("stock figures", &self.stock, &shop.stock),
        ];
        let found: Vec<String> = found.into_iter().flatten().collect();
        (!found.is_empty()).then(|| found.join("; "))
    }
}

fn differing<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    what: &str,
    erp: &BTreeMap<K, V>,
    shop: &BTreeMap<K, V>,
) -> Option<String> {
    let mut keys = erp
        .keys()
        .chain(shop.keys().filter(|key| !erp.contains_key(key)))
        .filter(|key| erp.get(key) != shop.get(key));
    let first = keys.next()?;
    Some(format!(
        "{} {what} differ, the first is {first:?}: {:?} in the ERP, {:?} in the shop",
        keys.count() + 1,
        erp.get(first),
        shop.get(first)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stocked(figures: &[(&str, i64)]) -> Assortment {
        let stock = figures
            .iter()
            .map(|(item, pieces)| (((*item).to_owned(), String::new()), Decimal::from(*pieces)));
        Assortment {
            stock: stock.collect(),
            ..Assortment::default()
        }
    }

    #[test]
    fn as_many_figures_that_are_not_the_same_differ() {
        let difference = stocked(&[("1000", 3), ("1001", 4)])
            .difference(&stocked(&[("1000", 3), ("1001", 5)]))
            .unwrap();
        assert!(
            difference.starts_with("1 stock figures differ"),
            "{difference}"
        );
        assert!(difference.contains("1001"), "{difference}");
    }

    #[test]
    fn what_only_the_shop_knows_is_a_difference() {
        assert!(stocked(&[]).difference(&stocked(&[("1000", 0)])).is_some());
    }

    #[test]
    fn the_same_does_not_differ() {
        assert_eq!(
            stocked(&[("1000", 3)]).difference(&stocked(&[("1000", 3)])),
            None
        );
    }
}
