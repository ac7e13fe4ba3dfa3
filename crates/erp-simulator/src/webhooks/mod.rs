//! Webhooks: changes are gathered for a while, told without contents, retried, and now and then lost.
//!
//! As in BC a notification is a hint: several changes of one record are one, many records are a `collection`, an answer that
//! is neither success nor a passing failure deletes the subscription, and after three days it expires.

pub mod subscriptions;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use crate::database::{AnyRow, DocumentKind, Subscription, Written};
use crate::faults::{Kind, Occasion};
use crate::numbers::{instant, instant_text};
use crate::simulator::World;

/// More records than this are told as one collection.
const MOST_SINGLE: usize = 1000;

#[derive(Debug, Default)]
pub struct Webhooks {
    gathered: Mutex<Gathered>,
    changed: Notify,
}

/// Changes since the first one that was not told, by entity set.
#[derive(Debug, Default)]
struct Gathered {
    since: Option<Instant>,
    sets: BTreeMap<&'static str, BTreeMap<Uuid, (&'static str, Timestamp)>>,
}

impl Webhooks {
    /// Remembers what a commit changed; cheap when nobody subscribed.
    pub(crate) fn note(&self, world: &World, written: &Written) {
        if written.is_empty() || world.read(|tables, _| tables.subscriptions.is_empty()) {
            return;
        }
        let mut gathered = self.gathered.lock().expect("no holder of this lock panics");
        for (before, after) in written {
            let Some(row) = after.as_ref().or(before.as_ref()) else {
                continue;
            };
            let Some(set) = set_of(row) else { continue };
            let change = match (before, after) {
                (None, _) => "created",
                (Some(_), Some(_)) => "updated",
                (Some(_), None) => "deleted",
            };
            let records = gathered.sets.entry(set).or_default();
            let first = records.get(&row.id()).map(|(first, _)| *first);
            // A record that was created and then changed before anybody was told is still new.
            let change = if first == Some("created") && change == "updated" {
                "created"
            } else {
                change
            };
            records.insert(row.id(), (change, world.now()));
        }
        if !gathered.sets.is_empty() && gathered.since.is_none() {
            gathered.since = Some(Instant::now());
            self.changed.notify_one();
        }
    }

    fn due(&self) -> Option<Instant> {
        self.gathered
            .lock()
            .expect("no holder of this lock panics")
            .since
    }

    fn take(&self) -> BTreeMap<&'static str, BTreeMap<Uuid, (&'static str, Timestamp)>> {
        std::mem::take(&mut *self.gathered.lock().expect("no holder of this lock panics")).sets
    }
}

/// The entity set whose subscribers a row concerns. Only what BC can tell about.
fn set_of(row: &AnyRow) -> Option<&'static str> {
    match row {
        AnyRow::Item(_) => Some("items"),
        AnyRow::Customer(_) => Some("customers"),
        AnyRow::QueueEntry(_) => Some("changeEntries"),
        AnyRow::Document(document) => match document.kind {
            DocumentKind::Order => Some("salesOrders"),
            DocumentKind::Invoice => Some("salesInvoices"),
            DocumentKind::CreditMemo => Some("salesCreditMemos"),
            DocumentKind::Shipment => None,
        },
        AnyRow::Record(record) => subscriptions::STANDARD
            .iter()
            .find(|set| **set == record.set)
            .copied(),
        AnyRow::Variant(_)
        | AnyRow::PriceLine(_)
        | AnyRow::Figure(_)
        | AnyRow::LedgerEntry(_)
        | AnyRow::BufferEntry(_)
        | AnyRow::StatusEntry(_)
        | AnyRow::Subscription(_)
        | AnyRow::Picture(_)
        | AnyRow::TransferRequest(_)
        | AnyRow::TransferStatus(_)
        | AnyRow::CountRequest(_)
        | AnyRow::ReturnOrder(_)
        | AnyRow::ReturnStatus(_) => None,
    }
}

/// Sends what was gathered when its time has come, until the shutdown.
pub(crate) async fn run(world: Arc<World>) {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap_or_default();
    loop {
        let Some(since) = world.webhooks.due() else {
            tokio::select! {
                () = world.webhooks.changed.notified() => continue,
                () = world.shutdown.cancelled() => return,
            }
        };
        tokio::select! {
            () = tokio::time::sleep_until(since + world.config.webhook_delay) => {}
            () = world.shutdown.cancelled() => return,
        }
        let changes = world.webhooks.take();
        for (url, notifications) in notifications(&world, &changes).await {
            let (world, client) = (world.clone(), client.clone());
            world
                .clone()
                .tasks
                .spawn(async move { deliver(&world, &client, &url, notifications).await });
        }
    }
}

