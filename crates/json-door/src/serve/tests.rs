use millrace_service_kit::auth::Tokens;
use millrace_service_kit::grpc::{Calls, Entrance};
use millrace_service_kit::health::Health;
use millrace_service_kit::metrics::Metrics;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::service::Routes;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server without a service.
struct Running {
    connection: TcpStream,
    metrics: Metrics,
    shutdown: Shutdown,
    serving: JoinHandle<io::Result<()>>,
}

impl Running {
    async fn start() -> Self {
        let (metrics, shutdown) = (Metrics::default(), Shutdown::new());
        let entrance = Entrance {
            tokens: Tokens::default(),
            limits: Limits::default(),
            health: Health::default(),
            metrics: metrics.clone(),
            descriptors: millrace_contract::DESCRIPTORS,
            quick: &[],
        };
        let calls = Calls::new(Routes::default(), &entrance);
        let door = JsonDoor::new(calls, &entrance).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = serve(listener, door, entrance.limits, shutdown.clone());
        let serving = tokio::spawn(serving);
        Self {
            connection: TcpStream::connect(address).await.unwrap(),
            metrics,
            shutdown,
            serving,
        }
    }

    async fn says(&mut self, text: &str) {
        self.connection.write_all(text.as_bytes()).await.unwrap();
    }

    /// Whatever comes until an answer of this status is there.
    async fn hears(&mut self, status: &str) {
        let mut heard = vec![0; 1 << 16];
        let read = tokio::time::timeout(PATIENCE, self.connection.read(&mut heard)).await;
        let heard = String::from_utf8_lossy(&heard[..read.unwrap().unwrap()]).into_owned();
        let head = format!("HTTP/1.1 {status} ");
        assert!(heard.starts_with(&head), "{heard}");
    }

    async fn stops(self) {
        self.shutdown.cancel();
        let stopped = tokio::time::timeout(PATIENCE, self.serving).await;
        stopped.expect("it stops").unwrap().unwrap();
    }
}

#[tokio::test]
async fn half_a_head_does_not_hold_up_the_end() {
    let mut running = Running::start().await;
    // Once it is answered, the connection is certainly being served.
    running
        .says("GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    running.hears("404").await;
    running.says("POST /millrace.order.v1.OrderSer").await;
    running.stops().await;
}

#[tokio::test]
async fn what_is_no_call_is_counted_by_its_status() {
    let mut running = Running::start().await;
    running
        .says("GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    running.hears("404").await;
    running
        .says("DELETE /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    running.hears("405").await;
    let figures = running.metrics.text();
    for status in ["404", "405"] {
        let counted = format!("millrace_http_requests_refused_total{{status=\"{status}\"}} 1");
        assert!(figures.contains(&counted), "{figures}");
    }
    running.stops().await;
}
