//! The reference shop's data (`../shared/sfcc/refarch`) as a company of the simulator, and what a shop must end up with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use millrace_erp_simulator::CompanyData;
use millrace_erp_simulator::company::{
    ItemData, LocationData, PriceData, PriceListData, StockData, VariantData,
};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use rust_decimal::Decimal;

const PRICE_BOOKS: [&str; 5] = [
    "eur-m-list-prices",
    "eur-m-sale-prices",
    "gbp-m-list-prices",
    "usd-m-list-prices",
    "usd-m-sale-prices",
];
const INVENTORY_LISTS: [&str; 4] = [
    "inventory_m",
    "inventory_m_store_german_store",
    "inventory_m_store_store1",
    "inventory_m_store_store2",
];

/// A thing that can be sold: item number and variant code.
pub type Thing = (String, String);

/// Everything a shop must see, and nothing else.
#[derive(Debug, Default, PartialEq)]
pub struct Expected {
    /// Item number → name.
    pub items: BTreeMap<String, String>,
    pub variants: BTreeSet<Thing>,
    /// Thing, price group, currency, from how many → price.
    pub prices: BTreeMap<(Thing, String, String, Decimal), Decimal>,
    /// Thing, location → pieces.
    pub stock: BTreeMap<(Thing, String), Decimal>,
}

pub struct Reference {
    pub company: CompanyData,
    pub expected: Expected,
    /// Distinct product ids of price books and inventory lists.
    pub skus: usize,
    pub products: usize,
    pub inventory_records: usize,
}

struct PriceBook {
    currency: String,
    /// Product, from how many, price.
    amounts: Vec<(String, Decimal, Decimal)>,
}

pub fn read(folder: &Path) -> Reference {
    let books: Vec<PriceBook> = PRICE_BOOKS
        .iter()
        .map(|book| price_book(&text(&folder.join(format!("pricebooks/{book}.xml")))))
        .collect();
    let lists: Vec<Vec<(String, Decimal)>> = INVENTORY_LISTS
        .iter()
        .map(|list| inventory(&text(&folder.join(format!("inventory-lists/{list}.xml")))))
        .collect();
    let products = products(&text(
        &folder.join("catalogs/electronics-m-catalog/catalog.xml"),
    ));
    let skus: BTreeSet<&String> = books
        .iter()
        .flat_map(|book| book.amounts.iter().map(|(product, _, _)| product))
        .chain(lists.iter().flatten().map(|(product, _)| product))
        .collect();
    let masters: BTreeMap<&String, &String> = products
        .iter()
        .flat_map(|(master, product)| {
            product
                .variants
                .iter()
                .map(move |variant| (variant, master))
        })
        .collect();
    let thing = |product: &String| match masters.get(product) {
        Some(master) => ((*master).clone(), product.clone()),
        None => (product.clone(), String::new()),
    };
    let name = |product: &String| {
        products
            .get(product)
            .map_or_else(|| product.clone(), |known| known.name.clone())
    };

    let things: BTreeSet<Thing> = skus
        .iter()
        .copied()
        .chain(products.keys())
        .map(thing)
        .collect();
    let mut expected = Expected::default();
    for (item, variant) in &things {
        expected.items.insert(item.clone(), name(item));
        if !variant.is_empty() {
            expected.variants.insert((item.clone(), variant.clone()));
        }
    }
    let mut price_lists = Vec::new();
    for (code, book) in PRICE_BOOKS.iter().zip(&books) {
        let group = code.to_uppercase();
        let mut lines = Vec::new();
        for (product, minimum, price) in &book.amounts {
            let (item, variant) = thing(product);
            expected.prices.insert(
                (
                    (item.clone(), variant.clone()),
                    group.clone(),
                    book.currency.clone(),
                    *minimum,
                ),
                *price,
            );
            lines.push(PriceData {
                item,
                variant,
                minimum: *minimum,
                price: *price,
                ..PriceData::default()
            });
        }
        price_lists.push(PriceListData {
            code: format!("S-{group}"),
            price_group: group,
            currency: book.currency.clone(),
            includes_tax: true,
            lines,
            ..PriceListData::default()
        });
    }
    let mut stock = Vec::new();
    for (list, records) in INVENTORY_LISTS.iter().zip(&lists) {
        let location = list.to_uppercase();
        for (product, quantity) in records {
            let (item, variant) = thing(product);
            expected.stock.insert(
                ((item.clone(), variant.clone()), location.clone()),
                *quantity,
            );
            stock.push(StockData {
                item,
                variant,
                location: location.clone(),
                quantity: *quantity,
                ..StockData::default()
            });
        }
    }
    let items = expected.items.iter().map(|(number, name)| ItemData {
        number: number.clone(),
        name: name.clone(),
        variants: expected
            .variants
            .iter()
            .filter(|(item, _)| item == number)
            .map(|(_, code)| VariantData {
                code: code.clone(),
                description: code.clone(),
                ..VariantData::default()
            })
            .collect(),
        ..ItemData::default()
    });
    let company = CompanyData {
        name: "Reference".into(),
        local_currency: "EUR".into(),
        currencies: vec!["GBP".into(), "USD".into()],
        locations: locations()
            .into_iter()
            .map(|code| LocationData {
                code,
                ..LocationData::default()
            })
            .collect(),
        price_groups: price_groups()
            .into_iter()
            .map(|code| (code.clone(), code))
            .collect(),
        items: items.collect(),
        price_lists,
        stock,
        ..CompanyData::default()
    };
    Reference {
        company,
        skus: skus.len(),
        products: products.len(),
        inventory_records: lists[0].len(),
        expected,
    }
}

