//! Webhooks: hints that shorten the wait, and nothing that may be relied upon.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use millrace_erp::business_central::BusinessCentral;
use millrace_erp::business_central::webhooks::{Receiver, receiver};
use millrace_erp::{Erp, Flow};
use millrace_erp_simulator::faults::{Kind, Rule};
use millrace_erp_simulator::{Config, Simulator};
use millrace_service_kit::Shutdown;
use serde_json::json;
use tokio::net::TcpListener;

use crate::mirror::{Mirror, assert_equal};
use crate::standard_returns::write_by_hand;
use crate::world::{World, adapter, eventually, settings, world_with};

struct Hooked {
    world: World,
    erp: Arc<BusinessCentral>,
    receiver: Arc<Receiver>,
    address: String,
    shutdown: Shutdown,
}

/// An adapter whose listener Business Central can reach; subscriptions are checked every 50 ms.
async fn hooked(renew_before: Duration) -> Hooked {
    hooked_with(Config::default(), renew_before).await
}

async fn hooked_with(config: Config, renew_before: Duration) -> Hooked {
    let world = world_with(config, |_| {}).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/hooks", listener.local_addr().unwrap());
    let mut settings = settings(&world.simulator);
    settings.webhooks.public_address = Some(address.clone());
    settings.webhooks.check_interval = Duration::from_millis(50);
    settings.webhooks.renew_before = renew_before;
    let erp = adapter(settings);
    let (routes, receiver) = receiver(vec![erp.clone()]);
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let shutdown = Shutdown::new();
    let mut subscribed = erp.hints(Flow::Items);
    tokio::spawn({
        let (erp, shutdown) = (erp.clone(), shutdown.clone());
        async move { erp.webhooks(shutdown).await }
    });
    // A new subscription is a reason to look.
    tokio::time::timeout(Duration::from_secs(10), subscribed.changed())
        .await
        .expect("the webhook is subscribed")
        .unwrap();
    Hooked {
        world,
        erp,
        receiver,
        address,
        shutdown,
    }
}

fn subscriptions(simulator: &Simulator) -> usize {
    simulator.read(|tables| tables.subscriptions.len())
}

impl Hooked {
    async fn change(&self, name: &str) {
        let number = self
            .world
            .simulator
            .read(|tables| tables.items.iter().next().unwrap().number.clone());
        self.world
            .simulator
            .office("change-item", json!({ "number": number, "name": name }))
            .await
            .unwrap();
    }

    /// Changes something and waits for the hint.
    async fn hinted(&self, name: &str) {
        let mut hints = self.erp.hints(Flow::Items);
        hints.borrow_and_update();
        self.change(name).await;
        tokio::time::timeout(Duration::from_secs(10), hints.changed())
            .await
            .expect("a hint comes")
            .unwrap();
    }
}

#[tokio::test]
async fn a_change_in_the_erp_is_hinted_at() {
    let hooked = hooked(Duration::from_secs(3600)).await;
    hooked.hinted("hinted").await;
    let mut mirror = Mirror::default();
    mirror.catch_up_all(&*hooked.erp).await;
    assert_equal(&mirror, &hooked.world.simulator);
    hooked.shutdown.cancel();
}

#[tokio::test]
async fn doubled_and_gathered_notifications_are_hints_like_any_other() {
    let hooked = hooked(Duration::from_secs(3600)).await;
    hooked.world.simulator.fault(Rule::new(Kind::WebhookDouble));
    hooked.hinted("doubled").await;
    hooked
        .world
        .simulator
        .fault(Rule::new(Kind::WebhookCollection));
    hooked.hinted("gathered").await;
    assert_eq!(hooked.world.simulator.fired("webhookDouble"), 1);
    assert_eq!(hooked.world.simulator.fired("webhookCollection"), 1);
}

