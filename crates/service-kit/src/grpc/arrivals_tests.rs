//! Connections that say little, at a server that runs.

use millrace_test_rig::until;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::*;
use crate::Shutdown;
use crate::auth::Tokens;
use crate::grpc::{self, Entrance, Limits, ServeError};
use crate::health::Health;
use crate::metrics::Metrics;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server in the clear.
struct Running {
    address: String,
    metrics: Metrics,
    shutdown: Shutdown,
    serving: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    async fn begin() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let metrics = Metrics::default();
        let entrance = Entrance {
            tokens: Tokens::default(),
            limits: Limits::default(),
            health: Health::default(),
            metrics: metrics.clone(),
            descriptors: tonic_health::pb::FILE_DESCRIPTOR_SET,
            quick: &[],
        };
        let shutdown = Shutdown::new();
        let serving = grpc::serve(listener, Routes::default(), entrance, shutdown.clone());
        Self {
            address,
            metrics,
            shutdown,
            serving: tokio::spawn(serving),
        }
    }

    async fn opened(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }

    async fn answers(&self) {
        let channel = Channel::from_shared(format!("http://{}", self.address)).unwrap();
        let mut health = HealthClient::new(channel.connect().await.unwrap());
        let asked = health.check(HealthCheckRequest::default());
        let answered = tokio::time::timeout(PATIENCE, asked).await;
        answered.expect("in time").unwrap();
    }
}

/// Rows 123, 129.
#[tokio::test]
async fn whoever_connects_and_says_nothing_does_not_hold_up_the_end() {
    let running = Running::begin().await;
    let _silent = running.opened().await;
    let mut halting = running.opened().await;
    halting.write_all(b"PRI * HT").await.unwrap();
    running.answers().await;
    running.shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), running.serving).await;
    ended.expect("nobody is waited for").unwrap().unwrap();
}

#[tokio::test]
async fn where_too_many_say_nothing_those_that_came_first_go() {
    let running = Running::begin().await;
    let mut silent = Vec::new();
    for _ in 0..=AT_ONCE {
        silent.push(running.opened().await);
    }
    running.answers().await;
    let mut first = silent.remove(0);
    let read = tokio::time::timeout(Duration::from_secs(5), first.read_u8()).await;
    assert!(read.expect("it is closed before its time is over").is_err());
    until(PATIENCE, "it is counted", async || {
        let text = running.metrics.text();
        let counted = "millrace_grpc_connections_turned_away_total ";
        let count = text.lines().find_map(|line| line.strip_prefix(counted))?;
        (count != "0").then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_says_nothing_in_time_is_turned_away() {
    let (mut theirs, ours) = tokio::io::duplex(64);
    theirs.write_all(b"PRI").await.unwrap();
    let refused = begun(ours, Arc::new(Semaphore::new(1))).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn what_was_read_is_read_again_and_a_full_house_lets_nobody_in() {
    const SAID: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nand more";
    let places = Arc::new(Semaphore::new(1));
    let speaking = async || {
        let (mut theirs, ours) = tokio::io::duplex(64);
        theirs.write_all(SAID).await.unwrap();
        begun(ours, places.clone()).await
    };
    let mut begun = speaking().await.unwrap();
    assert!(speaking().await.is_err());
    let mut heard = Vec::new();
    begun.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, SAID);
    drop(begun);
    assert!(speaking().await.is_ok());
}
