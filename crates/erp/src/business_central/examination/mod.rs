//! Whether Business Central is as it has to be: asked step by step, so that each trouble gets its own name and mend. Nothing is
//! written.

mod cursors;
mod pages;
mod setup;

use std::time::Duration;

use jiff::Timestamp;
use millrace_service_kit::checkup::Finding;
use uuid::Uuid;

use super::discovery::{self, Companion, RETURN_REASONS, RETURNS, TRANSFERS};
use super::governor::Priority;
use super::http::Call;
use super::problem::{Failure, Problem};
use super::settings::Level;
use super::{BusinessCentral, Tenant};
use crate::ErpError;

/// Further apart than this, stamps of the two clocks cannot be compared.
const SKEW: Duration = Duration::from_secs(10);

/// Where people let an application in.
const APPLICATIONS: &str = "in Business Central, page \"Microsoft Entra Applications\": enter erp.client_id, set State to Enabled and \
                            give it the permission sets it needs (never SUPER)";

/// What a companion may be able to do, and what is not offered without it.
const CAPABILITIES: [(&str, &str); 12] = [
    ("changes", "following changes"),
    ("items", "items"),
    ("prices", "price lists"),
    ("stock", "stock per variant and location"),
    ("stockLookup", "live stock"),
    ("customers", "new customers"),
    ("orderBuffer", "orders"),
    ("statusFeed", "the status of orders"),
    (
        discovery::ORDER_DOCUMENTS,
        "asking for an order's documents",
    ),
    (TRANSFERS, "reservations"),
    (RETURN_REASONS, "return reasons"),
    (RETURNS, "returns"),
];

impl BusinessCentral {
    /// Whether it can be reached with our credentials, has the company and the companion, and tells our time.
    pub async fn examine(&self, findings: &mut Vec<Finding>) {
        self.find_tenant(findings).await;
    }

    /// The same, and whether everything else is there that going live needs: permissions page by page, number series, posting
    /// groups and the rest of the setup.
    pub async fn examine_setup(&self, findings: &mut Vec<Finding>) {
        if let Some(tenant) = self.find_tenant(findings).await {
            pages::examine(self, &tenant, findings).await;
            findings.push(not_tried());
            findings.extend(setup::examine(self, &tenant).await);
        }
    }

    async fn find_tenant(&self, findings: &mut Vec<Finding>) -> Option<Tenant> {
        let companies = self.http.url(&["api", "v2.0", "companies"]);
        let asked = Call::get(companies, Priority::Order);
        let answer = match self.http.send(&asked).await {
            Ok(answer) => answer,
            Err(failure) => {
                findings.push(not_let_in(failure));
                return None;
            }
        };
        findings.push(Finding::right("erp.sign-in", "business central lets us in"));
        findings.push(clock(answer.date, self.clock.now()));
        let company = self.find_company(findings).await?;
        let companion = self.find_companion(company, findings).await?;
        Some(Tenant {
            company,
            return_reasons: companion.is_none(),
            companion,
        })
    }

    async fn find_company(&self, findings: &mut Vec<Finding>) -> Option<Uuid> {
        const CHECK: &str = "erp.company";
        match discovery::find_company(&self.http, &self.settings.company).await {
            Ok(company) => {
                findings.push(Finding::right(CHECK, format!("it is company {company}")));
                Some(company)
            }
            Err(error) => {
                let mend = "erp.company: the name or id of a company of this environment";
                findings.push(Finding::wrong(CHECK, error.to_string(), mend));
                None
            }
        }
    }

    /// `None`: what level there is cannot be told.
    async fn find_companion(
        &self,
        company: Uuid,
        findings: &mut Vec<Finding>,
    ) -> Option<Option<Companion>> {
        const CHECK: &str = "erp.companion";
        if self.settings.level == Level::Standard {
            self.examine_standard("erp.level is \"standard\"", findings);
            return Some(None);
        }
        match discovery::find_companion(&self.http, company).await {
            Ok(Some(companion)) => {
                findings.push(capable(&companion));
                Some(Some(companion))
            }
            Ok(None) if self.settings.level == Level::Companion => {
                let found = "the companion extension is not installed";
                let mend = "install it, or set erp.level = \"standard\"";
                findings.push(Finding::wrong(CHECK, found, mend));
                None
            }
            Ok(None) => {
                self.examine_standard("the companion extension is not installed", findings);
                Some(None)
            }
            Err(error) => {
                let mend = "give the application the companion's permission set; where the version is unknown, update Millrace";
                findings.push(Finding::wrong(CHECK, error.to_string(), mend));
                None
            }
        }
    }