struct Notification {
    delay: Duration,
    subscription: Uuid,
    body: Value,
}

/// By address; several subscriptions share a call.
async fn notifications(
    world: &Arc<World>,
    changes: &BTreeMap<&'static str, BTreeMap<Uuid, (&'static str, Timestamp)>>,
) -> HashMap<String, Vec<Notification>> {
    let now = world.now();
    let subscriptions: Vec<Arc<Subscription>> =
        world.read(|tables, _| tables.subscriptions.iter().cloned().collect());
    let mut calls: HashMap<String, Vec<Notification>> = HashMap::new();
    for subscription in subscriptions {
        let Some((_, set)) = subscription.resource.rsplit_once('/') else {
            continue;
        };
        let Some(records) = changes.get(set) else {
            continue;
        };
        let occasion = Occasion {
            method: "POST",
            path: &subscription.resource,
            client: "",
        };
        let gone = world
            .faults
            .take(&[Kind::WebhookExpiry, Kind::WebhookDelete], &occasion)
            .is_some();
        if gone || subscription.expires_at <= now {
            subscriptions::remove(world, subscription.id).await;
            continue;
        }
        if world.faults.take(&[Kind::WebhookLoss], &occasion).is_some() {
            continue;
        }
        let collection = records.len() > MOST_SINGLE
            || world
                .faults
                .take(&[Kind::WebhookCollection], &occasion)
                .is_some();
        let bodies = if collection {
            vec![collection_of(&subscription, records)]
        } else {
            singles(&subscription, records)
        };
        let times = if world
            .faults
            .take(&[Kind::WebhookDouble], &occasion)
            .is_some()
        {
            2
        } else {
            1
        };
        let call = calls
            .entry(subscription.notification_url.clone())
            .or_default();
        let delayed = world.faults.take(&[Kind::WebhookDelay], &occasion);
        let delay = delayed.map_or(Duration::ZERO, |rule| rule.delay);
        for _ in 0..times {
            call.extend(bodies.iter().map(|body| Notification {
                delay,
                subscription: subscription.id,
                body: body.clone(),
            }));
        }
    }
    calls
}

fn singles(
    subscription: &Subscription,
    records: &BTreeMap<Uuid, (&'static str, Timestamp)>,
) -> Vec<Value> {
    let single = |(id, (change, at)): (&Uuid, &(&'static str, Timestamp))| {
        json!({
            "subscriptionId": subscription.id.simple().to_string(),
            "clientState": subscription.client_state,
            "expirationDateTime": instant(subscription.expires_at),
            "resource": format!("{}({id})", subscription.resource.trim_start_matches('/')),
            "changeType": change,
            "lastModifiedDateTime": instant(*at),
        })
    };
    records.iter().map(single).collect()
}

fn collection_of(
    subscription: &Subscription,
    records: &BTreeMap<Uuid, (&'static str, Timestamp)>,
) -> Value {
    let first = records
        .values()
        .map(|(_, at)| *at)
        .min()
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let last = records
        .values()
        .map(|(_, at)| *at)
        .max()
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let resource = subscription.resource.trim_start_matches('/');
    json!({
        "subscriptionId": subscription.id.simple().to_string(),
        "clientState": subscription.client_state,
        "expirationDateTime": instant(subscription.expires_at),
        "resource": format!("{resource}?$filter=lastModifiedDateTime%20gt%20{}", instant_text(first)),
        "changeType": "collection",
        "lastModifiedDateTime": instant(last),
    })
}

/// Tries, and tries again after passing failures; anything else ends the subscription.
async fn deliver(
    world: &Arc<World>,
    client: &reqwest::Client,
    url: &str,
    notifications: Vec<Notification>,
) {
    let body = json!({ "value": notifications.iter().map(|notification| &notification.body).collect::<Vec<_>>() });
    let delay = notifications
        .iter()
        .map(|notification| notification.delay)
        .max();
    world.pause(delay.unwrap_or_default()).await;
    let mut waits = world.config.webhook_retries.iter();
    loop {
        let outcome = client
            .post(url)
            .timeout(Duration::from_secs(30))
            .json(&body)
            .send()
            .await;
        let status = outcome.as_ref().map(|response| response.status().as_u16());
        match status {
            Ok(200..=299) => return,
            Ok(408 | 429 | 500..=599) | Err(_) => {}
            Ok(status) => {
                tracing::info!(status, "a subscriber refused: its subscription is deleted");
                for notification in &notifications {
                    subscriptions::remove(world, notification.subscription).await;
                }
                return;
            }
        }
        let Some(wait) = waits.next() else { return };
        world.pause(*wait).await;
        if world.shutdown.is_cancelled() {
            return;
        }
    }
}