#[tokio::test]
async fn a_lost_notification_loses_nothing() {
    let hooked = hooked(Duration::from_secs(3600)).await;
    let mut mirror = Mirror::default();
    mirror.catch_up_all(&*hooked.erp).await;
    hooked
        .world
        .simulator
        .fault(Rule::new(Kind::WebhookLoss).times(0));
    hooked.change("not told").await;
    eventually("the notification is lost", async || {
        hooked.world.simulator.fired("webhookLoss") > 0
    })
    .await;
    mirror.catch_up_all(&*hooked.erp).await;
    assert_equal(&mirror, &hooked.world.simulator);
}

#[tokio::test]
async fn a_subscription_that_expired_or_was_deleted_is_made_again() {
    let hooked = hooked(Duration::from_secs(3600)).await;
    for kind in [Kind::WebhookExpiry, Kind::WebhookDelete] {
        let mut hints = hooked.erp.hints(Flow::Customers);
        hints.borrow_and_update();
        hooked.world.simulator.fault(Rule::new(kind));
        hooked.change("unheard").await;
        // Made again, and hinted at: what happened meanwhile was told to nobody.
        tokio::time::timeout(Duration::from_secs(10), hints.changed())
            .await
            .expect("a hint comes")
            .unwrap();
        eventually("it is there again", async || {
            subscriptions(&hooked.world.simulator) == 1
        })
        .await;
    }
    hooked.hinted("heard again").await;
}

#[tokio::test]
async fn a_subscription_is_renewed_before_it_ends() {
    let hooked = hooked(Duration::from_secs(30 * 24 * 3600)).await;
    let version = |simulator: &Simulator| {
        simulator.read(|tables| {
            tables
                .subscriptions
                .iter()
                .next()
                .map(|row| (row.id, row.stamp.version))
        })
    };
    let (id, before) = version(&hooked.world.simulator).unwrap();
    eventually("it is renewed", async || {
        version(&hooked.world.simulator).is_some_and(|(same, after)| same == id && after > before)
    })
    .await;
    hooked.hinted("still heard").await;
}

#[tokio::test]
async fn a_second_process_takes_the_subscription_that_is_there() {
    let hooked = hooked(Duration::from_secs(3600)).await;
    let mut settings = settings(&hooked.world.simulator);
    settings.webhooks.public_address = Some(hooked.address.clone());
    adapter(settings)
        .check_subscriptions(&hooked.address)
        .await
        .unwrap();
    assert_eq!(subscriptions(&hooked.world.simulator), 1);
}

#[tokio::test]
async fn strangers_are_ignored_and_never_refused() {
    let hooked = hooked(Duration::from_secs(3600)).await;
    let mut hints = hooked.erp.hints(Flow::Items);
    hints.borrow_and_update();
    let taken = hooked.receiver.taken.load(Ordering::Relaxed);
    let client = reqwest::Client::new();
    let foreign = json!({ "value": [{ "clientState": "guess", "resource": "companies(x)/items(y)", "changeType": "updated" }] });
    let bodies = [
        foreign.to_string(),
        "not json".into(),
        String::new(),
        "x".repeat(2 * 1024 * 1024),
        "[[[".repeat(10_000),
    ];
    for body in bodies {
        let answer = client
            .post(&hooked.address)
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
    }
    for method in ["GET", "PUT", "DELETE"] {
        let address = hooked.address.replace("/hooks", "/anything/else");
        let answer = client
            .request(method.parse().unwrap(), address)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{method}");
    }
    assert!(!hints.has_changed().unwrap());
    assert_eq!(hooked.receiver.taken.load(Ordering::Relaxed), taken);
    assert!(hooked.receiver.ignored.load(Ordering::Relaxed) >= 5);
}

