//! The door alone, before a handler that says what a test wants.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use bytesize::ByteSize;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::time::Instant;
use tonic_types::StatusExt;
use tower::{ServiceExt, service_fn};

use super::*;
use crate::Secret;
use crate::auth::TokenSettings;
use crate::grpc::Limits;
use crate::metrics::Metrics;
use crate::rejection;
use crate::telemetry::Format;
use crate::telemetry::paper::Paper;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALL: &str = "/millrace.order.v1.OrderService/GetOrder";
const QUICK: &str = "/millrace.stock.v1.StockService/GetAvailability";

fn door() -> DoorLayer {
    let token = TokenSettings {
        name: "furniture-shop".into(),
        token: Some(Secret::new("a-long-enough-secret")),
        sha256: None,
        channel: Some("furniture".into()),
        scopes: ["*".to_owned()].into(),
    };
    DoorLayer::new(Door {
        tokens: Tokens::new([token]).unwrap(),
        quotas: Quotas::new(&Limits::default(), &Metrics::default()),
        counters: Counters::new(&Metrics::default()),
        refusals: Refusals::new(ByteSize::mib(4)),
        ids: Ids::seeded(1),
        quick: &[QUICK],
    })
}

fn asked(path: &str) -> http::Request<Body> {
    http::Request::post(path)
        .header("authorization", "Bearer a-long-enough-secret")
        .header(HEADER, format!("00-{TRACE}-00f067aa0ba902b7-01"))
        .body(Body::default())
        .unwrap()
}

/// What a handler's answer looks like to the caller, and the lines it left in the log.
async fn answered<F>(
    request: http::Request<Body>,
    handler: impl Fn(http::Request<Body>) -> F + Clone,
) -> (http::Response<Body>, Paper)
where
    F: Future<Output = http::Response<Body>> + Send + 'static,
{
    answered_under("info", request, handler).await
}

async fn answered_under<F>(
    filter: &str,
    request: http::Request<Body>,
    handler: impl Fn(http::Request<Body>) -> F + Clone,
) -> (http::Response<Body>, Paper)
where
    F: Future<Output = http::Response<Body>> + Send + 'static,
{
    let paper = Paper::default();
    let _logging = tracing::dispatcher::set_default(&paper.log(Format::Json, filter));
    let inner = service_fn(move |request| {
        let answer = handler(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let answer = door().layer(inner).oneshot(request).await.unwrap();
    let (head, body) = answer.into_parts();
    // Read while the log is open: how a stream ends is said in its trailers.
    let body = body.collect().await.unwrap();
    let mut answer = http::Response::from_parts(head, Body::default());
    if let Some(trailers) = body.trailers() {
        answer.headers_mut().extend(trailers.clone());
    }
    (answer, paper)
}

fn said(answer: &http::Response<Body>) -> Status {
    Status::from_header_map(answer.headers()).unwrap()
}

fn ending_with(status: &Status) -> http::Response<Body> {
    let mut trailers = HeaderMap::new();
    status.add_header(&mut trailers).unwrap();
    let frames = [Ok::<_, Status>(Frame::<Bytes>::trailers(trailers))];
    http::Response::new(Body::new(StreamBody::new(stream::iter(frames))))
}

#[tokio::test]
async fn a_refusal_is_logged_once_with_its_caller_and_trace() {
    let (answer, paper) = answered(asked(CALL), |_| async {
        rejection::not_found("order", "WEB-1").into_http()
    })
    .await;
    assert_eq!(said(&answer).code(), Code::NotFound);
    let lines = paper.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = &lines[0];
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["code"], "NotFound");
    assert_eq!(line["method"], CALL[1..]);
    assert_eq!(line["caller"], "furniture-shop");
    assert_eq!(line["channel"], "furniture");
    assert_eq!(line["reason"], "order WEB-1 is not known");
    assert_eq!(line["spans"][0]["trace_id"], TRACE);
}

#[tokio::test]
async fn a_stream_that_ends_with_a_refusal_is_logged_once() {
    let (answer, paper) = answered(asked(CALL), |_| async {
        ending_with(&rejection::denied("WRONG_CHANNEL", "not yours"))
    })
    .await;
    assert_eq!(said(&answer).code(), Code::PermissionDenied);
    let lines = paper.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["spans"][0]["trace_id"], TRACE);
}

#[tokio::test]
async fn a_stranger_is_refused_with_details_and_logged_as_nobody() {
    let mut request = asked(CALL);
    request.headers_mut().remove("authorization");
    let (answer, paper) = answered(request, |_| async { panic!("nobody gets in") }).await;
    let refused = said(&answer);
    assert_eq!(refused.code(), Code::Unauthenticated);
    let details = refused.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "MISSING_TOKEN");
    let lines = paper.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["caller"], "nobody");
    assert_eq!(lines[0]["spans"][0]["trace_id"], TRACE);
}

