//! Partitions that wait for a person.

use millrace_contract::operations::v1 as wire;
use millrace_contract::operations::v1::parked_service_server::ParkedService;
use millrace_event_bus::list_stalled;
use millrace_event_store::Database;
use millrace_operations::Parked;
use tonic::{Code, Status};

use crate::world::{World, asked, log_of, parked, until};

/// The log of orders was restored from somewhere: another life under the same name.
pub async fn service_whose_log_was_rebuilt(world: &World) -> Database {
    let database = world.service("order-intake").await;
    let relay = world.publish(&log_of(&["o1 old"]).await).await;
    until("the old life is taken", async || {
        world.taster.taken().len() == 1
    })
    .await;
    relay.cancel();
    world.orders(&["o1 new", "o2 new"]).await;
    until("it waits", async || {
        list_stalled(&database).await.expect("readable").len() == 1
    })
    .await;
    database
}

fn order() -> wire::RestartStalledRequest {
    wire::RestartStalledRequest {
        service: "order-intake".to_owned(),
        group: "order-intake".to_owned(),
        topic: "webshop-orders".to_owned(),
        partitions: vec![],
        from: wire::RestartFrom::Beginning.into(),
    }
}

async fn restart(
    parked: &Parked,
    request: wire::RestartStalledRequest,
) -> Result<Vec<wire::StalledPartition>, Status> {
    let answer = parked.restart_stalled(asked(request)).await?;
    Ok(answer.into_inner().restarted)
}

async fn stalled(parked: &Parked) -> Vec<wire::StalledPartition> {
    let answer = parked.list_stalled(asked(wire::ListStalledRequest::default()));
    answer.await.expect("listed").into_inner().partitions
}

#[tokio::test]
async fn a_stalled_partition_says_why_and_goes_on_when_told() {
    let world = World::new();
    let database = service_whose_log_was_rebuilt(&world).await;
    let parked = parked([&database]);
    let waiting = stalled(&parked).await;
    assert_eq!(waiting.len(), 1);
    let first = &waiting[0];
    assert_eq!(
        (
            first.service.as_str(),
            first.group.as_str(),
            first.topic.as_str()
        ),
        ("order-intake", "order-intake", "webshop-orders")
    );
    assert_eq!((first.partition, first.log.as_str()), (0, "orders"));
    assert!(first.reason.contains("was rebuilt"), "{}", first.reason);

    assert_eq!(restart(&parked, order()).await.expect("restarted"), waiting);
    until("the new life is taken", async || {
        world.taster.taken() == ["o1 old", "o1 new", "o2 new"]
    })
    .await;
    assert_eq!(stalled(&parked).await, []);
    let again = restart(&parked, order()).await.expect_err("refused");
    assert_eq!(again.code(), Code::NotFound, "{again}");
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_and_the_partition_goes_on_waiting() {
    let world = World::new();
    let database = service_whose_log_was_rebuilt(&world).await;
    let parked = parked([&database]);
    let with = |change: fn(&mut wire::RestartStalledRequest)| {
        let mut request = order();
        change(&mut request);
        request
    };
    let refusals = [
        (
            with(|order| order.service.clear()),
            Code::InvalidArgument,
            "service:",
        ),
        (
            with(|order| order.service = "nowhere".into()),
            Code::NotFound,
            "nowhere",
        ),
        (
            with(|order| order.group.clear()),
            Code::InvalidArgument,
            "group:",
        ),
        (
            with(|order| order.topic.clear()),
            Code::InvalidArgument,
            "topic:",
        ),
        (with(|order| order.from = 0), Code::InvalidArgument, "from:"),
        (
            with(|order| order.from = 77),
            Code::InvalidArgument,
            "from:",
        ),
        (
            with(|order| order.partitions = vec![5]),
            Code::NotFound,
            "webshop-orders",
        ),
        (
            with(|order| order.topic = "returns".into()),
            Code::NotFound,
            "returns",
        ),
    ];
    for (request, code, says) in refusals {
        let status = restart(&parked, request).await.expect_err("refused");
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(says), "{status}");
    }
    assert_eq!(stalled(&parked).await.len(), 1);
}
