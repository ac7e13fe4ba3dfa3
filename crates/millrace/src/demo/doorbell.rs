//! The scripted shop's door: it hears rings, believes those that are signed, and fetches what they tell of.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use millrace_contract::changes::v1::start::At;
use millrace_contract::changes::v1::{
    ListDoorbellsRequest, OpenChannelRequest, PullRequest, Start,
};
use millrace_contract::items::v1::ItemChanged;
use millrace_doorbell::{SigningKey, signatures};
use millrace_service_kit::Secret;
use prost::Message;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use super::screen::took;
use super::shop::CHANNEL;
use super::tour::{Told, Tour};

/// For this machine only.
const SECRET: &str = "whsec_bWlsbHJhY2UtZGVtby1kb29yYmVsbC0x";
const NAME: &str = "tour";

pub struct Door {
    address: SocketAddr,
    heard: Mutex<mpsc::UnboundedReceiver<Ring>>,
    serving: JoinHandle<()>,
}

/// One request, believed or not.
struct Ring {
    id: String,
    body: Result<Value>,
}

#[derive(Clone)]
struct Ear {
    key: Arc<SigningKey>,
    heard: mpsc::UnboundedSender<Ring>,
}

impl Door {
    pub async fn at(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).await;
        let listener = listener
            .with_context(|| format!("address {address} of the shop's door cannot be used"))?;
        let (said, heard) = mpsc::unbounded_channel();
        let ear = Ear {
            key: Arc::new(SigningKey::parse(&Secret::new(SECRET))?),
            heard: said,
        };
        let address = listener.local_addr()?;
        let router = Router::new().route("/doorbell", post(hear)).with_state(ear);
        let serving = tokio::spawn(async move {
            // It ends with the demo; what it could not serve the tour misses.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            heard: Mutex::new(heard),
            serving,
        })
    }

    /// Of services that ring here.
    pub fn settings(&self) -> String {
        format!(
            "[[shop_delivery.channels]]
channel = \"{CHANNEL}\"
[[shop_delivery.channels.doorbells]]
name = \"{NAME}\"
url = \"http://{}/doorbell\"
kinds = [\"items\"]
secrets = [\"{SECRET}\"]
allow_internal = [\"127.0.0.1\"]
",
            self.address
        )
    }

    async fn next(&self) -> Result<(String, Value)> {
        let ring = self.heard.lock().await.recv().await;
        let ring = ring.context("the shop's door is closed")?;
        Ok((ring.id, ring.body?))
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn hear(State(ear): State<Ear>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let signed = timestamp.parse().is_ok_and(|timestamp| {
        signatures(&[(*ear.key).clone()], &id, timestamp, &body) == header("webhook-signature")
    });
    let body = match signed {
        true => serde_json::from_slice(&body).map_err(anyhow::Error::from),
        false => Err(anyhow!("a ring is not signed as it should be")),
    };
    let answer = match &body {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::UNAUTHORIZED,
    };
    // Nobody listens any more when the tour is over.
    let _ = ear.heard.send(Ring { id, body });
    answer
}

impl Tour {
    pub(super) async fn doorbell(&mut self, door: &Door) -> Told<()> {
        let channel = CHANNEL.to_owned();
        let request = ListDoorbellsRequest {
            channel: channel.clone(),
        };
        let listed = self.shop.doorbells.list_doorbells(request).await?;
        let listed = listed.into_inner();
        let rings_here = |name: &str| name == NAME;
        ensure!(
            listed.doorbells.iter().any(|bell| rings_here(&bell.name)),
            "these services have no doorbell {NAME}; they need\n{}",
            door.settings()
        );
        let silent = match listed.opened_at {
            Some(_) => "the channel was opened in an earlier demo",
            None => {
                let heard = door.heard.lock().await.len();
                ensure!(heard == 0, "the first load rang {heard} times");
                "the first load rang nothing; now the channel is open"
            }
        };
        self.shop
            .doorbells
            .open_channel(OpenChannelRequest { channel })
            .await?;
        let name = format!("Holzöl 1 l, Ausgabe {}", self.run);
        let renamed = Instant::now();
        self.office.rename_item("1701", &name).await?;
        loop {
            let (id, body) = door.next().await?;
            let token = body["data"]["token"].as_str().unwrap_or_default();
            if self.fetched(token).await? == name {
                let rang = took(renamed.elapsed());
                let told = format!(
                    "ring {id}, signed, {rang} after the ERP saved it; what it told of is item 1701, now {name:?}"
                );
                return Ok(((), vec![silent.to_owned(), told]));
            }
        }
    }

    /// The item that a pull after `token` begins with.
    async fn fetched(&mut self, token: &str) -> Result<String> {
        let request = PullRequest {
            channel: CHANNEL.into(),
            consumer: NAME.into(),
            start: Some(Start {
                at: Some(At::AfterToken(token.to_owned())),
            }),
            max_changes: 1,
            wait_seconds: 0,
            kinds: vec!["items".into()],
        };
        let pulled = self.shop.feed.pull(request).await?.into_inner();
        let Some(change) = pulled.changes.first() else {
            bail!("a ring told of a change that is not there");
        };
        let item = ItemChanged::decode(change.payload.clone())?.item;
        Ok(item.map(|item| item.display_name).unwrap_or_default())
    }
}
