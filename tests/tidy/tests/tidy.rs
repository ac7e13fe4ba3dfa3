//! The rules of the house, applied to this checkout.

use std::collections::BTreeSet;
use std::path::PathBuf;

use millrace_tidy::{
    Complaint, Manifest, Text, dead_links, event_types, files, forbidden_edges, forbidden_names,
    golden_faults, ignored_tests, impurities, long_statements, manifest_habits, rows, rows_named,
    sleeps, too_long, uncommented, unexplained_targets, workspace,
};

fn rust() -> Vec<Text> {
    [files("crates", ".rs"), files("tests", ".rs")].concat()
}

fn manifests() -> Vec<Text> {
    [
        files("crates", "/Cargo.toml"),
        files("tests", "/Cargo.toml"),
    ]
    .concat()
}

/// Fails with every complaint, one per line.
#[track_caller]
fn none(complaints: impl IntoIterator<Item = Complaint>) {
    let lines: Vec<String> = complaints
        .into_iter()
        .map(|complaint| format!("\n  {}: {}", complaint.place, complaint.words))
        .collect();
    assert!(
        lines.is_empty(),
        "{} broken rules:{}",
        lines.len(),
        lines.concat()
    );
}

fn everywhere(rule: fn(&str, &str) -> Vec<Complaint>) -> Vec<Complaint> {
    rust()
        .iter()
        .flat_map(|file| rule(&file.path, &file.text))
        .collect()
}

#[test]
fn the_checkout_is_where_we_look() {
    assert!(!rust().is_empty() && !manifests().is_empty());
}

#[test]
fn rooms_depend_only_on_the_rooms_below_them() {
    let manifests: Vec<Manifest> = manifests()
        .iter()
        .map(|file| Manifest::read(&file.path, &file.text))
        .collect();
    none(forbidden_edges(&manifests));
}

#[test]
fn packages_take_lints_and_versions_from_the_workspace() {
    none(
        manifests()
            .iter()
            .flat_map(|file| manifest_habits(&file.path, &file.text)),
    );
}

#[test]
fn domains_are_pure() {
    none(everywhere(impurities));
}

#[test]
fn files_are_short_enough_to_be_read() {
    none(everywhere(too_long));
}

#[test]
fn nothing_is_called_by_a_name_that_says_nothing() {
    none(rust().iter().flat_map(|file| forbidden_names(&file.path)));
}

#[test]
fn tests_wait_for_conditions_and_do_not_sleep() {
    none(everywhere(sleeps));
}

#[test]
fn no_test_is_ignored() {
    none(everywhere(ignored_tests));
}

#[test]
fn long_sql_stands_in_sql_files() {
    none(everywhere(long_statements));
}

#[test]
fn make_help_explains_every_target() {
    let makefile = std::fs::read_to_string(workspace().join("Makefile")).unwrap();
    none(unexplained_targets(&makefile));
}

#[test]
fn links_between_documents_lead_somewhere() {
    let at_the_top = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ];
    let texts = at_the_top.iter().filter_map(|name| {
        let text = std::fs::read_to_string(workspace().join(name)).ok()?;
        Some(Text {
            path: (*name).to_owned(),
            text,
        })
    });
    let documents: Vec<Text> = texts
        .chain(files("crates", ".md"))
        .chain(files("deploy", ".md"))
        .chain(files("helm", ".md"))
        .collect();
    assert!(documents.len() >= at_the_top.len());
    let exists = |path: &str| workspace().join(path).exists();
    none(
        documents
            .iter()
            .flat_map(|file| dead_links(&file.path, &file.text, exists)),
    );
}

#[test]
fn every_room_begins_with_what_it_is_for() {
    let heads = rust()
        .into_iter()
        .filter(|file| file.path.ends_with("/src/lib.rs") || file.path.ends_with("/src/main.rs"));
    none(
        heads
            .filter(|file| !file.text.starts_with("//!"))
            .map(|file| {
                Complaint::new(
                    file.path,
                    "has no head (`//!`) that says what the room is for",
                )
            }),
    );
}

#[test]
fn the_contract_explains_everything_in_it() {
    let protos = files("proto", ".proto");
    assert!(!protos.is_empty());
    none(
        protos
            .iter()
            .flat_map(|file| uncommented(&file.path, &file.text)),
    );
}

#[test]
fn every_event_has_its_golden_file() {
    let protos = files("proto", ".proto");
    let events = event_types(protos.iter().map(|file| file.text.as_str()));
    // What services write to their logs by this name is an event, whatever the rule says.
    for stored in [
        "millrace.customer.v1.CustomerWished",
        "millrace.items.v1.ItemChanged",
    ] {
        assert!(events.contains(stored), "{stored} is an event");
    }
    let folder = workspace().join("crates/contract/tests/golden");
    let golden: Vec<String> = folder
        .read_dir()
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    none(golden_faults(&events, &golden));
}

/// Lists; it does not fail: rows come with their issues.
#[test]
fn rows_of_the_features_page_without_a_test_are_listed() {
    let beside = workspace().parent().map(|parent| parent.join("shared"));
    let shared = std::env::var_os("MILLRACE_SHARED")
        .map(PathBuf::from)
        .or(beside)
        .unwrap_or_default();
    let Ok(page) = std::fs::read_to_string(shared.join("FEATURES.md")) else {
        println!("tidy: no FEATURES.md beside the checkout; its rows are not looked at");
        return;
    };
    // The rules' own tests name rows as examples.
    let tests = rust()
        .into_iter()
        .filter(|file| !file.path.starts_with("tests/tidy/"));
    let named: BTreeSet<u32> = tests.flat_map(|file| rows_named(&file.text)).collect();
    let rows = rows(&page);
    let without: Vec<_> = rows
        .iter()
        .filter(|(number, _)| !named.contains(number))
        .collect();
    println!(
        "tidy: {} of {} rows of FEATURES.md have a test; without one:",
        rows.len() - without.len(),
        rows.len()
    );
    for (number, words) in without {
        println!("  {number:>3}  {words}");
    }
}
