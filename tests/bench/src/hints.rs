//! Between the ERP's webhooks and Millrace's `/hooks`: passes everything on and remembers when a hint came by.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

pub struct Hints {
    arrived: mpsc::UnboundedReceiver<Instant>,
}

#[derive(Clone)]
struct Way {
    onward: SocketAddr,
    client: reqwest::Client,
    arrived: mpsc::UnboundedSender<Instant>,
}

impl Hints {
    /// Listens on `address`; what comes goes on to `onward`.
    pub async fn start(address: SocketAddr, onward: SocketAddr) -> Result<Hints> {
        let (sender, arrived) = mpsc::unbounded_channel();
        let way = Way {
            onward,
            client: reqwest::Client::new(),
            arrived: sender,
        };
        let listener = TcpListener::bind(address).await?;
        tokio::spawn(async move {
            axum::serve(listener, Router::new().fallback(pass_on).with_state(way)).await
        });
        Ok(Hints { arrived })
    }

    /// Forgets hints that came so far.
    pub fn forget(&mut self) {
        while self.arrived.try_recv().is_ok() {}
    }

    /// When the next hint came by; waits for it.
    pub async fn next(&mut self) -> Option<Instant> {
        self.arrived.recv().await
    }
}

async fn pass_on(
    State(way): State<Way>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let is_handshake = uri
        .query()
        .is_some_and(|query| query.contains("validationToken"));
    if method == Method::POST && !is_handshake {
        // Nobody listens any more at the end of the bench.
        let _ = way.arrived.send(Instant::now());
    }
    let mut request = way
        .client
        .request(method, format!("http://{}{uri}", way.onward))
        .body(body);
    if let Some(kind) = headers.get(header::CONTENT_TYPE) {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    let (status, body) = match request.send().await {
        Ok(answer) => (answer.status(), answer.bytes().await.unwrap_or_default()),
        Err(_) => (StatusCode::BAD_GATEWAY, Bytes::new()),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system;

    #[tokio::test]
    async fn a_hint_is_passed_on_and_remembered_and_a_handshake_only_passed_on() {
        let onward = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let behind = onward.local_addr().unwrap();
        let echo = Router::new().fallback(|uri: Uri, body: Bytes| async move {
            format!("{uri} {}", String::from_utf8_lossy(&body))
        });
        tokio::spawn(async move { axum::serve(onward, echo).await });
        let address = system::free().unwrap();
        let mut hints = Hints::start(address, behind).await.unwrap();

        let client = reqwest::Client::new();
        let url = format!("http://{address}/hooks");
        let handshake = client
            .post(format!("{url}?validationToken=abc"))
            .send()
            .await
            .unwrap();
        assert_eq!(
            handshake.text().await.unwrap(),
            "/hooks?validationToken=abc "
        );
        assert!(hints.arrived.try_recv().is_err());
        let hint = client.post(&url).body("{}").send().await.unwrap();
        assert_eq!(hint.text().await.unwrap(), "/hooks {}");
        assert!(hints.next().await.is_some());
    }
}
