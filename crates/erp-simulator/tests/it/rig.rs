//! A simulator on a free port, and a client that speaks to it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use millrace_erp_simulator::{Config, Simulator};
use millrace_service_kit::{Ids, ManualClock};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A running simulator with a client's token.
pub struct Rig {
    pub simulator: Simulator,
    pub http: reqwest::Client,
    pub clock: ManualClock,
    pub token: String,
    pub company: String,
}

/// Status and body of an answer.
pub type Answer = (u16, Value);

impl Rig {
    pub async fn start() -> Self {
        Self::with(Config::default()).await
    }

    pub async fn with(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let clock = ManualClock::at(
            "2026-11-22T10:00:00Z"
                .parse::<Timestamp>()
                .expect("a moment"),
        );
        let simulator =
            Simulator::start_with(config, listener, Arc::new(clock.clone()), Ids::seeded(7))
                .await
                .expect("starts");
        Self {
            clock,
            ..Self::at(simulator).await
        }
    }

    /// A client of a simulator that runs already.
    pub async fn at(simulator: Simulator) -> Self {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .no_proxy()
            .build()
            .expect("a client");
        let mut rig = Self {
            company: simulator.company_id().to_string(),
            simulator,
            http,
            clock: ManualClock::at(Timestamp::UNIX_EPOCH),
            token: String::new(),
        };
        rig.token = rig.new_token().await;
        rig
    }

    pub async fn new_token(&self) -> String {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "millrace-demo"),
            ("client_secret", "millrace-demo"),
            ("scope", "https://api.businesscentral.dynamics.com/.default"),
        ];
        let answer = self
            .http
            .post(self.simulator.token_url())
            .form(&form)
            .send()
            .await
            .expect("an answer");
        let body: Value = answer.json().await.expect("json");
        body["access_token"].as_str().expect("a token").to_owned()
    }

    /// Below `companies(…)` of the companion's API.
    pub fn companion(&self, path: &str) -> String {
        format!(
            "{}/api/millrace/commerce/v1.0/companies({})/{path}",
            self.simulator.base_url(),
            self.company
        )
    }

    /// Below `companies(…)` of the standard API.
    pub fn standard(&self, path: &str) -> String {
        format!(
            "{}/api/v2.0/companies({})/{path}",
            self.simulator.base_url(),
            self.company
        )
    }

    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.http.request(method, url).bearer_auth(&self.token)
    }

    pub async fn get(&self, url: &str) -> Answer {
        answer(self.request(Method::GET, url)).await
    }

    pub async fn post(&self, url: &str, body: &Value) -> Answer {
        answer(self.request(Method::POST, url).json(body)).await
    }

    /// The rows of a collection that must be there.
    pub async fn rows(&self, url: &str) -> Vec<Value> {
        let (status, body) = self.get(url).await;
        assert_eq!(status, 200, "{url}: {body}");
        body["value"].as_array().cloned().unwrap_or_default()
    }

    pub async fn office(&self, act: &str, body: Value) -> Value {
        self.simulator
            .office(act, body)
            .await
            .unwrap_or_else(|refusal| panic!("{act}: {refusal}"))
    }

    /// The change entries after a cursor.
    pub async fn changes(&self, after: i64) -> (Vec<Value>, i64) {
        let (status, body) = self
            .get(&self.companion(&format!("changeWindows({after})?$expand=entries")))
            .await;
        assert_eq!(status, 200, "{body}");
        let entries = body["entries"].as_array().cloned().unwrap_or_default();
        (entries, body["upperBound"].as_i64().expect("a number"))
    }

    /// Where the change queue stands now.
    pub async fn cursor(&self) -> i64 {
        let rows = self.rows(&self.companion("companionInfo")).await;
        rows[0]["boundary"].as_i64().expect("a number") - 1
    }
}

pub async fn answer(request: RequestBuilder) -> Answer {
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// An order of two chairs and a lamp for a retail customer, gross prices, with freight.
pub fn order(number: &str) -> Value {
    json!({
        "channelCode": "OUTLET",
        "orderNumber": number,
        "customerNumber": "20001",
        "orderDate": "2026-11-22",
        "pricesIncludeTax": true,
        "locationCode": "MAIN",
        "freightAmount": 4.90,
        "freightTaxPercent": 19,
        "netAmount": 224.19,
        "taxAmount": 42.60,
        "grossAmount": 266.79,
        "lines": [
            { "lineNumber": 1, "objectNumber": "1000", "variantCode": "WEISS", "quantity": 2, "unitPrice": 93.90,
              "taxPercent": 19 },
            { "lineNumber": 2, "objectNumber": "1501", "quantity": 1, "unitPrice": 81.90, "discountAmount": 7.81,
              "taxPercent": 19 }
        ]
    })
}