    /// What nobody tells on the standard level has to stand in the settings.
    fn examine_standard(&self, why: &str, findings: &mut Vec<Finding>) {
        let found =
            format!("{why}: stock on hand only, no price lists, orders, reservations or documents");
        findings.push(Finding::right("erp.companion", found));
        let settings = &self.settings;
        for (key, is_set, example) in [
            ("local_currency", settings.local_currency.is_some(), "EUR"),
            (
                "default_location",
                settings.default_location.is_some(),
                "MAIN",
            ),
        ] {
            if !is_set {
                let found = format!("a standard tenant does not tell it, and erp.{key} is not set");
                let mend = format!("erp.{key} = \"{example}\" or what is right here");
                findings.push(Finding::wrong(format!("erp.{key}"), found, mend));
            }
        }
    }
}

fn capable(companion: &Companion) -> Finding {
    const CHECK: &str = "erp.companion";
    let version = &companion.version;
    let lacking = CAPABILITIES
        .iter()
        .filter(|(name, _)| !companion.has(name))
        .map(|(name, what)| format!("{name} ({what})"));
    let lacking: Vec<String> = lacking.collect();
    if lacking.is_empty() {
        return Finding::right(CHECK, format!("version {version}, with everything"));
    }
    let found = format!("version {version} lacks {}", lacking.join(", "));
    Finding::wrong(CHECK, found, "update the companion extension")
}

fn clock(theirs: Option<Timestamp>, ours: Timestamp) -> Finding {
    const CHECK: &str = "erp.clock";
    let Some(theirs) = theirs else {
        return Finding::skipped(CHECK, "business central did not say its time");
    };
    let apart = ours.duration_since(theirs).unsigned_abs();
    if apart <= SKEW {
        return Finding::right(CHECK, "tells the same time as this machine");
    }
    let found = format!("is {} s apart from this machine's", apart.as_secs());
    Finding::wrong(CHECK, found, "let this machine follow a time server (NTP)")
}

/// Why the very first question was not answered.
fn not_let_in(failure: Failure) -> Finding {
    let problem = match failure {
        Failure::Problem(problem) => problem,
        Failure::Erp(ErpError::Denied(reason)) => {
            let mend = "erp.tenant, erp.client_id and erp.client_secret: those of an application registered in Microsoft Entra, whose \
                        secret has not expired";
            return Finding::wrong("erp.sign-in", reason, mend);
        }
        Failure::Erp(error) => {
            let mend = "erp.address and erp.sign_in_address; let this host through to them (proxy, firewall, network policy)";
            return Finding::wrong("erp.reachable", error.to_string(), mend);
        }
    };
    match problem.status {
        401 | 403 => Finding::wrong("erp.sign-in", said(&problem), APPLICATIONS),
        404 => Finding::wrong(
            "erp.environment",
            "there is no such environment",
            "erp.address, erp.tenant and erp.environment",
        ),
        405 => api_is_off("erp.api"),
        _ => Finding::wrong(
            "erp.api",
            said(&problem),
            "ask whoever runs Business Central",
        ),
    }
}

fn api_is_off(check: impl Into<String>) -> Finding {
    let mend = "switch the API services on in the settings of the Business Central server (ApiServicesEnabled) and restart it";
    Finding::wrong(check, "the api is switched off in business central", mend)
}

/// Only the first document shows whether documents may be made: nothing is written to find out.
fn not_tried() -> Finding {
    let found = "reading alone was tried. Whether customers, orders, credit memos and the rest may be made and changed (Insert and Modify \
                 permissions) was not";
    Finding::skipped("erp.writing", found)
}

/// Business Central's own words: they name tables and pages.
fn said(problem: &Problem) -> String {
    let Problem {
        status,
        code,
        message,
        ..
    } = problem;
    let message = message.split("CorrelationId").next().unwrap_or_default();
    let mut said = format!("business central says {status} {code}");
    if !message.trim().is_empty() {
        said = format!("{said}: {}", message.trim());
    }
    said
}
