//! Webhooks: handshake, gathering, losses, retries, endings.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use millrace_erp_simulator::Config;
use millrace_erp_simulator::faults::{Kind, Rule};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::rig::{Rig, answer, order};

/// A subscriber that answers handshakes and keeps what it is told.
pub struct Subscriber {
    url: String,
    told: mpsc::UnboundedReceiver<Value>,
    status: Arc<AtomicU16>,
}

impl Subscriber {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!(
            "http://{}/hooks",
            listener.local_addr().expect("an address")
        );
        let (tell, told) = mpsc::unbounded_channel();
        let status = Arc::new(AtomicU16::new(200));
        let shared = status.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tell, status) = (tell.clone(), shared.clone());
                let service =
                    service_fn(move |request| receive(request, tell.clone(), status.clone()));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, told, status }
    }

    async fn next(&mut self) -> Vec<Value> {
        let body = tokio::time::timeout(Duration::from_secs(10), self.told.recv())
            .await
            .expect("in time")
            .expect("a notice");
        body["value"].as_array().cloned().unwrap_or_default()
    }

    fn nothing_yet(&mut self) -> bool {
        self.told.try_recv().is_err()
    }
}

async fn receive(
    request: Request<Incoming>,
    tell: mpsc::UnboundedSender<Value>,
    status: Arc<AtomicU16>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let token = request
        .uri()
        .query()
        .and_then(|query| query.strip_prefix("validationToken="))
        .map(str::to_owned);
    if let Some(token) = token {
        return Ok(Response::new(Full::new(Bytes::from(token))));
    }
    let body = request
        .into_body()
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    if let Ok(body) = serde_json::from_slice(&body) {
        let _ = tell.send(body);
    }
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() =
        hyper::StatusCode::from_u16(status.load(Ordering::SeqCst)).unwrap_or_default();
    Ok(response)
}

async fn rig() -> Rig {
    let webhook_retries = vec![Duration::from_millis(10); 5];
    Rig::with(Config {
        webhook_delay: Duration::from_millis(100),
        webhook_retries,
        ..Config::default()
    })
    .await
}

pub async fn subscribe(rig: &Rig, subscriber: &Subscriber, set: &str) -> Value {
    let api = if set == "changeEntries" {
        "millrace/commerce/v1.0"
    } else {
        "v2.0"
    };
    let url = format!("{}/api/{api}/subscriptions", rig.simulator.base_url());
    let resource = format!("/api/{api}/companies({})/{set}", rig.company);
    let body =
        json!({ "notificationUrl": subscriber.url, "resource": resource, "clientState": "secret" });
    let (status, made) = rig.post(&url, &body).await;
    assert_eq!(status, 201, "{made}");
    made
}

async fn change(rig: &Rig, number: &str) {
    rig.office("change-item", json!({ "number": number, "name": "Anders" }))
        .await;
}

async fn subscriptions(rig: &Rig) -> usize {
    rig.rows(&format!(
        "{}/api/v2.0/subscriptions",
        rig.simulator.base_url()
    ))
    .await
    .len()
}

#[tokio::test]
async fn a_change_is_told_once_without_contents_after_the_delay() {
    let rig = rig().await;
    let mut subscriber = Subscriber::start().await;
    let made = subscribe(&rig, &subscriber, "items").await;
    change(&rig, "1000").await;
    change(&rig, "1000").await;
    change(&rig, "1001").await;
    let notices = subscriber.next().await;
    assert_eq!(notices.len(), 2, "two records, whatever happened to them");
    assert_eq!(
        (&notices[0]["subscriptionId"], &notices[0]["changeType"]),
        (&made["subscriptionId"], &json!("updated"))
    );
    assert_eq!(notices[0]["clientState"], "secret");
    assert!(
        notices[0]["resource"]
            .as_str()
            .is_some_and(|resource| resource.contains("/items("))
    );
}