#[tokio::test]
async fn what_is_logged_during_a_call_names_its_trace_and_so_does_the_handler() {
    let (_, paper) = answered(asked(CALL), |request| async move {
        let trace = request.extensions().get::<TraceContext>().unwrap();
        assert_eq!(trace.trace_id(), TRACE);
        tracing::info!("order 1 was taken");
        http::Response::new(Body::default())
    })
    .await;
    let lines = paper.lines();
    assert_eq!(lines.len(), 1, "an answer is no line of its own: {lines:?}");
    assert_eq!(lines[0]["spans"][0]["trace_id"], TRACE);
    assert_eq!(lines[0]["spans"][0]["method"], CALL[1..]);
    assert_eq!(lines[0]["spans"][0]["channel"], "furniture");
}

#[tokio::test]
async fn a_stranger_writes_nothing_into_traces_and_an_invented_method_has_no_name_there() {
    let told = async |request: http::Request<Body>| {
        let unknown = |_| async { Status::unimplemented("").into_http() };
        let (_, paper) = answered_under("millrace::traces=trace", request, unknown).await;
        let done = paper
            .lines()
            .into_iter()
            .filter_map(|line| line["done"].as_str().map(str::to_owned));
        done.collect::<Vec<String>>()
    };
    let done = told(asked("/invented/by-a-caller")).await;
    assert_eq!(done.len(), 1, "{done:?}");
    assert!(done[0].contains("unknown"), "{done:?}");
    assert!(!done[0].contains("invented"), "{done:?}");

    let mut stranger = asked(CALL);
    stranger.headers_mut().remove("authorization");
    let nobody = asked("/grpc.health.v1.Health/Check");
    for request in [stranger, nobody] {
        assert_eq!(told(request).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_call_without_a_trace_begins_one() {
    let mut request = asked(CALL);
    request.headers_mut().remove(HEADER);
    let (_, paper) = answered(request, |_| async {
        tracing::info!("order 1 was taken");
        http::Response::new(Body::default())
    })
    .await;
    let trace = paper.lines()[0]["spans"][0]["trace_id"].clone();
    assert_eq!(trace.as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn a_quick_call_has_no_span_and_its_refusal_a_trace_all_the_same() {
    let (_, paper) = answered(asked(QUICK), |request| async move {
        assert!(Span::current().is_none());
        assert!(request.extensions().get::<TraceContext>().is_none());
        rejection::bad_request("sku", "is missing").into_http()
    })
    .await;
    let lines = paper.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["spans"][0]["trace_id"], TRACE);
}

#[tokio::test]
async fn what_tonic_cannot_read_is_malformed_wherever_it_is_said() {
    let garbage = || Status::internal("failed to decode Protobuf message: invalid tag value: 0");
    let large = || Status::out_of_range("Error, decoded message length too large");
    for (status, names) in [(garbage(), "cannot be decoded"), (large(), "4.0 MiB")] {
        for streamed in [false, true] {
            let told = status.clone();
            let (answer, _) = answered(asked(CALL), move |_| {
                let told = told.clone();
                async move {
                    if streamed {
                        return ending_with(&told);
                    }
                    told.into_http()
                }
            })
            .await;
            let refused = said(&answer);
            assert_eq!(refused.code(), Code::InvalidArgument);
            assert!(refused.message().contains(names), "{refused:?}");
            let details = refused.get_error_details();
            let violated = &details.bad_request().unwrap().field_violations;
            assert_eq!(violated[0].field, "message");
        }
    }
}

#[tokio::test]
async fn a_failure_is_not_logged_as_a_refusal() {
    let (answer, paper) = answered(asked(CALL), |_| async {
        rejection::unavailable("database", "the database is away").into_http()
    })
    .await;
    assert_eq!(said(&answer).code(), Code::Unavailable);
    assert_eq!(paper.text(), "");
}

/// Row 123.
#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_the_token_it_was_asked_for_with() {
    let frame = || Ok::<_, Status>(Frame::data(Bytes::from_static(b"a fact")));
    let quiet = stream::iter([frame()]).chain(stream::pending()).boxed();
    let talkative = stream::unfold((), move |()| async move {
        tokio::time::advance(Duration::from_secs(1)).await;
        Some((frame(), ()))
    });
    for facts in [quiet, talkative.boxed()] {
        let (mut visit, _) = Visit::begin(door().0, &mut asked(CALL));
        visit.caller = Some(Caller::until(Instant::now() + Duration::from_secs(600)));
        let body = Body::new(StreamBody::new(facts));
        let answer = visit.leave(http::Response::new(body));
        let collected = answer.into_body().collect();
        let body = tokio::time::timeout(Duration::from_secs(700), collected).await;
        let body = body.expect("it ends").unwrap();
        let refused = Status::from_header_map(body.trailers().unwrap()).unwrap();
        assert_eq!(refused.code(), Code::Unauthenticated);
        let details = refused.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "TOKEN_EXPIRED");
        assert!(body.to_bytes().starts_with(b"a fact"));
    }
}
