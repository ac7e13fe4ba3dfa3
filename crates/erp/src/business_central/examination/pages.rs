//! Every page that is read, asked for one row: whether it is there, and whether we may.

use millrace_service_kit::checkup::Finding;
use url::Url;

use super::{APPLICATIONS, api_is_off, said};
use crate::business_central::governor::Priority;
use crate::business_central::http::Http;
use crate::business_central::odata::{Query, Rows, Value};
use crate::business_central::problem::{Failure, Problem};
use crate::business_central::{BusinessCentral, Tenant, discovery};

/// Microsoft's own pages, on the standard level.
const STANDARD: [&str; 6] = [
    "items",
    "itemVariants",
    "itemLedgerEntries",
    "locations",
    "customers",
    "salesCreditMemos",
];

/// The companion's, by the capability they belong to.
const COMPANION: [(&str, &str); 17] = [
    ("changes", "changeEntries"),
    ("items", "items"),
    ("items", "itemVariants"),
    ("prices", "priceLines"),
    ("stock", "stockFigures"),
    ("customers", "customers"),
    ("orderBuffer", "orderBuffer"),
    ("statusFeed", "statusWindows(0)"),
    (discovery::ORDER_DOCUMENTS, "orderDocuments"),
    (discovery::TRANSFERS, "storeLocations"),
    (discovery::TRANSFERS, "transferRequests"),
    (discovery::TRANSFERS, "transferStatusWindows(0)"),
    (discovery::TRANSFERS, "countRequests"),
    (discovery::RETURN_REASONS, "returnReasons"),
    (discovery::RETURNS, "returnOrders"),
    (discovery::RETURNS, "returnStatusWindows(0)"),
    ("changes", "changeWindows(0)"),
];

pub(super) async fn examine(erp: &BusinessCentral, tenant: &Tenant, findings: &mut Vec<Finding>) {
    let company = format!("companies({})", tenant.company);
    let standard = |page: &str| erp.http.url(&["api", "v2.0", &company, page]);
    let mut pages: Vec<(String, Url)> = Vec::new();
    match &tenant.companion {
        Some(companion) => {
            let own = COMPANION.iter().filter(|(name, _)| companion.has(name));
            pages.extend(own.map(|(_, page)| {
                let url = ["api", "millrace", "commerce", "v1.0", &company, page];
                ((*page).to_owned(), erp.http.url(&url))
            }));
            pages.push(("locations".to_owned(), standard("locations")));
        }
        None => {
            let own = STANDARD
                .iter()
                .map(|page| ((*page).to_owned(), standard(page)));
            pages.extend(own);
        }
    }
    for (page, url) in pages {
        let name = page.trim_end_matches("(0)");
        findings.push(page_of(&erp.http, name, url).await);
    }
    if tenant.companion.is_none() {
        findings.push(reasons(&erp.http, tenant).await);
    }
    if erp.settings.webhooks.public_address.is_some() {
        let url = erp.http.url(&["api", "v2.0", "subscriptions"]);
        findings.push(page_of(&erp.http, "subscriptions", url).await);
    }
}

async fn page_of(http: &Http, page: &str, url: Url) -> Finding {
    let check = format!("erp.page.{page}");
    match one_row(http, url).await {
        Ok(()) => Finding::right(check, "can be read"),
        Err(Failure::Problem(problem)) => refused(check, &problem),
        Err(Failure::Erp(error)) => Finding::wrong(
            check,
            error.to_string(),
            "see whether Business Central runs, and try again",
        ),
    }
}

async fn one_row(http: &Http, url: Url) -> Result<(), Failure> {
    let query = match url.path() {
        // A window is one record, not a collection.
        path if path.ends_with(')') => Query::new(),
        // It tells of one order alone, here of one that there is not.
        path if path.ends_with(discovery::ORDER_DOCUMENTS) => Query::new()
            .equal("channelCode", &Value::text("-"))
            .equal("orderNumber", &Value::text("-")),
        _ => Query::new().option("$top", "1"),
    };
    let url = query.on(url);
    http.get::<serde::de::IgnoredAny>(url, Priority::Order)
        .await
        .map(drop)
}

fn refused(check: String, problem: &Problem) -> Finding {
    match problem.status {
        404 => Finding::wrong(
            check,
            "there is no such page",
            "update the companion extension; for one of Microsoft's own pages, Business Central",
        ),
        405 => api_is_off(check),
        429 | 502..=504 => Finding::wrong(
            check,
            said(problem),
            "Business Central is busy or away: try again",
        ),
        // Missing permissions are answered with any of 400, 401, 403 and 500.
        _ => Finding::wrong(check, said(problem), APPLICATIONS),
    }
}

/// Of Microsoft's analytics API: not every tenant has it.
async fn reasons(http: &Http, tenant: &Tenant) -> Finding {
    const CHECK: &str = "erp.page.returnReasonCodes";
    let url = Query::new()
        .option("$top", "1")
        .on(discovery::return_reasons(http, tenant.company));
    match http.get::<Rows>(url, Priority::Order).await {
        Ok(_) => Finding::right(CHECK, "can be read"),
        Err(_) => Finding::skipped(
            CHECK,
            "return reasons cannot be read here: list them in [[returns.reasons]]",
        ),
    }
}