#[tokio::test]
async fn the_companions_change_queue_can_be_subscribed_to() {
    let rig = rig().await;
    let mut subscriber = Subscriber::start().await;
    subscribe(&rig, &subscriber, "changeEntries").await;
    let mut wanted = order("1");
    wanted["processNow"] = json!(true);
    rig.post(&rig.companion("orderBuffer"), &wanted).await;
    assert!(!subscriber.next().await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_subscribed_to_is_refused_and_so_is_an_address_that_does_not_answer() {
    let rig = rig().await;
    let subscriber = Subscriber::start().await;
    let url = format!("{}/api/v2.0/subscriptions", rig.simulator.base_url());
    let resource = |set: &str| format!("/api/v2.0/companies({})/{set}", rig.company);
    for (address, set) in [
        (subscriber.url.as_str(), "itemVariants"),
        ("http://127.0.0.1:1/hooks", "items"),
        ("nonsense", "items"),
    ] {
        let (status, error) = rig
            .post(
                &url,
                &json!({ "notificationUrl": address, "resource": resource(set) }),
            )
            .await;
        assert_eq!(
            (status, &error["error"]["code"]),
            (400, &json!("Application_DialogException"))
        );
    }
    subscribe(&rig, &subscriber, "items").await;
    let (status, _) = rig
        .post(
            &url,
            &json!({ "notificationUrl": subscriber.url, "resource": resource("items") }),
        )
        .await;
    assert_eq!(status, 409, "the same again");
    let runtime = format!(
        "{}/api/microsoft/runtime/beta/companies({})/webhookSupportedResources",
        rig.simulator.base_url(),
        rig.company
    );
    assert!(rig.rows(&runtime).await.len() > 10);
}

#[tokio::test]
async fn a_subscription_ends_after_three_days_unless_renewed() {
    let mut rig = rig().await;
    let subscriber = Subscriber::start().await;
    let made = subscribe(&rig, &subscriber, "items").await;
    let url = format!(
        "{}/api/v2.0/subscriptions('{}')",
        rig.simulator.base_url(),
        made["subscriptionId"].as_str().expect("an id")
    );
    rig.clock.advance(jiff::SignedDuration::from_hours(71));
    rig.token = rig.new_token().await;
    let renew = rig
        .request(Method::PATCH, &url)
        .header("if-match", "*")
        .json(&json!({ "notificationUrl": subscriber.url }));
    let (status, renewed) = answer(renew).await;
    assert_eq!(status, 200, "{renewed}");
    assert!(renewed["expirationDateTime"].as_str() > made["expirationDateTime"].as_str());
    let without_tag = rig
        .request(Method::PATCH, &url)
        .json(&json!({ "notificationUrl": subscriber.url }));
    assert_eq!(answer(without_tag).await.0, 400);
    rig.clock.advance(jiff::SignedDuration::from_hours(73));
    rig.token = rig.new_token().await;
    assert_eq!(subscriptions(&rig).await, 0);
}

#[tokio::test]
async fn a_busy_subscriber_is_told_again_and_one_that_refuses_is_dropped() {
    let rig = rig().await;
    let mut subscriber = Subscriber::start().await;
    subscribe(&rig, &subscriber, "items").await;
    subscriber.status.store(503, Ordering::SeqCst);
    change(&rig, "1000").await;
    let first = subscriber.next().await;
    subscriber.status.store(200, Ordering::SeqCst);
    assert_eq!(subscriber.next().await, first);
    subscriber.status.store(404, Ordering::SeqCst);
    change(&rig, "1001").await;
    subscriber.next().await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while subscriptions(&rig).await > 0 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the subscription is still there"
        );
    }
}

#[tokio::test]
async fn notices_are_lost_doubled_and_gathered_into_a_collection() {
    let rig = rig().await;
    let mut subscriber = Subscriber::start().await;
    subscribe(&rig, &subscriber, "items").await;
    rig.simulator.fault(Rule::new(Kind::WebhookLoss));
    change(&rig, "1000").await;
    while rig.simulator.fired("webhookLoss") == 0 {
        tokio::task::yield_now().await;
    }
    assert!(subscriber.nothing_yet());
    rig.simulator.fault(Rule::new(Kind::WebhookDouble));
    change(&rig, "1000").await;
    let doubled = subscriber.next().await;
    assert_eq!((doubled.len(), &doubled[0]), (2, &doubled[1]));
    rig.simulator.fault(Rule::new(Kind::WebhookCollection));
    change(&rig, "1000").await;
    change(&rig, "1001").await;
    let collection = subscriber.next().await;
    assert_eq!(
        (collection.len(), &collection[0]["changeType"]),
        (1, &json!("collection"))
    );
    assert!(
        collection[0]["resource"]
            .as_str()
            .is_some_and(|resource| resource.contains("$filter=lastModifiedDateTime"))
    );
}

#[tokio::test]
async fn a_subscription_can_expire_early_or_disappear() {
    let rig = rig().await;
    let subscriber = Subscriber::start().await;
    for kind in [Kind::WebhookExpiry, Kind::WebhookDelete] {
        subscribe(&rig, &subscriber, "items").await;
        rig.simulator.fault(Rule::new(kind));
        change(&rig, "1000").await;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
        while subscriptions(&rig).await > 0 {
            assert!(tokio::time::Instant::now() < deadline, "{kind:?}");
        }
    }
    subscribe(&rig, &subscriber, "items").await;
    rig.office("copy-environment", json!({})).await;
    assert_eq!(subscriptions(&rig).await, 0, "a copy has none");
}

#[tokio::test]
async fn more_than_a_thousand_records_are_told_as_a_collection() {
    let rig = rig().await;
    let mut subscriber = Subscriber::start().await;
    subscribe(&rig, &subscriber, "items").await;
    let items: Vec<Value> = (0..1001)
        .map(|nth| json!({ "number": format!("M{nth}") }))
        .collect();
    rig.simulator
        .load(&serde_json::from_value(json!({ "items": items })).expect("a company"))
        .await
        .expect("loaded");
    let notices = subscriber.next().await;
    assert_eq!(
        (notices.len(), &notices[0]["changeType"]),
        (1, &json!("collection"))
    );
}

#[tokio::test]
async fn a_late_notice_is_overtaken_by_the_next() {
    let rig = rig().await;
    let mut subscriber = Subscriber::start().await;
    subscribe(&rig, &subscriber, "items").await;
    let id = async |number: &str| {
        rig.rows(&rig.standard(&format!("items?$filter=number eq '{number}'")))
            .await[0]["id"]
            .clone()
    };
    let (first, second) = (id("1000").await, id("1001").await);
    rig.simulator
        .fault(Rule::new(Kind::WebhookDelay).delay(Duration::from_millis(800)));
    change(&rig, "1000").await;
    while rig.simulator.fired("webhookDelay") == 0 {
        tokio::task::yield_now().await;
    }
    change(&rig, "1001").await;
    for expected in [second, first] {
        let notice = subscriber.next().await;
        let resource = notice[0]["resource"].as_str().expect("a resource");
        assert!(
            resource.contains(expected.as_str().expect("an id")),
            "{resource}"
        );
    }
}
