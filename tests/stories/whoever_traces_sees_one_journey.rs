//! Whoever has a collector sees one trace from a change in the ERP to the shop's doorbell, and one from a shop order to its document,
//! across all processes; what is done in batches is linked to the traces of its events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::StatusCode;
use millrace_contract::changes::v1::OpenChannelRequest;
use millrace_contract::changes::v1::doorbell_service_client::DoorbellServiceClient;
use millrace_contract::order::v1::OrderState;
use millrace_test_rig::until;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::shop::order;
use crate::tables::Tables;
use crate::world::{CHANNEL, OPERATOR_TOKEN, PATIENCE, Plan, SERVICES, World};

/// A little collector.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(String, Span)>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.0.lock().unwrap();
        for told in request.into_inner().resource_spans {
            let named = told.resource.unwrap_or_default().attributes;
            let name = named.into_iter().find(|named| named.key == "service.name");
            let name = format!("{:?}", name.unwrap().value);
            for scope in told.scope_spans {
                spans.extend(scope.spans.into_iter().map(|span| (name.clone(), span)));
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn open() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let collector = Self::default();
        let service = TraceServiceServer::new(collector.clone());
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        (collector, endpoint)
    }

    fn spans(&self) -> Vec<(String, Span)> {
        self.0.lock().unwrap().clone()
    }

    /// Names of the spans of a trace that has a span of each of `names`, by trace.
    fn trace_with(&self, names: &[&str]) -> Option<(Vec<u8>, BTreeSet<String>)> {
        let mut traces: BTreeMap<Vec<u8>, BTreeSet<String>> = BTreeMap::new();
        for (_, span) in self.spans() {
            traces.entry(span.trace_id).or_default().insert(span.name);
        }
        let has = |trace: &BTreeSet<String>, name: &str| trace.iter().any(|one| one.contains(name));
        traces
            .into_iter()
            .find(|(_, trace)| names.iter().all(|name| has(trace, name)))
    }

    async fn waits_for(&self, names: &[&str]) -> Vec<u8> {
        let what = format!("a trace with {names:?}");
        let found = until(PATIENCE, &what, async || self.trace_with(names)).await;
        found.0
    }
}

/// A shop that takes every ring.
async fn doorbell() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(async || StatusCode::NO_CONTENT);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!(
        r#"
[[shop_delivery.channels]]
channel = "{CHANNEL}"
[[shop_delivery.channels.doorbells]]
name = "shop"
url = "http://{address}/"
secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
allow_internal = ["127.0.0.1"]
"#
    )
}

/// Row 115.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_and_an_order_are_one_trace_each_from_end_to_end() {
    let (collector, endpoint) = Collector::open().await;
    let more_settings = format!(
        "{}\n[telemetry.otlp]\nendpoint = \"{endpoint}\"\n",
        doorbell().await
    );
    let plan = Plan {
        more_settings,
        ..Plan::default()
    };
    let postgres = millrace_test_rig::postgres().await;
    let postgres = postgres.create_database("traces").await.unwrap();
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let mut world = World::prepared(plan, &postgres, &bootstrap).await;
    world.add_services(&SERVICES);
    world.ready().await;
    let mut shop = world.shop().await;
    until(PATIENCE, "the shop has what it sells", async || {
        shop.available("1004").await.filter(|pieces| *pieces > 2)
    })
    .await;
    open(&world).await;

    let renamed = json!({ "number": "1004", "name": "A name for a trace" });
    world
        .simulator
        .office("change-item", renamed)
        .await
        .unwrap();
    let change = [
        "read items",
        "publish catalog-sync",
        "take by shop-delivery",
        "ring doorbell",
    ];
    collector.waits_for(&change).await;

    let number = "WEB-TRACE-1";
    let request = order(number, "S-TRACE", &[("1004", 1, 10_690)]);
    shop.orders.submit_order(request).await.unwrap();
    shop.reaches(number, OrderState::Posted).await;
    let journey = [
        "OrderService/SubmitOrder",
        "publish order-intake",
        "take by stock-availability",
        "take by shop-delivery",
        "CustomerService/RegisterCustomer",
        "post order",
        "ring doorbell",
    ];
    let trace = collector.waits_for(&journey).await;

    let spans = collector.spans();
    let own = |span: &&(String, Span)| span.1.trace_id == trace;
    let services: BTreeSet<&String> = spans.iter().filter(own).map(|(name, _)| name).collect();
    assert!(services.len() >= 4, "{services:?}");
    let ids: BTreeSet<&Vec<u8>> = spans
        .iter()
        .filter(own)
        .map(|(_, span)| &span.span_id)
        .collect();
    let root = spans
        .iter()
        .filter(own)
        .find(|(_, span)| span.parent_span_id.is_empty());
    assert!(root.unwrap().1.name.ends_with("SubmitOrder"));
    let orphans = spans
        .iter()
        .filter(own)
        .filter(|(_, span)| !span.parent_span_id.is_empty() && !ids.contains(&span.parent_span_id));
    assert_eq!(orphans.count(), 0, "every parent was told");
    let linked = spans.iter().filter(|(_, span)| span.links.len() > 1);
    assert!(linked.count() > 0, "a batch names the traces of its events");

    let in_log: String = trace.iter().map(|byte| format!("{byte:02x}")).collect();
    let tables = Tables::open(&postgres).await;
    let recorded = tables.events_of_trace("order_intake", &in_log).await;
    assert!(
        recorded >= 2,
        "the events of the journey name the same trace"
    );
    let everything = format!("{spans:?}");
    for personal in ["Frieda", "Musterweg", "frieda@example.com", "26121"] {
        assert!(!everything.contains(personal), "{personal} is told");
    }
}

async fn open(world: &World) {
    let address = format!("http://{}", world.process("shop-delivery").grpc);
    let mut doorbells = DoorbellServiceClient::connect(address).await.unwrap();
    let mut request = Request::new(OpenChannelRequest {
        channel: CHANNEL.into(),
    });
    let bearer = format!("Bearer {OPERATOR_TOKEN}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    doorbells.open_channel(request).await.unwrap();
}

/// A collector that is away is said once, and holds up neither work nor a stop.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_is_logged_once_and_slows_nothing() {
    let plan = Plan {
        more_settings: "[telemetry.otlp]\nendpoint = \"http://127.0.0.1:9\"\n".to_owned(),
        ..Plan::default()
    };
    let mut world = World::in_one_process(plan).await;
    until(PATIENCE, "it is said", async || {
        world
            .log("all")
            .contains("does not take traces")
            .then_some(())
    })
    .await;
    let mut shop = world.shop().await;
    until(PATIENCE, "the shop has what it sells", async || {
        shop.available("1004").await
    })
    .await;
    for piece in 0..3 {
        let number = format!("WEB-TRACE-{piece}");
        let request = order(&number, "S-TRACE", &[("1004", 1, 10_690)]);
        shop.orders.submit_order(request).await.unwrap();
        shop.reaches(&number, OrderState::Posted).await;
    }
    assert!(world.stop("all").await.success());
    assert_eq!(world.log("all").matches("does not take traces").count(), 1);
}
