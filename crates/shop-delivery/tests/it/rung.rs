//! A shop that is rung: it answers as the test says, and remembers what it heard.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millrace_shop_delivery::Config;
use millrace_test_rig::until;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::harness::PATIENCE;

pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub struct Shop {
    pub url: String,
    heard: Heard,
    serving: JoinHandle<()>,
}

type Heard = Arc<Mutex<Memory>>;

#[derive(Default)]
struct Memory {
    rings: Vec<Ring>,
    answer: Answer,
}

#[derive(Clone, Copy, Default)]
enum Answer {
    #[default]
    Taken,
    Status(u16),
    Never,
}

/// One request that was signed well.
#[derive(Debug, Clone, PartialEq)]
pub struct Ring {
    pub id: String,
    pub body: Value,
    pub taken: bool,
}

impl Ring {
    pub fn key(&self) -> &str {
        self.body["data"]["key"].as_str().unwrap()
    }

    pub fn count(&self) -> u64 {
        self.body["data"]["count"].as_u64().unwrap()
    }

    pub fn position(&self) -> u64 {
        self.body["data"]["position"].as_u64().unwrap()
    }
}

impl Shop {
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let heard = Heard::default();
        let router = Router::new().fallback(hear).with_state(heard.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            heard,
            serving,
        }
    }

    pub fn answers(&self, status: u16) {
        self.heard.lock().unwrap().answer = Answer::Status(status);
    }

    pub fn takes(&self) {
        self.heard.lock().unwrap().answer = Answer::Taken;
    }

    pub fn never_answers(&self) {
        self.heard.lock().unwrap().answer = Answer::Never;
    }

    pub fn rings(&self) -> Vec<Ring> {
        self.heard.lock().unwrap().rings.clone()
    }

    pub fn keys(&self) -> Vec<String> {
        self.rings()
            .iter()
            .map(|ring| ring.key().to_owned())
            .collect()
    }

    /// Waits until it heard as many.
    pub async fn hears(&self, count: usize) -> Vec<Ring> {
        let what = format!("{count} rings");
        until(PATIENCE, &what, async || {
            let rings = self.rings();
            (rings.len() >= count).then_some(rings)
        })
        .await
    }

    /// Settings of a doorbell at this shop.
    pub fn doorbell(&self, name: &str, more: &str) -> String {
        format!(
            "[[channels.doorbells]]\nname = '{name}'\nurl = '{}'\nallow_internal = ['127.0.0.1']\nsecrets = ['{SECRET}']\ntimeout = '2s'\n{more}\n",
            self.url
        )
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Of channel furniture.
pub fn config(channel: &str, doorbells: &[String]) -> Config {
    let text = format!(
        "[[channels]]\nchannel = 'furniture'\n{channel}\n{}",
        doorbells.concat()
    );
    toml::from_str(&text).unwrap()
}

async fn hear(State(heard): State<Heard>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    assert_eq!(
        header("webhook-signature"),
        signature(&id, &timestamp, &body)
    );
    let answer = {
        let mut heard = heard.lock().unwrap();
        let answer = heard.answer;
        heard.rings.push(Ring {
            id,
            body: serde_json::from_slice(&body).unwrap(),
            taken: matches!(answer, Answer::Taken),
        });
        answer
    };
    match answer {
        Answer::Taken => (StatusCode::OK, String::new()),
        Answer::Status(status) => (StatusCode::from_u16(status).unwrap(), "no".into()),
        Answer::Never => {
            std::future::pending::<()>().await;
            unreachable!("it never answers")
        }
    }
}

/// As a shop reads the standard.
fn signature(id: &str, timestamp: &str, body: &[u8]) -> String {
    let secret = STANDARD
        .decode(SECRET.trim_start_matches("whsec_"))
        .unwrap();
    let signed = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), &signed);
    format!("v1,{}", STANDARD.encode(tag))
}

/// What each `webhook-id` stood for, if it always stood for the same.
pub fn told_by_id(rings: &[Ring]) -> BTreeMap<String, Value> {
    let mut told = BTreeMap::new();
    for ring in rings {
        let before = told.insert(ring.id.clone(), ring.body.clone());
        assert!(before.is_none_or(|before| before == ring.body), "{ring:?}");
    }
    told
}
