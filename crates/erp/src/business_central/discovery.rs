//! What is there: which company, with or without the companion, and in which incarnation.

use millrace_values::Currency;
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use super::governor::Priority;
use super::http::Http;
use super::odata::{Query, Rows};
use super::problem::Failure;
use super::settings::Level;
use crate::{Capabilities, ErpError};

/// One company and how it is reached.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub company: Uuid,
    pub companion: Option<Companion>,
    /// Without the companion: Microsoft's own page of return reasons can be read.
    pub return_reasons: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Companion {
    pub version: String,
    pub capabilities: Vec<String>,
    pub local_currency: Currency,
}

/// What became of one order.
pub(crate) const ORDER_DOCUMENTS: &str = "orderDocuments";
/// Stores, transfer requests with their feed, requests to count.
pub(crate) const TRANSFERS: &str = "transferRequests";
/// Return orders with their feed.
pub(crate) const RETURNS: &str = "returnOrders";
pub(crate) const RETURN_REASONS: &str = "returnReasons";

impl Companion {
    pub fn has(&self, name: &str) -> bool {
        self.capabilities
            .iter()
            .any(|capability| capability == name)
    }
}

#[derive(Debug, Deserialize)]
struct Company {
    id: Uuid,
    name: String,
    #[serde(default, rename = "displayName")]
    display_name: String,
}

/// The companion's word about itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Info {
    pub version: String,
    pub capabilities: String,
    pub environment_id: Uuid,
    pub epoch: Uuid,
    pub boundary: i64,
    pub oldest_cursor: i64,
    pub local_currency_code: String,
}

/// `had_companion`: it was there before. Then it is being upgraded, not gone: falling back to the standard level would read
/// everything anew, twice.
pub(crate) async fn discover(
    http: &Http,
    wanted: &str,
    level: Level,
    had_companion: bool,
) -> Result<Tenant, ErpError> {
    let company = find_company(http, wanted).await?;
    let companion = match level {
        Level::Standard => None,
        Level::Auto | Level::Companion => find_companion(http, company).await?,
    };
    if level == Level::Companion && companion.is_none() {
        return Err(ErpError::Denied(
            "the companion extension is not installed".into(),
        ));
    }
    if companion.is_none() && had_companion {
        let reason = "the companion extension is not there for now".into();
        return Err(ErpError::Away {
            reason,
            retry_after: None,
        });
    }
    let return_reasons = companion.is_none() && has_return_reasons(http, company).await?;
    Ok(Tenant {
        company,
        companion,
        return_reasons,
    })
}

/// Of Microsoft's analytics API, which not every tenant has, and not everybody may read.
pub(crate) fn return_reasons(http: &Http, company: Uuid) -> Url {
    http.url(&[
        "api",
        "microsoft",
        "analytics",
        "v1.0",
        &format!("companies({company})"),
        "returnReasonCodes",
    ])
}

async fn has_return_reasons(http: &Http, company: Uuid) -> Result<bool, ErpError> {
    let url = Query::new()
        .option("$top", "1")
        .on(return_reasons(http, company));
    match http.get::<Rows>(url, Priority::Order).await {
        Ok(_) => Ok(true),
        Err(Failure::Problem(problem)) if matches!(problem.status, 400 | 401 | 403 | 404 | 405) => {
            Ok(false)
        }
        Err(failure) => Err(failure.into()),
    }
}

pub(crate) async fn find_company(http: &Http, wanted: &str) -> Result<Uuid, ErpError> {
    let rows: Rows = http
        .get(http.url(&["api", "v2.0", "companies"]), Priority::Order)
        .await
        .map_err(|failure| match failure {
            Failure::Problem(problem) if problem.is_not_found() => {
                ErpError::Denied("there is no such environment".into())
            }
            failure => failure.into(),
        })?;
    let companies: Vec<Company> = rows
        .value
        .iter()
        .map(|row| serde_json::from_str(row.get()))
        .collect::<Result<_, _>>()
        .map_err(|_| ErpError::Unreadable("a company has another shape".into()))?;
    if wanted.is_empty() {
        return match companies.as_slice() {
            [only] => Ok(only.id),
            _ => Err(ErpError::Denied(format!(
                "there are {} companies: name one",
                companies.len()
            ))),
        };
    }
    let id = Uuid::try_parse(wanted).ok();
    companies
        .iter()
        .find(|company| {
            id == Some(company.id)
                || company.name.to_lowercase() == wanted.to_lowercase()
                || company.display_name == wanted
        })
        .map(|company| company.id)
        .ok_or_else(|| ErpError::Denied(format!("there is no company {wanted:?}")))
}

pub(crate) async fn find_companion(
    http: &Http,
    company: Uuid,
) -> Result<Option<Companion>, ErpError> {
    let info = match info(http, company).await {
        Ok(info) => info,
        Err(Failure::Problem(problem)) if problem.is_not_found() => return Ok(None),
        Err(failure) => return Err(failure.into()),
    };
    // Version 1 is only ever extended; another first number is another API.
    if !info.version.starts_with("1.") {
        return Err(ErpError::Denied(format!(
            "version {} of the companion is not known here",
            info.version
        )));
    }
    Ok(Some(Companion {
        local_currency: Currency::parse(&info.local_currency_code)
            .map_err(|error| ErpError::Unreadable(error.to_string()))?,
        capabilities: info
            .capabilities
            .split(',')
            .map(|name| name.trim().to_owned())
            .collect(),
        version: info.version,
    }))
}

pub(crate) async fn info(http: &Http, company: Uuid) -> Result<Info, Failure> {
    let url = http.url(&[
        "api",
        "millrace",
        "commerce",
        "v1.0",
        &format!("companies({company})"),
        "companionInfo",
    ]);
    let rows: Rows = http.get(url, Priority::Order).await?;
    let row = rows
        .value
        .first()
        .ok_or_else(|| ErpError::Unreadable("the companion says nothing of itself".into()))?;
    let info = serde_json::from_str(row.get()).map_err(|_| {
        ErpError::Unreadable("the companion's word about itself has another shape".into())
    })?;
    Ok(info)
}

pub(crate) fn capabilities(tenant: &Tenant) -> Capabilities {
    let Some(companion) = &tenant.companion else {
        return Capabilities {
            description: "business central, standard (stock on hand only)".into(),
            change_queue: false,
            price_lists: false,
            stock_by_location: false,
            stock_allocated: false,
            live_stock: false,
            order_buffer: false,
            status_feed: false,
            transfer_requests: false,
            return_orders: false,
            return_reasons: tenant.return_reasons,
        };
    };
    let has = |name: &str| companion.has(name);
    Capabilities {
        description: format!("business central, companion {}", companion.version),
        change_queue: has("changes"),
        price_lists: has("prices"),
        stock_by_location: has("stock"),
        stock_allocated: has("stock"),
        live_stock: has("stockLookup"),
        order_buffer: has("orderBuffer"),
        status_feed: has("statusFeed"),
        transfer_requests: has(TRANSFERS),
        return_orders: has(RETURNS),
        return_reasons: has(RETURN_REASONS),
    }
}
