//! The `subscriptions` entity of both APIs: made with a handshake, renewed with another, gone after three days.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::database::{Stamp, Subscription};
use crate::http::Call;
use crate::http::answer::Answer;
use crate::numbers::{guid, instant};
use crate::odata::etag;
use crate::refusal::Refusal;
use crate::simulator::World;

/// Entity sets of the standard API that can be subscribed to, as Microsoft lists them.
pub const STANDARD: &[&str] = &[
    "items",
    "customers",
    "salesOrders",
    "salesInvoices",
    "salesCreditMemos",
    "itemCategories",
    "unitsOfMeasure",
    "currencies",
    "countriesRegions",
    "paymentTerms",
    "paymentMethods",
    "shipmentMethods",
    "taxGroups",
];

/// Most subscriptions of an environment.
const MOST: usize = 200;

/// Answers a call to `subscriptions` or `subscriptions({id})`.
pub(crate) async fn serve(
    world: &Arc<World>,
    call: &Call,
    key: Option<&str>,
) -> Result<Answer, Refusal> {
    let id = key.map(parse_id).transpose()?;
    match (call.method.as_str(), id) {
        ("GET", None) => Ok(list(world, call)),
        ("GET", Some(id)) => one(world, call, id, 200),
        ("POST", None) => create(world, call).await,
        ("PATCH", Some(id)) => renew(world, call, id).await,
        ("DELETE", Some(id)) => {
            check_etag(world, call, id)?;
            remove(world, id).await;
            Ok(Answer::empty(204))
        }
        _ => Err(Refusal::method_not_allowed("subscriptions")),
    }
}

/// Removes a subscription, whoever decided it.
pub(crate) async fn remove(world: &Arc<World>, id: Uuid) {
    let removed = world.write("webhooks", None, |tx| {
        tx.delete::<Subscription>(id);
        Ok(())
    });
    if let Err(refusal) = removed.await {
        tracing::warn!(%refusal, "a subscription could not be removed");
    }
}

fn parse_id(key: &str) -> Result<Uuid, Refusal> {
    key.parse().map_err(|_| Refusal::not_found("subscription"))
}

fn list(world: &Arc<World>, call: &Call) -> Answer {
    let now = world.now();
    let rows: Vec<Value> = world.read(|tables, _| {
        tables
            .subscriptions
            .iter()
            .filter(|row| row.expires_at > now)
            .map(|row| Value::Object(render(row)))
            .collect()
    });
    Answer::json(
        200,
        &json!({ "@odata.context": format!("{}/$metadata#subscriptions", call.base), "value": rows }),
    )
}

fn one(world: &Arc<World>, call: &Call, id: Uuid, status: u16) -> Result<Answer, Refusal> {
    world.read(|tables, _| {
        let row = tables
            .subscriptions
            .get(id)
            .ok_or_else(|| Refusal::not_found("subscription"))?;
        let mut record = render(row);
        record.insert(
            "@odata.context".to_owned(),
            Value::from(format!("{}/$metadata#subscriptions/$entity", call.base)),
        );
        Ok(Answer::json(status, &Value::Object(record)))
    })
}

