//! Bad questions get clear answers.

use bytes::Bytes;
use millrace_contract::stock::v1 as wire;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::harness::{BLIND, OPERATOR, SHOP, World, sku};
use crate::raw::Raw;

fn question(channel: &str, item: &str) -> wire::GetAvailabilityRequest {
    wire::GetAvailabilityRequest {
        channel: channel.into(),
        sku: Some(sku(item, "")),
        ..Default::default()
    }
}

async fn refused(
    world: &World,
    token: Option<&str>,
    request: wire::GetAvailabilityRequest,
) -> Status {
    world
        .service
        .client(token)
        .await
        .get_availability(request)
        .await
        .unwrap_err()
}

#[tokio::test]
async fn who_may_not_ask_is_told_why() {
    let world = World::begin().await;
    let status = refused(&world, None, question("furniture-de", "1702")).await;
    assert_eq!(status.code(), Code::Unauthenticated);
    let status = refused(
        &world,
        Some("some-token-nobody-knows"),
        question("furniture-de", "1702"),
    )
    .await;
    assert_eq!(status.code(), Code::Unauthenticated);
    let status = refused(&world, Some(BLIND), question("furniture-de", "1702")).await;
    assert_eq!(
        (status.code(), status.message()),
        (
            Code::PermissionDenied,
            "token blind lacks the scope stock:read"
        )
    );
    let status = refused(&world, Some(SHOP), question("toys-de", "1702")).await;
    assert_eq!(
        (status.code(), status.message()),
        (
            Code::PermissionDenied,
            "token shop does not belong to channel toys-de"
        )
    );
}

#[tokio::test]
async fn a_question_that_makes_no_sense_names_its_field() {
    let world = World::begin().await;
    let status = refused(&world, Some(OPERATOR), question("nowhere", "1702")).await;
    assert_eq!(
        (status.code(), status.message()),
        (Code::NotFound, "channel nowhere is not known")
    );
    let status = refused(&world, Some(OPERATOR), question("No Where", "1702")).await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().starts_with("channel: "), "{status}");
    let status = refused(&world, Some(SHOP), question("furniture-de", "")).await;
    assert_eq!(
        (status.code(), status.message()),
        (
            Code::InvalidArgument,
            "sku.item_number: item number is empty"
        )
    );
    let nothing = wire::GetAvailabilityRequest {
        channel: "furniture-de".into(),
        ..Default::default()
    };
    let status = refused(&world, Some(SHOP), nothing).await;
    assert_eq!(
        (status.code(), status.message()),
        (Code::InvalidArgument, "sku: is missing")
    );
    let many = wire::BatchGetAvailabilityRequest {
        channel: "furniture-de".into(),
        skus: vec![sku("1702", ""); 1001],
        ..Default::default()
    };
    let status = world
        .client
        .clone()
        .batch_get_availability(many)
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::InvalidArgument, "skus: must be 1 to 1000, not 1001")
    );
}

#[tokio::test]
async fn a_bad_question_ends_a_stream_with_its_reason() {
    let mut world = World::begin().await;
    let ask = |channel: &str| wire::StreamAvailabilityRequest {
        channel: channel.into(),
        sku: Some(sku("1702", "")),
        by_location: false,
    };
    let questions = tokio_stream::iter([ask("furniture-de"), ask("toys-de"), ask("furniture-de")]);
    let mut answers = world
        .client
        .stream_availability(questions)
        .await
        .unwrap()
        .into_inner();
    assert!(answers.message().await.unwrap().is_some());
    assert_eq!(
        answers.message().await.unwrap_err().code(),
        Code::PermissionDenied
    );
}

#[tokio::test]
async fn a_message_that_is_none_or_too_large_is_refused() {
    let world = World::begin().await;
    let connection = tonic::transport::Channel::from_shared(world.service.address.clone())
        .unwrap()
        .connect()
        .await
        .unwrap();
    for (message, says) in [
        (vec![0xff; 20], "cannot be decoded"),
        (vec![0; 5 << 20], "larger than"),
    ] {
        let mut grpc = tonic::client::Grpc::new(connection.clone());
        grpc.ready().await.unwrap();
        let mut request = tonic::Request::new(Bytes::from(message));
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {SHOP}").parse().unwrap());
        let path =
            http::uri::PathAndQuery::from_static("/millrace.stock.v1.StockService/GetAvailability");
        let status = grpc.unary(request, path, Raw).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains(says), "{status}");
        let details = status.get_error_details();
        let violated = &details.bad_request().unwrap().field_violations;
        assert_eq!(violated[0].field, "message");
    }
}
