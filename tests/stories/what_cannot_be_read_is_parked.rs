//! A record that cannot be read is told to whoever can do something about it, and nobody waits for it.

use std::time::Duration;

use millrace_contract::operations::v1::parked_service_client::ParkedServiceClient;
use millrace_contract::operations::v1::{DropParkedRequest, ListParkedRequest, ParkedRecord};
use millrace_test_rig::until;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::json;
use tonic::Request;
use tonic::transport::Channel;

use crate::world::{OPERATOR_TOKEN, PATIENCE, Plan, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_record_nobody_can_read_is_parked_with_its_reason_and_holds_nobody_up() {
    const KEY: &str = "no-item-at-all";
    let postgres = millrace_test_rig::postgres().await;
    let postgres = postgres.create_database("unreadable").await.unwrap();
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let world = World::distributed(Plan::default(), &postgres, &bootstrap).await;
    let (bootstrap, prefix) = world.kafka.clone().unwrap();

    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    let producer: BaseProducer = config.create().unwrap();
    let topic = format!("{prefix}items");
    let garbage = BaseRecord::to(&topic).key(KEY).payload("no event at all");
    producer.send(garbage).unwrap();
    producer.flush(Duration::from_secs(30)).unwrap();

    for service in ["order-intake", "stock-availability", "shop-delivery"] {
        let mut operator = Operator::of(&world, service).await;
        let parked = until(PATIENCE, "the record is parked", async || {
            let parked = operator.parked().await;
            let mut ours = parked.into_iter().filter(|record| record.key == KEY);
            ours.next()
        })
        .await;
        assert!(!parked.reason.is_empty(), "{parked:?}");
        println!("{service}: {}", parked.reason);
    }
    // Whoever reads on has passed it.
    let renamed = json!({ "number": "1503", "name": "behind what nobody can read" });
    world
        .simulator
        .office("change-item", renamed)
        .await
        .unwrap();
    let mut shop = world.shop().await;
    until(PATIENCE, "what came after it is in the feed", async || {
        let told =
            crate::orders_survive_everything::feed_has(&mut shop, "behind what nobody can read");
        told.await.then_some(())
    })
    .await;
    let mut operator = Operator::of(&world, "order-intake").await;
    let ids = operator
        .parked()
        .await
        .iter()
        .map(|record| record.id)
        .collect();
    operator.drop(ids).await;
    assert!(operator.parked().await.is_empty());
}

/// An operator at one service.
struct Operator {
    calls: ParkedServiceClient<Channel>,
    service: String,
}

impl Operator {
    async fn of(world: &World, service: &str) -> Self {
        let address = format!("http://{}", world.process(service).grpc);
        let channel = Channel::from_shared(address).unwrap().connect_lazy();
        Self {
            calls: ParkedServiceClient::new(channel),
            service: service.to_owned(),
        }
    }

    async fn parked(&mut self) -> Vec<ParkedRecord> {
        let request = authorized(ListParkedRequest {
            service: String::new(),
            page_size: 1000,
            page_token: String::new(),
        });
        self.calls
            .list_parked(request)
            .await
            .unwrap()
            .into_inner()
            .records
    }

    async fn drop(&mut self, ids: Vec<i64>) {
        let request = authorized(DropParkedRequest {
            service: self.service.clone(),
            ids,
            note: "made by a story".into(),
        });
        self.calls.drop_parked(request).await.unwrap();
    }
}

fn authorized<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let token = format!("Bearer {OPERATOR_TOKEN}").parse().unwrap();
    request.metadata_mut().insert("authorization", token);
    request
}
