//! The furniture company that `millrace simulate` and the demo start with. Names are invented.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{
    CompanyData, CustomerData, ItemData, LocationData, PriceData, PriceListData, StockData,
    VariantData,
};
use crate::database::{Address, ItemKind};

/// Number, name, category, price without tax in cents, variants as `code=description` separated by `|`.
type Line = (&'static str, &'static str, &'static str, i64, &'static str);

const ITEMS: &[Line] = &[
    (
        "1000",
        "Stuhl Buche \"Lina\"",
        "CHAIRS",
        7900,
        "NATUR=Buche natur|WEISS=Weiß lackiert|ANTHRA=Anthrazit",
    ),
    (
        "1001",
        "Stuhl Eiche \"Alma\"",
        "CHAIRS",
        11900,
        "NATUR=Eiche geölt|DUNKEL=Eiche dunkel",
    ),
    (
        "1002",
        "Armlehnstuhl \"Alma Arm\"",
        "CHAIRS",
        14900,
        "NATUR=Eiche geölt|DUNKEL=Eiche dunkel",
    ),
    (
        "1003",
        "Polsterstuhl \"Fenja\"",
        "CHAIRS",
        15950,
        "GRAU=Stoff grau|SENF=Stoff senf|BLAU=Stoff blau|ROSE=Stoff rosé",
    ),
    ("1004", "Barhocker \"Piet\" 65 cm", "CHAIRS", 8950, ""),
    ("1005", "Barhocker \"Piet\" 75 cm", "CHAIRS", 9450, ""),
    (
        "1006",
        "Freischwinger \"Bauhof\"",
        "CHAIRS",
        18900,
        "SCHWARZ=Leder schwarz|COGNAC=Leder cognac",
    ),
    ("1007", "Kinderstuhl \"Mika\"", "CHAIRS", 4990, ""),
    (
        "1008",
        "Bürostuhl \"Kontor\"",
        "OFFICE",
        32900,
        "SCHWARZ=Schwarz|GRAU=Grau",
    ),
    (
        "1009",
        "Klappstuhl \"Garten\"",
        "OUTDOOR",
        3495,
        "GRUEN=Grün|WEISS=Weiß",
    ),
    (
        "1100",
        "Esstisch \"Hofgut\" 160",
        "TABLES",
        64900,
        "NATUR=Eiche geölt|DUNKEL=Eiche dunkel",
    ),
    (
        "1101",
        "Esstisch \"Hofgut\" 200",
        "TABLES",
        79900,
        "NATUR=Eiche geölt|DUNKEL=Eiche dunkel",
    ),
    ("1102", "Esstisch rund \"Luna\" 120", "TABLES", 54900, ""),
    (
        "1103",
        "Couchtisch \"Kiesel\"",
        "TABLES",
        22900,
        "EICHE=Eiche|NUSS=Nussbaum",
    ),
    (
        "1104",
        "Beistelltisch \"Pilz\"",
        "TABLES",
        9900,
        "WEISS=Weiß|SCHWARZ=Schwarz",
    ),
    ("1105", "Schreibtisch \"Kontor\" 140", "OFFICE", 39900, ""),
    (
        "1106",
        "Höhenverstellbarer Schreibtisch \"Lift\"",
        "OFFICE",
        69900,
        "EICHE=Eiche|WEISS=Weiß",
    ),
    ("1107", "Gartentisch \"Terrasse\" 180", "OUTDOOR", 44900, ""),
    (
        "1200",
        "Sofa 2-Sitzer \"Weser\"",
        "SOFAS",
        99900,
        "GRAU=Stoff grau|BLAU=Stoff blau|GRUEN=Samt grün",
    ),
    (
        "1201",
        "Sofa 3-Sitzer \"Weser\"",
        "SOFAS",
        129900,
        "GRAU=Stoff grau|BLAU=Stoff blau|GRUEN=Samt grün",
    ),
    (
        "1202",
        "Ecksofa \"Elbe\"",
        "SOFAS",
        189900,
        "GRAU=Stoff grau|BEIGE=Stoff beige",
    ),
    ("1203", "Schlafsofa \"Moldau\"", "SOFAS", 114900, ""),
    (
        "1204",
        "Sessel \"Isar\"",
        "SOFAS",
        49900,
        "GRAU=Stoff grau|SENF=Stoff senf",
    ),
    (
        "1205",
        "Hocker \"Isar\"",
        "SOFAS",
        17900,
        "GRAU=Stoff grau|SENF=Stoff senf",
    ),
    ("1300", "Bett \"Nachtigall\" 140x200", "BEDS", 59900, ""),
    ("1301", "Bett \"Nachtigall\" 180x200", "BEDS", 74900, ""),
    (
        "1302",
        "Nachttisch \"Eule\"",
        "BEDS",
        12900,
        "EICHE=Eiche|WEISS=Weiß",
    ),
    (
        "1303",
        "Matratze \"Wolke\" 140x200",
        "BEDS",
        39900,
        "H2=Härte 2|H3=Härte 3",
    ),
    (
        "1304",
        "Matratze \"Wolke\" 180x200",
        "BEDS",
        49900,
        "H2=Härte 2|H3=Härte 3",
    ),
    ("1305", "Lattenrost \"Basis\" 90x200", "BEDS", 11900, ""),
    (
        "1400",
        "Regal \"Stapel\" 80",
        "STORAGE",
        14900,
        "EICHE=Eiche|WEISS=Weiß",
    ),
    (
        "1401",
        "Regal \"Stapel\" 120",
        "STORAGE",
        19900,
        "EICHE=Eiche|WEISS=Weiß",
    ),
    (
        "1402",
        "Sideboard \"Horizont\"",
        "STORAGE",
        59900,
        "EICHE=Eiche|NUSS=Nussbaum",
    ),
    ("1403", "Kleiderschrank \"Drei\"", "STORAGE", 84900, ""),
    ("1404", "Schuhschrank \"Diele\"", "STORAGE", 16900, ""),
    ("1405", "Garderobe \"Ast\"", "STORAGE", 8900, ""),
    (
        "1500",
        "Stehleuchte \"Bogen\"",
        "LIGHTS",
        17900,
        "MESSING=Messing|SCHWARZ=Schwarz",
    ),
    ("1501", "Tischleuchte \"Pilz\"", "LIGHTS", 6900, ""),
    (
        "1502",
        "Pendelleuchte \"Glocke\"",
        "LIGHTS",
        12900,
        "MESSING=Messing|WEISS=Weiß",
    ),
    ("1503", "LED-Leuchtmittel E27", "LIGHTS", 799, ""),
    (
        "1600",
        "Teppich \"Heide\" 160x230",
        "TEXTILES",
        24900,
        "SAND=Sand|GRAU=Grau",
    ),
    (
        "1601",
        "Kissen \"Heide\" 50x50",
        "TEXTILES",
        2995,
        "SAND=Sand|GRAU=Grau|SENF=Senf",
    ),
    ("1602", "Wolldecke \"Deich\"", "TEXTILES", 6990, ""),
    ("1603", "Vorhang \"Nebel\" Paar", "TEXTILES", 8990, ""),
    ("1700", "Holzöl 0,5 l", "CARE", 1290, ""),
    ("1701", "Filzgleiter 20 Stück", "CARE", 495, ""),
    ("1702", "Möbelbuch \"Holz verstehen\"", "BOOKS", 2336, ""),
];

