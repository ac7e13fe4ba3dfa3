//! What every server does whatever it serves: health, reflection, `/live`, `/metrics`; one limit for all messages; refusals
//! with their details, each in the log once, with its trace.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::uri::PathAndQuery;
use millrace_contract::operations::v1::ListParkedRequest;
use millrace_contract::operations::v1::parked_service_client::ParkedServiceClient;
use millrace_test_rig::until;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};
use tonic_types::StatusExt;

use crate::raw::Raw;
use crate::world::{CHANNEL, OPERATOR_TOKEN, PATIENCE, Plan, SHOP_TOKEN, World};

/// One call of each server, with a token that may call it.
const CALLS: [(&str, &str); 7] = [
    ("/millrace.catalog.v1.CatalogService/GetItem", SHOP_TOKEN),
    (
        "/millrace.customer.v1.CustomerService/GetCustomer",
        SHOP_TOKEN,
    ),
    ("/millrace.order.v1.OrderService/SubmitOrder", SHOP_TOKEN),
    (
        "/millrace.order.v1.OrderAdminService/MendOrder",
        OPERATOR_TOKEN,
    ),
    (
        "/millrace.stock.v1.StockService/BatchGetAvailability",
        SHOP_TOKEN,
    ),
    ("/millrace.changes.v1.ChangeFeedService/Pull", SHOP_TOKEN),
    (
        "/millrace.operations.v1.ParkedService/ListParked",
        OPERATOR_TOKEN,
    ),
];

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

async fn connect(world: &World) -> Channel {
    let address = format!("http://{}", world.process("all").grpc);
    Endpoint::from_shared(address)
        .unwrap()
        .connect()
        .await
        .unwrap()
}

fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    metadata.insert("authorization", format!("Bearer {token}").parse().unwrap());
    let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    metadata.insert("traceparent", traceparent.parse().unwrap());
    request
}