#[tokio::test]
async fn a_handshake_is_answered_with_its_token_as_plain_text() {
    let hooked = hooked(Duration::from_secs(3600)).await;
    let address = format!("{}?validationToken=%3Cscript%3E1%20%2B%202", hooked.address);
    let answer = reqwest::Client::new().post(address).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(
        answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert_eq!(answer.text().await.unwrap(), "<script>1 + 2");
}

/// Two pods renew at the same moment: one of them finds the etag stale, and both go on.
#[tokio::test]
async fn pods_that_renew_at_once_do_not_disturb_each_other() {
    let hooked = hooked(Duration::from_secs(30 * 24 * 3600)).await;
    let mut others = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let mut settings = settings(&hooked.world.simulator);
        settings.webhooks.renew_before = Duration::from_secs(30 * 24 * 3600);
        let (other, address) = (adapter(settings), hooked.address.clone());
        others.spawn(async move {
            for _ in 0..5 {
                match other.check_subscriptions(&address).await {
                    Ok(()) => {}
                    Err(error) => assert!(error.is_transient(), "{error}"),
                }
            }
        });
    }
    others.join_all().await;
    assert_eq!(subscriptions(&hooked.world.simulator), 1);
    hooked.hinted("still heard").await;
}

/// BC says 409 where its documents say 412: both mean that another pod was quicker, and the next look sees what is there.
#[tokio::test]
async fn an_etag_that_is_stale_is_not_an_error_of_ours_whichever_way_it_is_told() {
    let hooked = hooked(Duration::from_secs(3600)).await;
    hooked.shutdown.cancel();
    let simulator = &hooked.world.simulator;
    let mut own = settings(simulator);
    own.webhooks.renew_before = Duration::from_secs(30 * 24 * 3600);
    let (quick, late) = (adapter(own.clone()), adapter(own));
    late.capabilities().await.unwrap();
    let mut told = Vec::new();
    for precondition_failed in [false, true] {
        if precondition_failed {
            simulator.fault(Rule::new(Kind::StaleEtag412));
        }
        // The late one has seen the etag, and its answer is on the way while the quick one renews.
        let seen = simulator.fired("slowAnswer");
        let slow = Rule::new(Kind::SlowAnswer)
            .on("GET", "subscriptions")
            .delay(Duration::from_millis(700));
        simulator.fault(slow);
        let checked = tokio::spawn({
            let (late, address) = (late.clone(), hooked.address.clone());
            async move { late.check_subscriptions(&address).await }
        });
        eventually("the late one looks", async || {
            simulator.fired("slowAnswer") > seen
        })
        .await;
        quick.check_subscriptions(&hooked.address).await.unwrap();
        let error = checked.await.unwrap().unwrap_err();
        assert!(error.is_transient(), "{error}");
        told.push(error.to_string());
        late.check_subscriptions(&hooked.address).await.unwrap();
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(simulator.fired("staleEtag412"), 1);
    assert_eq!(subscriptions(simulator), 1);
}

/// A standard tenant tells of items, customers and orders; what depends on them is looked at too.
#[tokio::test]
async fn a_standard_tenant_hints_as_far_as_it_can() {
    let config = Config {
        companion: false,
        ..Config::default()
    };
    let hooked = hooked_with(config, Duration::from_secs(3600)).await;
    eventually("four webhooks are subscribed", async || {
        subscriptions(&hooked.world.simulator) == 4
    })
    .await;
    let mut customers = hooked.erp.hints(Flow::Customers);
    let mut prices = hooked.erp.hints(Flow::Prices);
    customers.borrow_and_update();
    prices.borrow_and_update();
    hooked.hinted("an item").await;
    assert!(prices.has_changed().unwrap());
    let number = hooked
        .world
        .simulator
        .read(|tables| tables.customers.iter().next().unwrap().number.clone());
    hooked
        .world
        .simulator
        .office("change-customer", json!({ "number": number, "name": "x" }))
        .await
        .unwrap();
    tokio::time::timeout(Duration::from_secs(10), customers.changed())
        .await
        .expect("a hint comes")
        .unwrap();
    let mut returns = hooked.erp.hints(Flow::Returns);
    returns.borrow_and_update();
    write_by_hand(&hooked.world, &json!({ "customerNumber": number })).await;
    tokio::time::timeout(Duration::from_secs(10), returns.changed())
        .await
        .expect("a hint comes")
        .unwrap();
}
