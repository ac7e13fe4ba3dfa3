//! What goes wrong on the way: overload, outages, tokens, settings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millrace_erp::business_central::Level;
use millrace_erp::{Erp, ErpError, Flow};
use millrace_erp_simulator::faults::{Kind, Rule};
use millrace_erp_simulator::{Budget, Config};

use crate::mirror::{Mirror, assert_equal};
use crate::world::{World, adapter, settings, world, world_with};

#[tokio::test]
async fn throttling_slows_a_read_and_does_not_spoil_it() {
    let world = world().await;
    world
        .simulator
        .fault(Rule::new(Kind::Throttle).on("GET", "items").retry_after(1));
    world
        .simulator
        .fault(Rule::new(Kind::Throttle).on("GET", "itemVariants").times(2));
    let mut mirror = Mirror::default();
    mirror.catch_up_all(&*world.erp).await;
    assert_equal(&mirror, &world.simulator);
    assert_eq!(world.simulator.fired("throttle"), 3);
    assert_eq!(world.erp.usage().throttled, 3);
}

/// BC's window is five minutes long, so it may ask for more than a minute.
#[tokio::test]
async fn a_long_pause_is_left_to_the_reader_and_nothing_is_sent_meanwhile() {
    let world = world().await;
    world.erp.capabilities().await.unwrap();
    world
        .simulator
        .fault(Rule::new(Kind::Throttle).retry_after(280));
    let told = async || match world.erp.read(Flow::Items, None).await.unwrap_err() {
        ErpError::Away {
            retry_after: Some(wait),
            ..
        } => wait,
        error => panic!("{error:?}"),
    };
    let first = told().await;
    assert!(first >= Duration::from_secs(280), "{first:?}");
    let started = world.erp.usage().started;
    let second = told().await;
    assert!(second > Duration::from_secs(270), "{second:?}");
    assert_eq!(world.erp.usage().started, started);
}

#[tokio::test]
async fn no_more_than_five_requests_are_under_way_so_nobody_is_throttled() {
    let config = Config {
        queued: 0,
        ..Config::default()
    };
    let world = world_with(config, |_| {}).await;
    let mut mirrors = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let erp = world.erp.clone();
        mirrors.spawn(async move {
            let mut mirror = Mirror::default();
            mirror.catch_up_all(&*erp).await;
            mirror.facts.items.len()
        });
    }
    assert!(mirrors.join_all().await.iter().all(|items| *items >= 40));
    assert_eq!(world.erp.usage().throttled, 0);
}

/// Somebody else uses the same principal, or the settings are wrong: reads become slow, never wrong.
#[tokio::test]
async fn a_budget_smaller_than_we_think_only_slows() {
    let budget = Budget {
        requests: 20,
        window: Duration::from_secs(1),
    };
    let world = world_with(
        Config {
            budget,
            ..Config::default()
        },
        |_| {},
    )
    .await;
    let mut mirror = Mirror::default();
    mirror.catch_up_all(&*world.erp).await;
    assert_equal(&mirror, &world.simulator);
    assert!(world.erp.usage().throttled > 0);
}

#[tokio::test]
async fn a_short_outage_is_not_even_noticed() {
    let world = world().await;
    world
        .simulator
        .fault(Rule::new(Kind::Unavailable).on("GET", "items").times(2));
    world
        .simulator
        .fault(Rule::new(Kind::LostAnswer).on("GET", "itemVariants"));
    world
        .simulator
        .fault(Rule::new(Kind::GatewayTimeout).on("GET", "priceLines"));
    let mut mirror = Mirror::default();
    for flow in [Flow::Items, Flow::Prices] {
        while mirror.step(&*world.erp, flow).await.unwrap() {}
    }
    assert_eq!(world.simulator.fired("unavailable"), 2);
    assert_eq!(world.simulator.fired("lostAnswer"), 1);
}

#[tokio::test]
async fn a_longer_outage_is_told_and_healed() {
    let world = world().await;
    world
        .simulator
        .fault(Rule::new(Kind::Unavailable).on("GET", "companion").times(0));
    let error = world.erp.read(Flow::Items, None).await.unwrap_err();
    assert!(matches!(error, ErpError::Away { .. }), "{error}");
    world.simulator.clear_faults();
    let mut mirror = Mirror::default();
    mirror.catch_up_all(&*world.erp).await;
    assert_equal(&mirror, &world.simulator);
}

