//! Tokens, requests at once, budgets.

use std::time::Duration;

use millrace_erp_simulator::faults::{Kind, Rule, When};
use millrace_erp_simulator::{Budget, Config};
use serde_json::json;

use crate::rig::{Rig, answer};

#[tokio::test]
async fn nobody_is_served_without_a_token_and_no_token_is_given_for_a_wrong_secret() {
    let mut rig = Rig::start().await;
    let form = |secret: &str, scope: &str| {
        [
            ("grant_type", "client_credentials"),
            ("client_id", "millrace-demo"),
            ("client_secret", secret),
            ("scope", scope),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let scope = "https://api.businesscentral.dynamics.com/.default";
    let url = rig.simulator.token_url();
    assert_eq!(
        answer(rig.http.post(&url).form(&form("wrong", scope)))
            .await
            .0,
        401
    );
    assert_eq!(
        answer(rig.http.post(&url).form(&form("millrace-demo", "else")))
            .await
            .0,
        400
    );
    rig.simulator.fault(Rule::new(Kind::TokenRefused));
    assert_eq!(
        answer(rig.http.post(&url).form(&form("millrace-demo", scope)))
            .await
            .0,
        401
    );
    let (status, token) = answer(rig.http.post(&url).form(&form("millrace-demo", scope))).await;
    assert_eq!((status, &token["expires_in"]), (200, &json!(3599)));
    rig.token = "nonsense".to_owned();
    assert_eq!(rig.get(&rig.standard("items")).await.0, 401);
}

#[tokio::test]
async fn more_requests_than_the_budget_are_refused() {
    let budget = Budget {
        requests: 3,
        window: Duration::from_secs(300),
    };
    let rig = Rig::with(Config {
        budget,
        ..Config::default()
    })
    .await;
    let url = rig.standard("items?$top=1");
    for expected in [200, 200, 200, 429, 429] {
        assert_eq!(rig.get(&url).await.0, expected);
    }
}

#[tokio::test]
async fn requests_wait_for_their_turn_and_are_refused_when_the_queue_is_full() {
    let rig = Rig::with(Config {
        at_once: 2,
        queued: 1,
        ..Config::default()
    })
    .await;
    let slow = Rule::new(Kind::SlowAnswer)
        .when(When::Before)
        .delay(Duration::from_millis(300))
        .times(0);
    rig.simulator.fault(slow);
    let url = rig.standard("items?$top=1");
    let (a, b, c, d) = tokio::join!(rig.get(&url), rig.get(&url), rig.get(&url), rig.get(&url));
    let mut statuses = [a.0, b.0, c.0, d.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 429]);
}

#[tokio::test]
async fn a_request_that_waits_too_long_for_its_turn_is_answered_503() {
    let queue_limit = Duration::from_millis(100);
    let rig = Rig::with(Config {
        at_once: 1,
        queue_limit,
        ..Config::default()
    })
    .await;
    rig.simulator.fault(
        Rule::new(Kind::SlowAnswer)
            .when(When::Before)
            .delay(Duration::from_secs(1)),
    );
    let url = rig.standard("items?$top=1");
    let (a, b) = tokio::join!(rig.get(&url), rig.get(&url));
    let mut statuses = [a.0, b.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503]);
}

#[tokio::test]
async fn a_tenant_without_the_companion_does_not_know_its_api() {
    let rig = Rig::with(Config {
        companion: false,
        ..Config::default()
    })
    .await;
    assert_eq!(rig.get(&rig.companion("items")).await.0, 404);
    assert_eq!(rig.get(&rig.standard("items")).await.0, 200);
}
