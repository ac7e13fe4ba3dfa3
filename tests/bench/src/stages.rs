//! The bare stages on the way from the ERP to a shop, each measured alone.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt, stream};
use http::uri::PathAndQuery;
use millrace_test_rig::Postgres;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sqlx::{Connection, PgConnection};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService};
use tonic::{Request, Response, Status};
use tower::Service;

use crate::cases::{Rows, Scratch, connect, insert};
use crate::raw::Raw;
use crate::statistics::median;

const ROUNDS: usize = 100;

/// One GET, as the service asks for changes. Milliseconds, as all here.
pub async fn get(client: &reqwest::Client, url: &str, token: &str) -> Result<f64> {
    let mut took = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        client
            .get(url)
            .bearer_auth(token)
            .send()
            .await?
            .error_for_status()?
            .bytes()
            .await?;
        took.push(millis(began));
    }
    median(&took).context("nothing was measured")
}

/// One durable append: a plain INSERT and its commit.
pub async fn append(server: &Postgres) -> Result<f64> {
    let scratch = Scratch::postgres(server).await?;
    let mut connection = PgConnection::connect_with(&scratch.raw()?).await?;
    let mut source = Rows::of(1);
    let mut took = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let row = source.next();
        let began = Instant::now();
        insert(&mut connection, row).await?;
        took.push(millis(began));
    }
    connection.close().await?;
    scratch.close().await;
    median(&took).context("nothing was measured")
}

/// One record from an idempotent producer to a consumer that waits for it.
pub async fn kafka_hop(bootstrap: &str, payload: &[u8]) -> Result<f64> {
    let topic = millrace_test_rig::unique("bench_hop");
    let settings = || {
        let mut settings = ClientConfig::new();
        settings.set("bootstrap.servers", bootstrap);
        settings
    };
    let admin: AdminClient<DefaultClientContext> = settings().create()?;
    admin
        .create_topics(
            &[NewTopic::new(&topic, 1, TopicReplication::Fixed(1))],
            &AdminOptions::new(),
        )
        .await?;
    let consumer: StreamConsumer = settings()
        .set("group.id", &topic)
        .set("enable.auto.commit", "false")
        .create()?;
    let mut all = TopicPartitionList::new();
    all.add_partition_offset(&topic, 0, Offset::Beginning)?;
    consumer.assign(&all)?;
    let producer: FutureProducer = settings()
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", "lz4")
        .set("linger.ms", "0")
        .create()?;
    let mut took = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS + 10 {
        let began = Instant::now();
        let sending = producer
            .send_result(FutureRecord::to(&topic).key("item").payload(payload))
            .map_err(|(error, _)| error)?;
        tokio::time::timeout(Duration::from_secs(30), consumer.recv())
            .await
            .context("a record did not arrive")??;
        // The first ones find connections and leaders.
        if round >= 10 {
            took.push(millis(began));
        }
        sending.await?.map_err(|(error, _)| error)?;
    }
    median(&took).context("nothing was measured")
}

/// One message on an open gRPC stream.
pub async fn grpc_message(payload: Bytes) -> Result<f64> {
    let (sender, _) = broadcast::channel(16);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let service = Faucet(sender.clone());
    let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = tokio::spawn(async move {
        tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(incoming)
            .await
    });
    let mut client = tonic::client::Grpc::new(connect(address).await?);
    client.ready().await?;
    let path = PathAndQuery::from_static("/millrace.bench.Faucet/Open");
    let mut messages = client
        .server_streaming(Request::new(Bytes::new()), path, Raw)
        .await?
        .into_inner();
    let mut took = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        if sender.send(payload.clone()).is_err() {
            bail!("nobody listens to the stream");
        }
        messages.message().await?.context("the stream ended")?;
        took.push(millis(began));
    }
    server.abort();
    median(&took).context("nothing was measured")
}

fn millis(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}

/// A stream of whatever is sent, for everybody who opened it.
#[derive(Clone)]
struct Faucet(broadcast::Sender<Bytes>);

impl NamedService for Faucet {
    const NAME: &'static str = "millrace.bench.Faucet";
}

impl Service<http::Request<Body>> for Faucet {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let open = Open(self.0.clone());
        Box::pin(async move { Ok(Grpc::new(Raw).server_streaming(open, request).await) })
    }
}

struct Open(broadcast::Sender<Bytes>);

impl Service<Request<Bytes>> for Open {
    type Response = Response<stream::BoxStream<'static, Result<Bytes, Status>>>;
    type Error = Status;
    type Future = Ready<Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Bytes>) -> Self::Future {
        let messages = stream::unfold(self.0.subscribe(), async |mut messages| {
            let message = messages.recv().await.ok()?;
            Some((Ok(message), messages))
        });
        ready(Ok(Response::new(messages.boxed())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_on_an_open_stream_takes_less_than_a_second() {
        let took = grpc_message(Bytes::from_static(b"news")).await.unwrap();
        assert!(took > 0.0 && took < 1000.0, "{took} ms");
    }

    #[tokio::test]
    async fn a_record_hops_over_kafka() {
        let kafka = millrace_test_rig::kafka().await;
        let took = kafka_hop(&kafka.bootstrap(), b"news").await.unwrap();
        assert!(took > 0.0 && took < 10_000.0, "{took} ms");
    }
}