async fn refused(channel: &Channel, path: &'static str, token: &str, message: Vec<u8>) -> Status {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let request = with_token(Bytes::from(message), token);
    let answer = client
        .unary(request, PathAndQuery::from_static(path), Raw)
        .await;
    answer.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn health_reflection_and_metrics_can_be_asked() {
    let world = World::in_one_process(Plan::default()).await;
    let channel = connect(&world).await;

    let mut health = HealthClient::new(channel.clone());
    let answer = health.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(answer.into_inner().status(), ServingStatus::Serving);

    let asked = |token: Option<&str>| {
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let requests = tokio_stream::once(request);
        match token {
            Some(token) => with_token(requests, token),
            None => Request::new(requests),
        }
    };
    let mut reflection = ServerReflectionClient::new(channel);
    let stranger = reflection.server_reflection_info(asked(None)).await;
    assert_eq!(stranger.unwrap_err().code(), Code::Unauthenticated);
    let mut answers = reflection
        .server_reflection_info(asked(Some(SHOP_TOKEN)))
        .await
        .unwrap()
        .into_inner();
    let Some(ServerReflectionResponse {
        message_response: Some(MessageResponse::ListServicesResponse(listed)),
        ..
    }) = answers.message().await.unwrap()
    else {
        panic!("reflection lists no services");
    };
    let named: BTreeSet<String> = listed
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    for (call, _) in CALLS {
        let service = call[1..].split('/').next().unwrap();
        assert!(named.contains(service), "{service} is not among {named:?}");
    }

    let monitoring = world.process("all").monitoring;
    let text = async |path: &str| {
        let url = format!("http://{monitoring}{path}");
        let answer = reqwest::get(url).await.unwrap().error_for_status().unwrap();
        answer.text().await.unwrap()
    };
    assert_eq!(text("/live").await, "ok\n");
    assert!(text("/ready").await.contains(r#""ready":true"#));
    let figures = text("/metrics").await;
    assert!(
        figures.contains("millrace_grpc_calls_total{"),
        "no call is counted in:\n{figures}"
    );
    assert!(figures.ends_with("# EOF\n"), "not the whole of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_or_too_large_is_refused_by_every_server_with_details() {
    let plan = Plan {
        more_settings: "[grpc.limits]\nmessage = \"16KiB\"\n".into(),
        ..Plan::default()
    };
    let world = World::in_one_process(plan).await;
    let channel = connect(&world).await;
    for (call, token) in CALLS {
        // Field 1 as a broken length; then more than is allowed.
        for (message, says) in [
            (vec![0x0a, 0xff, 0xff, 0xff], "cannot be decoded"),
            (vec![0; 17 << 10], "larger than 16.0 KiB"),
        ] {
            let status = refused(&channel, call, token, message).await;
            assert_eq!(status.code(), Code::InvalidArgument, "{call}: {status:?}");
            assert!(status.message().contains(says), "{call}: {status:?}");
            let details = status.get_error_details();
            let violated = &details.bad_request().unwrap().field_violations;
            assert_eq!(violated[0].field, "message", "{call}");
        }
        let stranger = refused(&channel, call, "a-token-nobody-gave-out", vec![]).await;
        assert_eq!(stranger.code(), Code::Unauthenticated, "{call}");
        let details = stranger.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "UNKNOWN_TOKEN");
    }
    let nowhere = "/millrace.order.v1.OrderService/TeleportOrder";
    let status = refused(&channel, nowhere, SHOP_TOKEN, vec![]).await;
    assert_eq!(status.code(), Code::Unimplemented);
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "UNKNOWN_CALL");
}

/// FAULTS, limits at every entrance: nothing is unpacked, so nothing small becomes large.
#[tokio::test(flavor = "multi_thread")]
async fn compressed_messages_and_oversized_headers_are_refused_and_the_connection_lives_on() {
    let world = World::in_one_process(Plan::default()).await;
    let channel = connect(&world).await;
    for (call, token) in CALLS {
        for (header, value, says) in [
            ("grpc-encoding", "gzip".to_owned(), "compressed"),
            ("x-much", "x".repeat(17 << 10), "431"),
        ] {
            let mut client = tonic::client::Grpc::new(channel.clone());
            client.ready().await.unwrap();
            let mut request = with_token(Bytes::new(), token);
            let value = value.parse().unwrap();
            request.metadata_mut().insert(header, value);
            let path = PathAndQuery::from_static(call);
            let refused = client.unary(request, path, Raw).await.unwrap_err();
            assert!(refused.message().contains(says), "{call}: {refused:?}");
        }
        let status = refused(&channel, call, token, vec![0x0a, 0xff, 0xff, 0xff]).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{call}: {status:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_logged_once_with_its_trace() {
    let world = World::in_one_process(Plan::default()).await;
    let channel = connect(&world).await;
    let (call, token) = CALLS[2];
    refused(&channel, call, token, vec![0x0a, 0xff, 0xff, 0xff]).await;
    let lines = || -> Vec<serde_json::Value> {
        let log = world.log("all");
        log.lines()
            .filter(|line| line.contains(" was refused to "))
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    };
    until(PATIENCE, "the refusal is in the log", async || {
        (!lines().is_empty()).then_some(())
    })
    .await;
    // A second one, so that a late double of the first would be seen.
    refused(&channel, call, "a-token-nobody-gave-out", vec![]).await;
    let logged = until(PATIENCE, "the second is in the log", async || {
        Some(lines()).filter(|lines| lines.len() >= 2)
    })
    .await;
    assert_eq!(logged.len(), 2, "{logged:?}");
    let first = &logged[0];
    assert_eq!(first["level"], "INFO");
    assert_eq!(first["code"], "InvalidArgument");
    assert_eq!(first["caller"], "furniture-shop");
    assert_eq!(first["channel"], CHANNEL);
    assert_eq!(first["spans"][0]["trace_id"], TRACE);
    assert_eq!(logged[1]["caller"], "nobody");
    let text = world.log("all");
    assert!(
        !text.contains("a-token-nobody-gave-out"),
        "a token is a secret"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_of_one_channel_does_not_see_what_all_services_parked() {
    let plan = Plan {
        more_settings: "[[tokens]]\nname = \"garden-operator\"\ntoken = \"story-operator-of-garden\"\nchannel = \"garden\"\nscopes = [\"*\"]\n".into(),
        ..Plan::default()
    };
    let world = World::in_one_process(plan).await;
    let mut parked = ParkedServiceClient::new(connect(&world).await);
    let request = ListParkedRequest::default;
    let refused = parked
        .list_parked(with_token(request(), "story-operator-of-garden"))
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    let listed = parked
        .list_parked(with_token(request(), OPERATOR_TOKEN))
        .await;
    assert!(listed.is_ok(), "{listed:?}");
}