const SERVICES: &[(&str, &str, i64)] = &[
    ("9000", "Lieferung bis in die Wohnung", 4900),
    ("9001", "Aufbauservice", 7900),
];

const LOCATIONS: &[(&str, &str, &str, &str, &str)] = &[
    (
        "MAIN",
        "Zentrallager Hannover",
        "Lagerstraße 12",
        "30179",
        "Hannover",
    ),
    (
        "SOUTH",
        "Lager Süd",
        "Am Güterbahnhof 3",
        "90431",
        "Nürnberg",
    ),
    (
        "OUTLET",
        "Restpostenlager",
        "Lagerstraße 14",
        "30179",
        "Hannover",
    ),
    (
        "STORE-HH",
        "Filiale Hamburg",
        "Mönckebergstraße 21",
        "20095",
        "Hamburg",
    ),
    (
        "STORE-B",
        "Filiale Berlin",
        "Kantstraße 48",
        "10625",
        "Berlin",
    ),
    (
        "STORE-M",
        "Filiale München",
        "Sendlinger Straße 8",
        "80331",
        "München",
    ),
];

const CUSTOMERS: &[(&str, &str, &str, &str, &str, &str)] = &[
    (
        "10000",
        "Hotel Seeblick GmbH",
        "Uferweg 4",
        "24103",
        "Kiel",
        "DE",
    ),
    (
        "10001",
        "Café Morgenrot",
        "Lindenstraße 17",
        "50674",
        "Köln",
        "DE",
    ),
    (
        "10002",
        "Kanzlei Brandt & Söhne",
        "Domplatz 2",
        "48143",
        "Münster",
        "DE",
    ),
    (
        "10003",
        "Kita Sonnenblume e.V.",
        "Schulweg 9",
        "99084",
        "Erfurt",
        "DE",
    ),
    (
        "10004",
        "Bauer Einrichtungen KG",
        "Industriestraße 55",
        "70565",
        "Stuttgart",
        "DE",
    ),
    (
        "10005",
        "Pension Waldesruh",
        "Forststraße 1",
        "37520",
        "Osterode",
        "DE",
    ),
    (
        "10006",
        "Wiener Wohnwelt GmbH",
        "Mariahilfer Straße 101",
        "1060",
        "Wien",
        "AT",
    ),
    (
        "10007",
        "Alpenhof Betriebs AG",
        "Dorfstrasse 33",
        "7260",
        "Davos",
        "CH",
    ),
    (
        "10008",
        "Harbour Interiors Ltd",
        "14 Quay Street",
        "BS1 4DJ",
        "Bristol",
        "GB",
    ),
    (
        "10009",
        "Grachten Meubel BV",
        "Keizersgracht 210",
        "1016 DX",
        "Amsterdam",
        "NL",
    ),
    (
        "10010",
        "Maison Tilleul SARL",
        "8 rue des Tilleuls",
        "67000",
        "Strasbourg",
        "FR",
    ),
    (
        "10011",
        "Praxis Dr. Ottilie Frank",
        "Ringstraße 76",
        "69115",
        "Heidelberg",
        "DE",
    ),
    (
        "10012",
        "Studio Nordlicht",
        "Werftgang 5",
        "18055",
        "Rostock",
        "DE",
    ),
    (
        "10013",
        "Schreinerei Holzapfel",
        "Mühlgasse 11",
        "97070",
        "Würzburg",
        "DE",
    ),
    (
        "10014",
        "Stadtbibliothek Auenau",
        "Marktplatz 1",
        "06108",
        "Halle",
        "DE",
    ),
    (
        "20000",
        "Annika Petersen",
        "Rosenweg 7",
        "22301",
        "Hamburg",
        "DE",
    ),
    (
        "20001",
        "Emil Schuster",
        "Gartenstraße 23",
        "10115",
        "Berlin",
        "DE",
    ),
    (
        "20002",
        "Sophia Lindner",
        "Am Anger 4",
        "80331",
        "München",
        "DE",
    ),
    (
        "20003",
        "Noah Vogt",
        "Bergstraße 90",
        "01069",
        "Dresden",
        "DE",
    ),
    (
        "20004",
        "Mia Hartwig",
        "Kirchgasse 15",
        "55116",
        "Mainz",
        "DE",
    ),
    ("20005", "Jonas Reuter", "Talweg 2", "34117", "Kassel", "DE"),
    (
        "20006",
        "Clara Winkelmann",
        "Hafenstraße 61",
        "28195",
        "Bremen",
        "DE",
    ),
    (
        "20007",
        "Leopold Gruber",
        "Landstraße 12",
        "4020",
        "Linz",
        "AT",
    ),
    (
        "20008",
        "Ella Whitfield",
        "3 Orchard Lane",
        "YO1 7HH",
        "York",
        "GB",
    ),
    (
        "20009",
        "Theo Kaminski",
        "Birkenallee 38",
        "44135",
        "Dortmund",
        "DE",
    ),
];

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
        locations: LOCATIONS.iter().map(location).collect(),
        item_categories: text_map(&categories),
        price_groups: text_map(&groups),
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

fn location(
    (code, name, street, postal_code, city): &(&str, &str, &str, &str, &str),
) -> LocationData {
    LocationData {
        code: (*code).to_owned(),
        name: (*name).to_owned(),
        address: address(name, street, postal_code, city, "DE"),
        email: format!("{}@ahorn-eiche.example", code.to_lowercase()),
        phone: "+49 511 5550".to_owned(),
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
        gtin: format!("400638{number}000"),
        unit_price: Decimal::new(*cents, 2),
        unit_cost: Decimal::new(*cents * 6 / 10, 2),
        tax_group: if *category == "BOOKS" {
            "REDUCED"
        } else {
            "NORMAL"
        }
        .to_owned(),
        net_weight: Decimal::new(*cents % 400 + 50, 1),
        variants: variants.collect(),
        ..ItemData::default()
    }
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
