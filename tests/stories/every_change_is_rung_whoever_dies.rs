//! A shop with a doorbell is told every change, in order, whoever is killed meanwhile; what it hears twice it can tell by its id.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use millrace_contract::changes::v1::change_feed_service_client::ChangeFeedServiceClient;
use millrace_contract::changes::v1::doorbell_service_client::DoorbellServiceClient;
use millrace_contract::changes::v1::start::At;
use millrace_contract::changes::v1::{OpenChannelRequest, PullRequest, Start};
use millrace_test_rig::until;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::Request;

use crate::world::{CHANNEL, OPERATOR_TOKEN, PATIENCE, Plan, World};

/// Where the shop is rung.
struct Door {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    /// While true, the shop has heard a ring and keeps its answer to itself.
    silent: watch::Sender<bool>,
}

#[derive(Debug, Clone, PartialEq)]
struct Heard {
    id: String,
    position: u64,
    body: Value,
}

#[derive(Clone)]
struct Ear {
    heard: Arc<Mutex<Vec<Heard>>>,
    silent: watch::Receiver<bool>,
}

impl Door {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (silent, listening) = watch::channel(false);
        let heard = Arc::<Mutex<Vec<Heard>>>::default();
        let ear = Ear {
            heard: heard.clone(),
            silent: listening,
        };
        let router = Router::new().fallback(hear).with_state(ear);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            heard,
            silent,
        }
    }

    fn settings(&self) -> String {
        format!(
            r#"
[[shop_delivery.channels]]
channel = "{CHANNEL}"
[[shop_delivery.channels.doorbells]]
name = "shop"
url = "http://{}/"
kinds = ["items"]
secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
allow_internal = ["127.0.0.1"]
timeout = "1m"
"#,
            self.address
        )
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits for a ring beyond the first `count`.
    async fn hears_more_than(&self, count: usize) {
        until(PATIENCE, "the shop is rung", async || {
            (self.heard().len() > count).then_some(())
        })
        .await;
    }
}

async fn hear(State(mut ear): State<Ear>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let body: Value = serde_json::from_slice(&body).unwrap();
    ear.heard.lock().unwrap().push(Heard {
        id: headers["webhook-id"].to_str().unwrap().to_owned(),
        position: body["data"]["position"].as_u64().unwrap(),
        body,
    });
    // The shop may die first: then nobody waits for the answer.
    let _ = ear.silent.wait_for(|silent| !silent).await;
    StatusCode::NO_CONTENT
}

/// Rows 97, 126 and 133.
#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_rung_in_order_though_the_process_is_killed_in_between() {
    let door = Door::open().await;
    let plan = Plan {
        more_settings: door.settings(),
        ..Plan::default()
    };
    rings_on(World::in_one_process(plan).await, &door, "all").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_rung_on_postgres_and_kafka_too() {
    let door = Door::open().await;
    let plan = Plan {
        more_settings: door.settings(),
        ..Plan::default()
    };
    let postgres = millrace_test_rig::postgres().await;
    let postgres = postgres.create_database("doorbells").await.unwrap();
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let mut world = World::prepared(plan, &postgres, &bootstrap).await;
    world.add_services(&["catalog-sync", "shop-delivery"]);
    world.ready().await;
    rings_on(world, &door, "shop-delivery").await;
}

async fn rings_on(mut world: World, door: &Door, victim: &str) {
    until(PATIENCE, "the first load is in the feed", async || {
        let items = positions(&world, 0).await;
        (items.len() >= 30).then_some(())
    })
    .await;
    assert!(door.heard().is_empty(), "the first load is silent");
    let opened = open(&world).await;
    for round in 0..4 {
        for item in ["1503", "1700", "1701"] {
            rename(&world, item, round).await;
        }
        // Rung and not answered: nobody but the shop knows that it was.
        let before = door.heard().len();
        door.silent.send_replace(true);
        rename(&world, "1702", round).await;
        door.hears_more_than(before).await;
        world.kill(victim);
        door.silent.send_replace(false);
        world.start(victim);
        world.ready().await;
    }
    let told = until(PATIENCE, "every change was rung", async || {
        let wanted = positions(&world, opened).await;
        let mut heard = door.heard();
        let all = heard.len();
        let mut seen = BTreeMap::new();
        heard.retain(|heard| seen.insert(heard.id.clone(), heard.body.clone()).is_none());
        let once: Vec<u64> = heard.iter().map(|heard| heard.position).collect();
        (wanted.len() >= 16 && once == wanted).then_some((all, once.len()))
    })
    .await;
    for heard in door.heard() {
        let same = door.heard().into_iter().find(|other| other.id == heard.id);
        assert_eq!(same.as_ref(), Some(&heard), "one id, one ring");
    }
    let (all, once) = told;
    assert!(all > once, "at least one ring came again");
    println!("{once} changes, {all} rings, 4 kills");
}

async fn rename(world: &World, item: &str, round: u32) {
    let change = json!({ "number": item, "name": format!("Renamed {round}") });
    world.simulator.office("change-item", change).await.unwrap();
}

async fn open(world: &World) -> u64 {
    let mut client = DoorbellServiceClient::connect(address(world))
        .await
        .unwrap();
    let request = authorized(OpenChannelRequest {
        channel: CHANNEL.into(),
    });
    let answer = client.open_channel(request).await.unwrap();
    answer.into_inner().position
}

/// Of the feed's items behind `after`.
async fn positions(world: &World, after: u64) -> Vec<u64> {
    let mut client = ChangeFeedServiceClient::connect(address(world))
        .await
        .unwrap();
    let request = authorized(PullRequest {
        channel: CHANNEL.into(),
        consumer: "story".into(),
        start: Some(Start {
            at: Some(At::Beginning(true)),
        }),
        max_changes: 1_000,
        wait_seconds: 0,
        kinds: vec!["items".into()],
    });
    let pulled = client.pull(request).await.unwrap().into_inner();
    let envelopes = pulled
        .changes
        .into_iter()
        .filter_map(|change| change.envelope);
    let positions = envelopes.map(|envelope| envelope.position);
    positions.filter(|position| *position > after).collect()
}

fn address(world: &World) -> String {
    format!("http://{}", world.process("shop-delivery").grpc)
}

fn authorized<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let token = format!("Bearer {OPERATOR_TOKEN}").parse().unwrap();
    request.metadata_mut().insert("authorization", token);
    request
}
