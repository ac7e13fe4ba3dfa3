//! What has to be set up in Business Central before documents can be made: number series, posting groups, templates, rounding. The
//! companion looks by itself and tells; a standard tenant shows of it only what stands on items.

use millrace_service_kit::checkup::Finding;
use serde::Deserialize;

use super::said;
use crate::business_central::governor::Priority;
use crate::business_central::odata::{Query, Rows, Value};
use crate::business_central::problem::Failure;
use crate::business_central::{BusinessCentral, Tenant};

const CHECK: &str = "erp.setup";
/// Items named in one finding.
const NAMED: usize = 5;

/// One line of the companion's look at the setup.
#[derive(Deserialize)]
struct SetupCheck {
    code: String,
    state: String,
    #[serde(default)]
    found: String,
    #[serde(default)]
    mend: String,
}

pub(super) async fn examine(erp: &BusinessCentral, tenant: &Tenant) -> Vec<Finding> {
    let Some(companion) = &tenant.companion else {
        let mut findings = posting_groups(erp, tenant).await;
        findings.push(by_hand());
        return findings;
    };
    if !companion.has("setupChecks") {
        let found = "this version of the companion cannot look at number series, posting groups, templates and rounding: update it";
        return vec![Finding::skipped(CHECK, found)];
    }
    let company = format!("companies({})", tenant.company);
    let url = erp.http.url(&[
        "api",
        "millrace",
        "commerce",
        "v1.0",
        &company,
        "setupChecks",
    ]);
    match erp.http.get::<Rows>(url, Priority::Order).await {
        Ok(rows) => all_told(&rows),
        Err(failure) => vec![failed(CHECK, failure)],
    }
}

fn all_told(rows: &Rows) -> Vec<Finding> {
    if rows.value.is_empty() {
        let mend = "update the companion extension, and look again";
        return vec![Finding::wrong(
            CHECK,
            "the companion has looked at nothing",
            mend,
        )];
    }
    rows.value.iter().map(|row| told(row.get())).collect()
}

fn told(row: &str) -> Finding {
    let Ok(check) = serde_json::from_str::<SetupCheck>(row) else {
        let mend = "update Millrace or the companion extension";
        return Finding::wrong(CHECK, "the companion's answer has another shape", mend);
    };
    let name = format!("{CHECK}.{}", check.code.to_lowercase());
    match check.state.as_str() {
        "ok" => Finding::right(name, check.found),
        "wrong" => Finding::wrong(name, check.found, check.mend),
        _ => Finding::skipped(name, check.found),
    }
}

/// Items that cannot be sold because nobody said where to book them.
async fn posting_groups(erp: &BusinessCentral, tenant: &Tenant) -> Vec<Finding> {
    let company = format!("companies({})", tenant.company);
    let items = erp.http.url(&["api", "v2.0", &company, "items"]);
    let mut findings = Vec::new();
    for (name, field, only) in [
        ("general", "generalProductPostingGroupCode", None),
        ("inventory", "inventoryPostingGroupCode", Some("Inventory")),
    ] {
        let check = format!("{CHECK}.posting-groups.{name}");
        let mut query = Query::new().equal(field, &Value::text(""));
        if let Some(kind) = only {
            query = query.equal("type", &Value::text(kind));
        }
        let url = query
            .select("number")
            .option("$top", "20")
            .on(items.clone());
        findings.push(match erp.http.get::<Rows>(url, Priority::Order).await {
            Ok(rows) => without_group(check, name, &rows),
            Err(failure) => failed(check, failure),
        });
    }
    findings
}

#[derive(Deserialize)]
struct Numbered {
    number: String,
}

fn without_group(check: String, group: &str, rows: &Rows) -> Finding {
    let numbers = rows.value.iter().filter_map(|row| {
        let item: Numbered = serde_json::from_str(row.get()).ok()?;
        Some(item.number)
    });
    let numbers: Vec<String> = numbers.take(NAMED).collect();
    if numbers.is_empty() {
        return Finding::right(check, "every item has one");
    }
    let more = match rows.value.len() > numbers.len() {
        true => " and more",
        false => "",
    };
    let found = format!(
        "items {}{more} have no {group} posting group",
        numbers.join(", ")
    );
    let mend = "in Business Central, on each item card: Costs & Posting";
    Finding::wrong(check, found, mend)
}

fn by_hand() -> Finding {
    let found = "a standard tenant tells neither number series nor rounding: look at \"Sales & Receivables Setup\" by hand (Credit Memo Nos. \
                 for returns; Invoice Rounding off)";
    Finding::skipped(CHECK, found)
}

fn failed(check: impl Into<String>, failure: Failure) -> Finding {
    let found = match failure {
        Failure::Problem(problem) => said(&problem),
        Failure::Erp(error) => error.to_string(),
    };
    Finding::wrong(check, found, super::APPLICATIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_companion_that_looked_at_nothing_has_not_said_that_all_is_well() {
        let nothing: Rows = serde_json::from_str(r#"{"value":[]}"#).unwrap();
        assert!(all_told(&nothing)[0].is_wrong());
    }
}
