//! Who may look and act: an operator, nobody else.

use std::sync::Arc;

use millrace_contract::operations::v1 as wire;
use millrace_contract::operations::v1::parked_service_server::ParkedService;
use millrace_operations::{Parked, SCOPE};
use millrace_service_kit::auth::Caller;
use tonic::{Code, Request};

use crate::world::{World, asked_by, list, parked};

/// What each call answers to this caller.
async fn answers(parked: &Parked, caller: Option<Arc<Caller>>) -> [Code; 5] {
    let dropped = wire::DropParkedRequest {
        service: "order-intake".to_owned(),
        ids: vec![1],
        note: "why".to_owned(),
    };
    [
        code(parked.list_parked(asked(&caller)).await),
        code(parked.retry_parked(asked(&caller)).await),
        code(parked.drop_parked(asked(&caller).map(|()| dropped)).await),
        code(parked.list_stalled(asked(&caller)).await),
        code(parked.restart_stalled(asked(&caller)).await),
    ]
}

fn asked<T: Default>(caller: &Option<Arc<Caller>>) -> Request<T> {
    match caller {
        Some(caller) => asked_by(T::default(), caller.clone()),
        None => Request::new(T::default()),
    }
}

fn code<T>(answer: Result<tonic::Response<T>, tonic::Status>) -> Code {
    answer.map_or_else(|status| status.code(), |_| Code::Ok)
}

async fn one_parked(world: &World) -> Parked {
    let database = world.service_with_parked("order-intake", 1).await;
    parked([&database])
}

#[tokio::test]
async fn nobody_looks_or_acts_without_a_token() {
    let world = World::new();
    let parked = one_parked(&world).await;
    assert_eq!(answers(&parked, None).await, [Code::Unauthenticated; 5]);
    assert_eq!(list(&parked).await.len(), 1, "nothing was changed");
}

#[tokio::test]
async fn nobody_looks_or_acts_without_the_scope() {
    let world = World::new();
    let parked = one_parked(&world).await;
    let shop = Caller::new("shop", None, &["order:submit", "order:admin"]);
    assert_eq!(
        answers(&parked, Some(shop)).await,
        [Code::PermissionDenied; 5]
    );
    assert_eq!(list(&parked).await.len(), 1, "nothing was changed");
}

#[tokio::test]
async fn a_token_of_one_channel_does_not_decide_about_partitions_of_all() {
    let world = World::new();
    let parked = one_parked(&world).await;
    let shop = Caller::new("shop", Some("furniture"), &[SCOPE]);
    let listed = parked.list_stalled(asked_by(Default::default(), shop.clone()));
    assert_eq!(code(listed.await), Code::PermissionDenied);
    let restarted = parked.restart_stalled(asked_by(Default::default(), shop));
    assert_eq!(code(restarted.await), Code::PermissionDenied);
}