fn render(row: &Subscription) -> Map<String, Value> {
    let value = json!({
        "@odata.etag": etag(row.stamp.version),
        "subscriptionId": row.id.simple().to_string(),
        "notificationUrl": row.notification_url,
        "resource": row.resource,
        "timestamp": row.stamp.version,
        "userId": guid(Uuid::nil()),
        "lastModifiedDateTime": instant(row.stamp.modified_at),
        "clientState": row.client_state,
        "expirationDateTime": instant(row.expires_at),
        "systemCreatedAt": instant(row.stamp.created_at),
        "systemCreatedBy": guid(Uuid::nil()),
        "systemModifiedAt": instant(row.stamp.modified_at),
        "systemModifiedBy": guid(Uuid::nil()),
    });
    match value {
        Value::Object(record) => record,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

async fn create(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    let body = call.json()?;
    for name in body.keys() {
        if !["notificationUrl", "resource", "clientState"].contains(&name.as_str()) {
            return Err(Refusal::no_such_property(name, "subscriptions"));
        }
    }
    let text = |name: &str| {
        body.get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (url, resource, client_state) = (
        text("notificationUrl"),
        text("resource"),
        text("clientState"),
    );
    if client_state.chars().count() > 2048 {
        return Err(Refusal::bad_request(
            "clientState is longer than 2048 characters.",
        ));
    }
    let resource = check_resource(world, call, &resource)?;
    let count = world.read(|tables, _| tables.subscriptions.len());
    if count >= MOST {
        return Err(Refusal::business(format!(
            "The maximum number of {MOST} subscriptions has been reached."
        )));
    }
    shake_hands(world, &url).await?;
    let lifetime = SignedDuration::try_from(world.config.subscription_lifetime)
        .unwrap_or(SignedDuration::from_hours(72));
    let id = world
        .write(&call.client, call.hold, |tx| {
            let now = tx.now();
            let stale: Vec<Uuid> = tx
                .tables()
                .subscriptions
                .iter()
                .filter(|row| row.expires_at <= now)
                .map(|row| row.id)
                .collect();
            for id in stale {
                tx.delete::<Subscription>(id);
            }
            if tx
                .tables()
                .subscriptions
                .by_key(&format!("{url} {resource}"))
                .is_some()
            {
                return Err(Refusal::same_key("API Webhook Subscription", &resource));
            }
            let row = Subscription {
                id: tx.new_id(),
                stamp: Stamp::default(),
                notification_url: url.clone(),
                resource: resource.clone(),
                client_state: client_state.clone(),
                expires_at: now + lifetime,
            };
            Ok(tx.put(row).id)
        })
        .await?;
    one(world, call, id, 201)
}

async fn renew(world: &Arc<World>, call: &Call, id: Uuid) -> Result<Answer, Refusal> {
    check_etag(world, call, id)?;
    let body = call.json()?;
    let known = world
        .read(|tables, _| tables.subscriptions.get(id).cloned())
        .ok_or_else(|| Refusal::not_found("subscription"))?;
    let text = |name: &str, old: &str| {
        body.get(name)
            .and_then(Value::as_str)
            .unwrap_or(old)
            .to_owned()
    };
    let url = text("notificationUrl", &known.notification_url);
    let client_state = text("clientState", &known.client_state);
    shake_hands(world, &url).await?;
    let lifetime = SignedDuration::try_from(world.config.subscription_lifetime)
        .unwrap_or(SignedDuration::from_hours(72));
    world
        .write(&call.client, call.hold, |tx| {
            let renewed = Subscription {
                notification_url: url.clone(),
                client_state: client_state.clone(),
                expires_at: tx.now() + lifetime,
                ..(*known).clone()
            };
            tx.put(renewed);
            Ok(())
        })
        .await?;
    one(world, call, id, 200)
}

fn check_etag(world: &Arc<World>, call: &Call, id: Uuid) -> Result<(), Refusal> {
    let now = world.now();
    let row = world.read(|tables, _| tables.subscriptions.get(id).cloned());
    let row = row
        .filter(|row| row.expires_at > now)
        .ok_or_else(|| Refusal::not_found("subscription"))?;
    crate::entities::check_etag(world, call, row.stamp.version)
}

/// The resource without a trailing slash; refused when nobody is told about it.
fn check_resource(world: &World, call: &Call, resource: &str) -> Result<String, Refusal> {
    let company = world.read(|_, marks| marks.company);
    let api = call.base.split_once("/api/").map_or("", |(_, api)| api);
    // Some callers name the whole address.
    let path = resource
        .split_once("/api/")
        .map_or(resource, |(_, path)| path)
        .trim_start_matches("api/")
        .trim_matches('/');
    let rest = path
        .strip_prefix(api)
        .map(|rest| rest.trim_start_matches('/'));
    let set = rest.and_then(|rest| rest.strip_prefix(&format!("companies({company})/")));
    let known = match set {
        Some("changeEntries") => api != "v2.0",
        Some(set) => api == "v2.0" && STANDARD.contains(&set),
        None => false,
    };
    if !known {
        return Err(Refusal::business(format!(
            "The resource '{resource}' does not support webhooks."
        )));
    }
    Ok(format!("/api/{path}"))
}

/// BC calls the address with a token and wants it back.
async fn shake_hands(world: &World, url: &str) -> Result<(), Refusal> {
    let refused = |why: String| {
        Refusal::business(format!(
            "The notification URL did not answer the validation request: {why}."
        ))
    };
    let mut target: url::Url = url
        .parse()
        .map_err(|_| refused("it is no address".to_owned()))?;
    let token = world.ids.uuid_at(world.now()).to_string();
    target
        .query_pairs_mut()
        .append_pair("validationToken", &token);
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap_or_default();
    let answer = client
        .post(target)
        .timeout(Duration::from_secs(5))
        .send()
        .await
        .map_err(|error| refused(error.to_string()))?;
    let status = answer.status().as_u16();
    let body = answer.text().await.unwrap_or_default();
    if status != 200 || body.trim() != token {
        return Err(refused(format!("status {status}")));
    }
    Ok(())
}