pub fn price_groups() -> Vec<String> {
    PRICE_BOOKS.map(str::to_uppercase).to_vec()
}

pub fn locations() -> Vec<String> {
    INVENTORY_LISTS.map(str::to_uppercase).to_vec()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Calls `start` for every element and `end` with its text when it closes.
fn walk(xml: &str, mut start: impl FnMut(&str, &BytesStart), mut end: impl FnMut(&str, &str)) {
    let mut reader = Reader::from_str(xml);
    let mut content = String::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) => {
                content.clear();
                start(element.local_name().as_ref(), &element);
            }
            Event::Empty(element) => {
                let name = element.local_name().as_ref().to_owned();
                start(&name, &element);
                end(&name, "");
            }
            Event::Text(text) => content.push_str(&text),
            Event::GeneralRef(reference) => content.push_str(match &*reference {
                "amp" => "&",
                "lt" => "<",
                "gt" => ">",
                "quot" => "\"",
                "apos" => "'",
                "#13" => "\r",
                other => panic!("unexpected entity {other}"),
            }),
            Event::End(element) => {
                end(element.local_name().as_ref(), content.trim());
                content.clear();
            }
            Event::Eof => return,
            _ => {}
        }
    }
}

fn attribute(element: &BytesStart, name: &str) -> String {
    let found = element
        .try_get_attribute(name)
        .unwrap()
        .unwrap_or_else(|| panic!("{name} is missing"));
    found.value.into_owned()
}

fn price_book(xml: &str) -> PriceBook {
    use std::cell::RefCell;
    let product = RefCell::new(String::new());
    let quantity = RefCell::new(Decimal::ONE);
    let mut book = PriceBook {
        currency: String::new(),
        amounts: Vec::new(),
    };
    walk(
        xml,
        |name, element| match name {
            "price-table" => *product.borrow_mut() = attribute(element, "product-id"),
            "amount" => *quantity.borrow_mut() = attribute(element, "quantity").parse().unwrap(),
            _ => {}
        },
        |name, content| match name {
            "currency" => book.currency = content.to_owned(),
            "amount" => book.amounts.push((
                product.borrow().clone(),
                *quantity.borrow(),
                content.parse::<Decimal>().unwrap().normalize(),
            )),
            _ => {}
        },
    );
    book
}

fn inventory(xml: &str) -> Vec<(String, Decimal)> {
    use std::cell::RefCell;
    let product = RefCell::new(String::new());
    let mut records = Vec::new();
    walk(
        xml,
        |name, element| {
            if name == "record" {
                *product.borrow_mut() = attribute(element, "product-id");
            }
        },
        |name, content| {
            if name == "allocation" {
                records.push((
                    product.borrow().clone(),
                    content.parse::<Decimal>().unwrap().normalize(),
                ));
            }
        },
    );
    records
}

#[derive(Default)]
struct Product {
    name: String,
    variants: Vec<String>,
}

fn products(xml: &str) -> BTreeMap<String, Product> {
    use std::cell::RefCell;
    let products: RefCell<BTreeMap<String, Product>> = RefCell::default();
    let current = RefCell::new(String::new());
    walk(
        xml,
        |name, element| match name {
            "product" => {
                let id = attribute(element, "product-id");
                products.borrow_mut().insert(
                    id.clone(),
                    Product {
                        name: id.clone(),
                        variants: vec![],
                    },
                );
                *current.borrow_mut() = id;
            }
            "variant" => {
                let variant = attribute(element, "product-id");
                products
                    .borrow_mut()
                    .get_mut(&*current.borrow())
                    .unwrap()
                    .variants
                    .push(variant);
            }
            _ => {}
        },
        |name, content| {
            if name == "display-name"
                && !content.is_empty()
                && let Some(product) = products.borrow_mut().get_mut(&*current.borrow())
            {
                product.name = content.to_owned();
            }
        },
    );
    products.into_inner()
}
