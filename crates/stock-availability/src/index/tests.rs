use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

use millrace_values::{Channel, ChannelCode, Currency, ErpCode, LanguageTag, LocationCode};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn channel(code: &str, group: &[&str], deducts: bool) -> Channel {
    Channel {
        code: ChannelCode::parse(code).unwrap(),
        erp: ErpCode::parse("bc-main").unwrap(),
        languages: vec![LanguageTag::parse("en").unwrap()],
        price_groups: vec![],
        location_group: group
            .iter()
            .map(|code| LocationCode::parse(code).unwrap())
            .collect(),
        default_location: None,
        currency: Currency::parse("EUR").unwrap(),
        prices_include_tax: true,
        deducts_own_orders: deducts,
        rounding: millrace_values::Rounding::default(),
        payment_methods: Default::default(),
        shipment_methods: Default::default(),
        payment_terms: String::new(),
    }
}

struct Shelf {
    item: u128,
    number: &'static str,
    variant: &'static str,
    version: u64,
    places: Vec<Place<'static>>,
}

fn chair(version: u64, places: &[(&'static str, i64)]) -> Shelf {
    let places = places
        .iter()
        .map(|(location, available)| Place {
            location,
            available: *available,
        })
        .collect();
    Shelf {
        item: 1,
        number: "1900-S",
        variant: "",
        version,
        places,
    }
}

fn put(index: &Index, shelf: &Shelf) -> Put {
    put_with(index, shelf, &[])
}

fn put_with(index: &Index, shelf: &Shelf, own_orders: &[(&str, &str, i64)]) -> Put {
    let entry = Entry {
        erp: "bc-main",
        item: Uuid::from_u128(shelf.item),
        number: shelf.number,
        variant: shelf.variant,
        unit: "PCS",
        as_of: 1_700_000_000_000,
        version: shelf.version,
        places: &shelf.places,
        own_orders,
    };
    index.put(&entry).unwrap()
}

fn look(index: &Index, group: &[&str], number: &str) -> Reading {
    let view = View::new(&channel("shop", group, false), index.names()).unwrap();
    index.look(&view, number.as_bytes(), b"", &mut SumOnly)
}

/// Row 79.
#[test]
fn a_channel_sees_the_sum_over_its_own_locations() {
    let index = Index::new(Names::new());
    put(
        &index,
        &chair(1, &[("EAST", 300), ("WEST", 50), ("STORE", 7)]),
    );
    let reading = look(&index, &["EAST", "STORE", "NOWHERE"], "1900-S");
    assert_eq!(
        (
            reading.known,
            reading.available,
            reading.version,
            reading.as_of
        ),
        (true, 307, 1, 1_700_000_000_000)
    );
    assert_eq!(
        index.names().units.codes()[usize::from(reading.unit)].as_ref(),
        "PCS"
    );
}

#[test]
fn below_zero_is_zero_after_the_sum_and_not_before() {
    let index = Index::new(Names::new());
    put(&index, &chair(1, &[("EAST", 5), ("WEST", -3)]));
    assert_eq!(look(&index, &["EAST", "WEST"], "1900-S").available, 2);
    assert_eq!(look(&index, &["WEST"], "1900-S").available, 0);
}

#[test]
fn what_has_no_figure_in_the_group_is_unknown_and_not_zero() {
    let index = Index::new(Names::new());
    put(&index, &chair(1, &[("EAST", 0)]));
    assert!(look(&index, &["EAST"], "1900-S").known);
    assert!(!look(&index, &["WEST"], "1900-S").known);
    assert!(!look(&index, &["EAST"], "1901-S").known);
    assert!(!look(&index, &["EAST"], "").known);
}

#[test]
fn late_and_repeated_figures_change_nothing() {
    let index = Index::new(Names::new());
    assert!(matches!(
        put(&index, &chair(2, &[("EAST", 5)])),
        Put::Changed(_, None)
    ));
    assert_eq!(put(&index, &chair(1, &[("EAST", 9)])), Put::Nothing);
    assert_eq!(put(&index, &chair(2, &[("EAST", 9)])), Put::Nothing);
    assert_eq!(
        index.remove("bc-main", Uuid::from_u128(1), "", 2),
        Put::Nothing
    );
    assert_eq!(look(&index, &["EAST"], "1900-S").available, 5);
}

#[test]
fn a_renamed_item_is_found_under_its_new_number_only() {
    let index = Index::new(Names::new());
    put(&index, &chair(1, &[("EAST", 5)]));
    put(
        &index,
        &Shelf {
            number: "2000-S",
            ..chair(2, &[("EAST", 6)])
        },
    );
    assert!(!look(&index, &["EAST"], "1900-S").known);
    assert_eq!(look(&index, &["EAST"], "2000-S").available, 6);
}

#[test]
fn a_number_that_went_to_another_item_survives_the_end_of_the_first() {
    let index = Index::new(Names::new());
    put(&index, &chair(1, &[("EAST", 5)]));
    put(
        &index,
        &Shelf {
            item: 2,
            ..chair(1, &[("EAST", 8)])
        },
    );
    index.remove("bc-main", Uuid::from_u128(1), "", 2);
    assert_eq!(look(&index, &["EAST"], "1900-S").available, 8);
    assert_eq!(index.len(), 1);
}

#[test]
fn figures_too_large_for_one_word_are_exact_too() {
    let index = Index::new(Names::new());
    let most = 1_000_000_000_000 * PARTS_PER_UNIT;
    put(&index, &chair(1, &[("EAST", most), ("WEST", 1)]));
    assert_eq!(
        look(&index, &["EAST", "WEST"], "1900-S").available,
        most + 1
    );
    put(&index, &chair(2, &[("EAST", 3)]));
    assert_eq!(look(&index, &["EAST", "WEST"], "1900-S").available, 3);
}

/// Row 76.
#[test]
fn a_channel_that_deducts_its_own_orders_gets_them_back_in_its_allocation() {
    let index = Index::new(Names::new());
    put_with(
        &index,
        &chair(1, &[("EAST", 5), ("WEST", 2)]),
        &[
            ("shop", "EAST", 3),
            ("other", "EAST", 4),
            ("shop", "WEST", 1),
        ],
    );
    let view = |group: &[&str], deducts| {
        View::new(&channel("shop", group, deducts), index.names()).unwrap()
    };
    let own = index.look(&view(&["EAST"], true), b"1900-S", b"", &mut SumOnly);
    assert_eq!((own.available, own.allocation), (5, 8));
    let all = index.look(&view(&["EAST", "WEST"], true), b"1900-S", b"", &mut SumOnly);
    assert_eq!((all.available, all.allocation), (7, 11));
    let not = index.look(&view(&["EAST"], false), b"1900-S", b"", &mut SumOnly);
    assert_eq!(not.allocation, 5);
}

#[test]
fn a_reader_never_sees_half_a_change() {
    let index = Index::new(Names::new());
    let done = AtomicBool::new(false);
    let view = View::new(
        &channel("shop", &["A", "B", "C", "D", "E"], false),
        index.names(),
    )
    .unwrap();
    let codes = ["A", "B", "C", "D", "E"];
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = 0;
                while !done.load(Ordering::Relaxed) {
                    let mut places = Vec::new();
                    let reading = index.look(&view, b"1900-S", b"", &mut places);
                    if !reading.known {
                        assert_eq!(seen, 0, "a figure that was there is always there");
                        continue;
                    }
                    // Version n has n % 5 + 1 locations with n each.
                    let version = i64::try_from(reading.version).unwrap();
                    assert!(
                        places.iter().all(|(_, available)| *available == version),
                        "{places:?} {reading:?}"
                    );
                    assert_eq!(reading.available, version * (version % 5 + 1));
                    assert!(reading.version >= seen, "a newer figure is not forgotten");
                    seen = reading.version;
                }
            });
        }
        for version in 1..30_000_u64 {
            let count = usize::try_from(version % 5 + 1).unwrap();
            let places = codes[..count]
                .iter()
                .map(|code| (*code, i64::try_from(version).unwrap()))
                .collect::<Vec<_>>();
            put(&index, &chair(version, &places));
            if version.is_multiple_of(7) {
                // Others come and go, and use the room that moves leave behind.
                let other = Shelf {
                    item: u128::from(version) + 100,
                    number: "OTHER",
                    ..chair(version, &places)
                };
                put(&index, &other);
                index.remove("bc-main", Uuid::from_u128(other.item), "", version + 1);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn the_longest_number_and_variant_are_found() {
    let index = Index::new(Names::new());
    let view = View::new(&channel("shop", &["EAST"], false), index.names()).unwrap();
    let number: &'static str = "\u{1f6cb}".repeat(100).leak();
    let variant: &'static str = "\u{1f3a8}".repeat(100).leak();
    put(
        &index,
        &Shelf {
            number,
            variant,
            ..chair(1, &[("EAST", 5)])
        },
    );
    let reading = index.look(&view, number.as_bytes(), variant.as_bytes(), &mut SumOnly);
    assert_eq!((reading.available, reading.as_of), (5, 1_700_000_000_000));
    put(
        &index,
        &Shelf {
            number,
            variant,
            ..chair(2, &[("EAST", 6)])
        },
    );
    let reading = index.look(&view, number.as_bytes(), variant.as_bytes(), &mut SumOnly);
    assert_eq!(reading.available, 6);
    assert!(
        !index
            .look(&view, number.as_bytes(), b"", &mut SumOnly)
            .known
    );
}

#[test]
fn a_reader_that_began_before_the_index_grew_finds_what_was_put_since() {
    let index = Index::new(Names::new());
    let view = View::new(&channel("shop", &["EAST"], false), index.names()).unwrap();
    put(&index, &chair(1, &[("EAST", 5)]));
    let mut lookup = index.lookup();
    // Enough for a new chunk, few enough for the old table: then the table leads beyond the reader's chunks.
    let wide: Vec<(&'static str, i64)> = vec![("EAST", i64::MAX); 3000];
    for item in 2..6_u32 {
        let number = ["TWO", "THREE", "FOUR", "FIVE"][item as usize - 2];
        put(
            &index,
            &Shelf {
                item: u128::from(item),
                number,
                ..chair(1, &wide)
            },
        );
    }
    assert!(lookup.look(&view, b"FIVE", b"", &mut SumOnly).known);
    assert_eq!(
        lookup.look(&view, b"1900-S", b"", &mut SumOnly).available,
        5
    );
}

#[test]
fn ten_locations_of_an_item_take_sixteen_bytes_each() {
    let index = Index::new(Names::new());
    let codes: Vec<String> = (0..10).map(|number| format!("PLACE-{number}")).collect();
    let items = 60_000_u32;
    for item in 0..items {
        let places = codes.iter().zip(0..).map(|(location, more)| Place {
            location,
            available: i64::from(item) + more,
        });
        let places: Vec<Place<'_>> = places.collect();
        let number = format!("ITEM-{item:06}");
        let entry = Entry {
            erp: "bc-main",
            item: Uuid::from_u128(u128::from(item) << 64 | 7),
            number: &number,
            variant: "",
            unit: "PCS",
            as_of: 1_700_000_000_000,
            version: 1,
            places: &places,
            own_orders: &[],
        };
        index.put(&entry).unwrap();
    }
    let per_row = index.bytes() as f64 / f64::from(items * 10);
    millrace_test_rig::say(&format!(
        "stock index: {per_row:.1} bytes per item and location"
    ));
    assert!(per_row <= 16.5, "{per_row}");
    let number = format!("ITEM-{:06}", items - 1);
    assert_eq!(
        look(&index, &["PLACE-3"], &number).available,
        i64::from(items) + 2
    );
}

#[derive(Debug, Clone)]
enum Act {
    Put {
        item: u8,
        version: u64,
        places: Vec<(u8, i64)>,
    },
    Remove {
        item: u8,
        version: u64,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let places = prop::collection::vec(
        (0..6_u8, -200_000_000_000_000..200_000_000_000_000_i64),
        0..6,
    );
    let put = (0..40_u8, 1..20_u64, places).prop_map(|(item, version, places)| Act::Put {
        item,
        version,
        places,
    });
    prop_oneof![4 => put, 1 => (0..40_u8, 1..20_u64).prop_map(|(item, version)| Act::Remove { item, version })]
}

proptest! {
    /// Against a plain map: numbers are unique to one item at a time here, as in an ERP.
    #[test]
    fn it_answers_like_a_plain_map(acts in prop::collection::vec(act(), 1..300)) {
        let index = Index::new(Names::new());
        let mut plain: HashMap<u8, (u64, i64, bool)> = HashMap::new();
        for act in acts {
            match act {
                Act::Put { item, version, places } => {
                    let mut unique: HashMap<u8, i64> = HashMap::new();
                    unique.extend(places);
                    let codes: Vec<(String, i64)> = unique.iter().map(|(place, available)| (format!("L{place}"), *available)).collect();
                    let entries: Vec<Place<'_>> = codes.iter().map(|(location, available)| Place { location, available: *available }).collect();
                    let name = format!("ITEM-{item}");
                    let entry = Entry { erp: "bc-main", item: Uuid::from_u128(u128::from(item)), number: &name, variant: "", unit: "", as_of: 0, version, places: &entries, own_orders: &[] };
                    let put = index.put(&entry).unwrap();
                    let newer = plain.get(&item).is_none_or(|(known, _, _)| version > *known);
                    prop_assert_eq!(put != Put::Nothing, newer);
                    if newer {
                        plain.insert(item, (version, unique.values().sum(), !unique.is_empty()));
                    }
                }
                Act::Remove { item, version } => {
                    index.remove("bc-main", Uuid::from_u128(u128::from(item)), "", version);
                    if plain.get(&item).is_some_and(|(known, _, _)| version > *known) {
                        plain.remove(&item);
                    }
                }
            }
        }
        let group: Vec<String> = (0..6).map(|place| format!("L{place}")).collect();
        let group: Vec<&str> = group.iter().map(String::as_str).collect();
        prop_assert_eq!(index.len(), plain.len());
        for item in 0..40_u8 {
            let reading = look(&index, &group, &format!("ITEM-{item}"));
            let expected = plain.get(&item).copied().unwrap_or((0, 0, false));
            prop_assert_eq!((reading.version, reading.available, reading.known), (expected.0, expected.1.max(0), expected.2));
        }
    }
}