#[tokio::test]
async fn an_outage_that_says_how_long_is_left_to_the_reader() {
    let world = world().await;
    world.simulator.fault(
        Rule::new(Kind::Unavailable)
            .on("GET", "companion")
            .retry_after(30),
    );
    let error = world.erp.read(Flow::Items, None).await.unwrap_err();
    assert!(
        matches!(error, ErpError::Away { retry_after: Some(wait), .. } if wait == Duration::from_secs(30)),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_token_that_ends_early_is_renewed_without_a_word() {
    let world = world().await;
    let mut mirror = Mirror::default();
    world
        .simulator
        .fault(Rule::new(Kind::TokenExpired).on("GET", "items").times(3));
    mirror.catch_up_all(&*world.erp).await;
    assert_equal(&mirror, &world.simulator);
    assert_eq!(world.simulator.fired("tokenExpired"), 3);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let config = Config {
        token_lifetime: Duration::from_secs(1),
        ..Config::default()
    };
    let world = world_with(config, |_| {}).await;
    let began = tokio::time::Instant::now();
    while began.elapsed() < Duration::from_millis(2500) {
        world.erp.read(Flow::Items, None).await.unwrap();
    }
}

#[tokio::test]
async fn a_refused_client_is_denied_without_a_storm_and_let_in_again() {
    let world = world().await;
    world
        .simulator
        .fault(Rule::new(Kind::TokenRefused).times(0));
    for _ in 0..50 {
        let error = world.erp.read(Flow::Items, None).await.unwrap_err();
        assert!(matches!(error, ErpError::Denied(_)), "{error}");
    }
    assert!(world.simulator.fired("tokenRefused") <= 2);
    world.simulator.clear_faults();
    let mut mirror = Mirror::default();
    mirror.catch_up(&*world.erp, Flow::Customers).await;
}

#[tokio::test]
async fn a_wrong_secret_an_unknown_company_and_no_server_each_say_what_is_wrong() {
    let world = world().await;
    let mut wrong = settings(&world.simulator);
    wrong.client_secret = millrace_service_kit::Secret::new("wrong");
    let error = adapter(wrong).capabilities().await.unwrap_err();
    assert!(
        matches!(&error, ErpError::Denied(why) if why.contains("token endpoint")),
        "{error}"
    );

    let mut wrong = settings(&world.simulator);
    wrong.company = "Nobody Ltd".into();
    let error = adapter(wrong).capabilities().await.unwrap_err();
    assert!(
        matches!(&error, ErpError::Denied(why) if why.contains("Nobody Ltd")),
        "{error}"
    );

    let mut wrong = settings(&world.simulator);
    wrong.address = "http://127.0.0.1:9/v2.0".into();
    let error = adapter(wrong).capabilities().await.unwrap_err();
    assert!(matches!(error, ErpError::Away { .. }), "{error}");
}

#[tokio::test]
async fn an_answer_larger_than_the_limit_is_not_taken() {
    let world = world_with(Config::default(), |settings| {
        settings.limits.answer = "4KiB".parse().unwrap();
        settings.reading.page_size = 1000;
    })
    .await;
    let error = world.erp.read(Flow::Items, None).await.unwrap_err();
    assert!(matches!(error, ErpError::Unreadable(_)), "{error}");
}

#[tokio::test]
async fn settings_that_cannot_be_meant_name_their_key() {
    let world = world().await;
    let mut wrong = settings(&world.simulator);
    wrong.address = "ftp://somewhere".into();
    let connect = |settings| {
        millrace_erp::business_central::BusinessCentral::connect(
            settings,
            std::sync::Arc::new(millrace_service_kit::SystemClock),
            millrace_service_kit::Ids::random(),
        )
        .unwrap_err()
    };
    assert_eq!(connect(wrong).key, "address");
    let mut wrong = settings(&world.simulator);
    wrong.level = millrace_erp::business_central::Level::Standard;
    wrong.default_location = None;
    assert_eq!(connect(wrong).key, "default_location");
}

#[tokio::test]
async fn the_metrics_say_what_is_left_of_the_budget() {
    let world = world().await;
    let metrics = millrace_service_kit::metrics::Metrics::default();
    world.erp.show(&metrics);
    world.erp.read(Flow::Customers, None).await.unwrap();
    let left = 6000 - world.erp.usage().started;
    let text = metrics.text();
    assert!(
        text.contains(&format!("millrace_erp_requests_left {left}")),
        "{text}"
    );
    assert!(text.contains("millrace_erp_throttled_total 0"), "{text}");
}

/// Rows 109 and 111: which company is a matter of settings.
#[tokio::test]
async fn a_company_is_found_by_its_name_or_its_id() {
    let world = world().await;
    let id = world.simulator.company_id().to_string();
    let mut by_id = settings(&world.simulator);
    by_id.company = id;
    adapter(by_id).capabilities().await.unwrap();
    let client = reqwest::Client::new();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "millrace-demo"),
        ("client_secret", "millrace-demo"),
        ("scope", "https://api.businesscentral.dynamics.com/.default"),
    ];
    let token: serde_json::Value = client
        .post(world.simulator.token_url())
        .form(&form)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let companies: serde_json::Value = client
        .get(format!("{}/api/v2.0/companies", world.simulator.base_url()))
        .bearer_auth(token["access_token"].as_str().unwrap())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let mut by_name = settings(&world.simulator);
    by_name.company = companies["value"][0]["name"]
        .as_str()
        .unwrap()
        .to_uppercase();
    adapter(by_name).capabilities().await.unwrap();
}

