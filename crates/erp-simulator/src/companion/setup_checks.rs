//! The page that tells whether the company is set up for what the shop brings. It looks when it is asked; nothing is kept.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::database::{ItemKind, Marks, Tables};
use crate::http::Call;
use crate::http::answer::Answer;
use crate::sales::series::SERIES;
use crate::simulator::World;

/// Items named in one line.
const NAMED: usize = 5;

pub(super) fn list(world: &Arc<World>, call: &Call) -> Answer {
    let checks = world.read(|tables, marks| {
        let mut checks = number_series(marks);
        checks.push(posting_groups(tables));
        checks.push(inventory_groups(tables));
        checks.push(json!({ "code": "ROUNDING", "state": "ok", "mend": "",
            "found": "invoices are not rounded, amounts have two places" }));
        checks
    });
    let context = format!("{}/$metadata#setupChecks", call.base);
    Answer::json(200, &json!({ "@odata.context": context, "value": checks }))
}

fn number_series(marks: &Marks) -> Vec<Value> {
    let checks = SERIES.iter().map(|series| {
        let (is_missing, name) = (marks.without_series.contains(series.name), series.caption);
        let found = match is_missing {
            true => format!("{name} is empty in Sales & Receivables Setup"),
            false => format!("{name} is set"),
        };
        let mend = format!("Sales & Receivables Setup, Number Series: choose a series for {name}");
        check(
            &format!("NUMBER-SERIES.{}", series.name),
            is_missing,
            found,
            mend,
        )
    });
    checks.collect()
}

fn posting_groups(tables: &Tables) -> Value {
    let without = items(tables, |item| item.product_group.is_empty());
    group_check(
        "POSTING-GROUPS.GENERAL",
        "Gen. Prod. Posting Group",
        &without,
    )
}

fn inventory_groups(tables: &Tables) -> Value {
    let without = items(tables, |item| {
        item.kind == ItemKind::Inventory && item.inventory_group.is_empty()
    });
    group_check(
        "POSTING-GROUPS.INVENTORY",
        "Inventory Posting Group",
        &without,
    )
}

fn items(tables: &Tables, is_meant: impl Fn(&crate::database::Item) -> bool) -> Vec<String> {
    let meant = tables.items.iter().filter(|item| is_meant(item));
    meant.map(|item| item.number.clone()).collect()
}

fn group_check(code: &str, caption: &str, without: &[String]) -> Value {
    let named = without.iter().take(NAMED).cloned().collect::<Vec<_>>();
    let found = match without.len() {
        0 => format!("every item has a {caption}"),
        count => format!("{count} items have no {caption}: {}", named.join(", ")),
    };
    let mend = format!("item card, Costs & Posting: {caption}");
    check(code, !without.is_empty(), found, mend)
}

fn check(code: &str, is_wrong: bool, found: String, mend: String) -> Value {
    json!({
        "code": code.to_uppercase(),
        "state": if is_wrong { "wrong" } else { "ok" },
        "found": found,
        "mend": if is_wrong { mend } else { String::new() },
    })
}
