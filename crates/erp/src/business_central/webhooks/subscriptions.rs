//! Keeping subscriptions alive: made when missing (BC deletes them on any refusal, on a copy of the environment, and after
//! three days), renewed before they end. After each one that had to be made, the flows are hinted at: what happened while
//! nobody told us has to be looked for.

use std::time::Duration;

use jiff::SignedDuration;
use millrace_service_kit::Shutdown;
use millrace_service_kit::retry::Backoff;
use millrace_values::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use tracing::{info, warn};
use url::Url;
use uuid::Uuid;

use super::flows_of;
use crate::ErpError;
use crate::business_central::BusinessCentral;
use crate::business_central::governor::Priority;
use crate::business_central::http::Call;
use crate::business_central::odata::Rows;
use crate::business_central::problem::Failure;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscription {
    #[serde(rename = "@odata.etag")]
    etag: String,
    subscription_id: String,
    notification_url: String,
    resource: String,
    #[serde(default)]
    client_state: String,
    expiration_date_time: String,
}

/// Where a subscription is kept, and what it is for.
struct Wanted {
    api: &'static [&'static str],
    resource: String,
}

impl BusinessCentral {
    /// What our notifications carry: known to us and to BC alone, the same after a restart and on every pod.
    pub(crate) fn client_state(&self) -> &str {
        &self.client_state
    }

    /// Keeps the subscriptions alive until `shutdown`. Returns at once where no public address is set. Trouble is told to
    /// the log once per change of state; the poll goes on meanwhile, so nothing is lost.
    pub async fn webhooks(&self, shutdown: Shutdown) {
        let Some(address) = self.settings.webhooks.public_address.clone() else {
            return;
        };
        let mut backoff = Backoff::new(
            Duration::from_secs(1),
            self.settings.webhooks.check_interval,
            self.ids.clone(),
        );
        let mut in_trouble = false;
        loop {
            let checked = tokio::select! {
                checked = self.check_subscriptions(&address) => checked,
                () = shutdown.cancelled() => return,
            };
            let pause = match checked {
                Ok(()) => {
                    in_trouble = false;
                    backoff.succeeded();
                    self.settings.webhooks.check_interval
                }
                Err(error) => {
                    if !in_trouble {
                        warn!(erp = %self.settings.code, error = &error as &dyn std::error::Error, "webhooks cannot be subscribed");
                    }
                    in_trouble = true;
                    backoff.next_delay()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// One look: makes what is missing, renews what ends soon.
    ///
    /// # Errors
    /// BC could not be asked, or refused.
    pub async fn check_subscriptions(&self, address: &str) -> Result<(), ErpError> {
        let tenant = self.tenant().await?;
        let wanted = wanted(tenant.company, tenant.companion.is_some());
        for wanted in wanted {
            let set = self.http.url(&[wanted.api, &["subscriptions"]].concat());
            let rows: Rows = self.http.get(set.clone(), Priority::Follow).await?;
            let found = rows
                .value
                .iter()
                .filter_map(|raw| serde_json::from_str::<Subscription>(raw.get()).ok())
                .find(|subscription| {
                    subscription.notification_url == address
                        && is_for(subscription, &wanted.resource)
                });
            match found {
                Some(subscription)
                    if !self.ends_soon(&subscription)
                        && subscription.client_state == self.client_state() => {}
                Some(subscription) => self.renew(set, &subscription, address, &wanted).await?,
                None => self.subscribe(set, address, &wanted).await?,
            }
        }
        Ok(())
    }

    fn ends_soon(&self, subscription: &Subscription) -> bool {
        let renew_before = SignedDuration::try_from(self.settings.webhooks.renew_before)
            .unwrap_or(SignedDuration::MAX);
        let Ok(ends) = Timestamp::parse(&subscription.expiration_date_time) else {
            return true;
        };
        ends.0.duration_since(self.clock.now()) <= renew_before
    }

    async fn subscribe(&self, set: Url, address: &str, wanted: &Wanted) -> Result<(), ErpError> {
        self.http
            .send(&Call::post(
                set,
                Priority::Follow,
                self.body(address, wanted),
            ))
            .await?;
        info!(erp = %self.settings.code, resource = wanted.resource, "webhook subscribed");
        self.hints.give(flows_of(&wanted.resource));
        Ok(())
    }

    /// BC repeats the handshake on a renewal, and wants the whole body and the etag.
    async fn renew(
        &self,
        mut set: Url,
        subscription: &Subscription,
        address: &str,
        wanted: &Wanted,
    ) -> Result<(), ErpError> {
        if let Ok(mut path) = set.path_segments_mut() {
            path.pop().push(&format!(
                "subscriptions('{}')",
                subscription.subscription_id
            ));
        }
        let call = Call {
            method: Method::PATCH,
            if_match: Some(subscription.etag.clone()),
            ..Call::post(set, Priority::Follow, self.body(address, wanted))
        };
        match self.http.send(&call).await {
            Ok(_) => {
                info!(erp = %self.settings.code, resource = wanted.resource, "webhook renewed");
                Ok(())
            }
            // Another pod was quicker, or BC deleted it meanwhile: the next look, soon, sees what is there.
            Err(Failure::Problem(problem)) if problem.is_stale() || problem.is_not_found() => {
                Err(ErpError::Away {
                    reason: "the subscription changed meanwhile".into(),
                    retry_after: None,
                })
            }
            Err(failure) => Err(failure.into()),
        }
    }

    fn body(&self, address: &str, wanted: &Wanted) -> String {
        json!({ "notificationUrl": address, "resource": wanted.resource, "clientState": self.client_state() }).to_string()
    }
}

/// From the secret that only we and Microsoft know, so that it survives restarts and nobody can guess it.
pub(crate) fn client_state(code: &str, client_id: &str, secret: &str) -> String {
    let mut hash = Sha256::new();
    for part in ["millrace webhook", code, client_id, secret] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn wanted(company: Uuid, companion: bool) -> Vec<Wanted> {
    if companion {
        let resource = format!("/api/millrace/commerce/v1.0/companies({company})/changeEntries");
        return vec![Wanted {
            api: &["api", "millrace", "commerce", "v1.0"],
            resource,
        }];
    }
    ["items", "customers", "salesOrders", "salesCreditMemos"]
        .into_iter()
        .map(|set| Wanted {
            api: &["api", "v2.0"],
            resource: format!("/api/v2.0/companies({company})/{set}"),
        })
        .collect()
}

/// BC gives resources back with or without the slash in front, and in its own case.
fn is_for(subscription: &Subscription, resource: &str) -> bool {
    subscription
        .resource
        .trim_matches('/')
        .eq_ignore_ascii_case(resource.trim_matches('/'))
}