#[tokio::test]
async fn who_insists_on_the_companion_is_told_that_it_is_not_there() {
    let config = Config {
        companion: false,
        ..Config::default()
    };
    let world = world_with(config, |settings| settings.level = Level::Companion).await;
    let error = world.erp.capabilities().await.unwrap_err();
    assert!(
        matches!(&error, ErpError::Denied(why) if why.contains("not installed")),
        "{error}"
    );
    let mut auto = settings(&world.simulator);
    auto.level = Level::Auto;
    let capabilities = adapter(auto).capabilities().await.unwrap();
    assert!(
        capabilities
            .description
            .starts_with("business central, standard"),
        "{}",
        capabilities.description
    );
}

/// An extension that is being upgraded is away for a while; nothing falls back to the other level meanwhile, and an order is
/// not taken for refused.
#[tokio::test]
async fn a_companion_that_vanishes_for_a_while_is_waited_for() {
    let world = world().await;
    let upgrading = Arc::new(AtomicBool::new(false));
    let mut through = settings(&world.simulator);
    through.address = format!("{}/v2.0", front_of(&world, upgrading.clone()).await);
    through.level = Level::Auto;
    let erp = adapter(through);
    let mut mirror = Mirror::default();
    mirror.catch_up(&*erp, Flow::Items).await;
    upgrading.store(true, Ordering::Relaxed);
    let cursor = mirror.cursor(Flow::Items);
    let error = erp.read(Flow::Items, cursor.as_ref()).await.unwrap_err();
    assert!(matches!(error, ErpError::Away { .. }), "{error}");
    let channel = millrace_values::ChannelCode::parse("furniture-de").unwrap();
    let number = millrace_values::OrderNumber::parse("1").unwrap();
    let error = erp.find_order(&channel, &number).await.unwrap_err();
    assert!(matches!(error, ErpError::Away { .. }), "{error}");
    upgrading.store(false, Ordering::Relaxed);
    mirror.catch_up(&*erp, Flow::Items).await;
    assert_eq!(mirror.resyncs, 0);
}

/// A front of the simulator, behind which the companion's pages vanish while the switch is on.
async fn front_of(world: &World, upgrading: Arc<AtomicBool>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = format!("http://{}", listener.local_addr().unwrap());
    let (behind, own) = (world.simulator.url(), front.clone());
    let client = reqwest::Client::new();
    let pass = move |request: axum::extract::Request| {
        let (behind, own, client, upgrading) = (
            behind.clone(),
            own.clone(),
            client.clone(),
            upgrading.clone(),
        );
        async move {
            let path = request.uri().path_and_query().unwrap().to_string();
            if upgrading.load(Ordering::Relaxed) && path.contains("/millrace/commerce/") {
                return (axum::http::StatusCode::NOT_FOUND, String::new());
            }
            let headers = request.headers().clone();
            let answer = client
                .get(format!("{behind}{path}"))
                .headers(headers)
                .send()
                .await
                .unwrap();
            let status = answer.status();
            // Links lead to the front, as they would behind a gateway.
            (status, answer.text().await.unwrap().replace(&behind, &own))
        }
    };
    let routes = axum::Router::new().fallback(pass);
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    front
}
