//! From the moment a hint of the ERP reaches `/hooks` until the change is on a shop's open feed, on Kafka and PostgreSQL,
//! against the sum of the bare stages.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use millrace_contract::changes::v1 as changes;
use millrace_contract::changes::v1::change_feed_service_client::ChangeFeedServiceClient;
use millrace_contract::changes::v1::subscribe_response::Message as Fed;
use millrace_contract::items::v1::ItemChanged;
use millrace_test_rig::{Kafka, Postgres};
use prost::Message;
use serde_json::{Value, json};
use tonic::Streaming;

use super::lookup::{authorized, connect};
use crate::case::{Arm, Better, Card, Case, Floor, Length};
use crate::hints::Hints;
use crate::stages;
use crate::statistics::median;
use crate::system::{self, CHANNEL, System};

/// The services a change passes through; the others have processes of their own, elsewhere.
const ON_THE_WAY: [&str; 2] = ["catalog-sync", "shop-delivery"];
/// Changes per run.
const CHANGES: usize = 50;
/// Changes before anything is measured: a Kafka that has just started compiles itself for the first hundreds.
const WARM_UP: usize = 300;
const PATIENCE: Duration = Duration::from_secs(30);

pub struct ErpToShopCase {
    postgres: Postgres,
    kafka: Kafka,
    system: System,
    hints: Hints,
    erp: Erp,
    feed: Streaming<changes::SubscribeResponse>,
    /// Positions and event ids of the feed's changes, as they came.
    positions: Vec<u64>,
    ids: HashSet<String>,
    changed: u64,
    seen: u64,
}

impl ErpToShopCase {
    pub async fn new() -> Result<ErpToShopCase> {
        let postgres = millrace_test_rig::postgres().await;
        let kafka = millrace_test_rig::kafka().await;
        let database = postgres.create_database("bench").await?;
        let passing = system::free()?;
        let bootstrap = kafka.bootstrap();
        let system = System::start(
            &ON_THE_WAY,
            &["--webhook-delay", "0s", "--budget", "1000000/300s"],
            |_| {
                vec![
                    ("MILLRACE_DATABASE__URL", database),
                    ("MILLRACE_BUS__KIND", "kafka".to_owned()),
                    ("MILLRACE_BUS__KAFKA__BOOTSTRAP", bootstrap),
                    (
                        "MILLRACE_BUS__KAFKA__PREFIX",
                        format!("{}.", millrace_test_rig::unique("bench")),
                    ),
                    ("MILLRACE_BUS__KAFKA__REPLICATION", "1".to_owned()),
                    (
                        "MILLRACE_PERSONAL__KEY",
                        "bWlsbHJhY2UtYmVuY2gtMzItYnl0ZXMtbG9uZy1rZXk=".to_owned(),
                    ),
                    (
                        "MILLRACE_ERP__WEBHOOKS__PUBLIC_ADDRESS",
                        format!("http://{passing}/hooks"),
                    ),
                    // So seldom that a change which waited for the poll would be seen in the figure at once.
                    ("MILLRACE_ERP__READING__QUEUE_INTERVAL", "20s".to_owned()),
                ]
            },
        )
        .await?;
        let hints = Hints::start(passing, system.addresses.hooks).await?;
        let (feed, item) = subscribe(&system).await?;
        let erp = Erp::sign_in(&format!("http://{}", system.addresses.simulator), item).await?;
        let mut case = ErpToShopCase {
            postgres,
            kafka,
            system,
            hints,
            erp,
            feed,
            positions: Vec::new(),
            ids: HashSet::new(),
            changed: 0,
            seen: 0,
        };
        case.wait_for_hints().await?;
        for _ in 0..WARM_UP {
            case.change().await?;
        }
        Ok(case)
    }

    /// Subscriptions are made behind the first sync: changes an item until the ERP tells of it.
    async fn wait_for_hints(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let name = self.rename().await?;
            if tokio::time::timeout(Duration::from_secs(2), self.hints.next())
                .await
                .is_ok()
            {
                self.arrival(&name).await?;
                return Ok(());
            }
            self.arrival(&name).await?;
            ensure!(
                Instant::now() < deadline,
                "the ERP has sent no hint in two minutes"
            );
        }
    }

    async fn rename(&mut self) -> Result<String> {
        self.changed += 1;
        let name = format!("Bench chair {}", self.changed);
        self.erp.rename(&name).await?;
        Ok(name)
    }

    /// Reads the feed until the item with that name comes by, and says when it did.
    async fn arrival(&mut self, name: &str) -> Result<Instant> {
        loop {
            let fed = tokio::time::timeout(PATIENCE, self.feed.message()).await;
            let fed =
                fed.with_context(|| format!("{name} did not reach the feed in {PATIENCE:?}"))??;
            let now = Instant::now();
            let Some(Fed::Change(change)) = fed.context("the feed ended")?.message else {
                continue;
            };
            let envelope = change.envelope.context("a change has no envelope")?;
            self.positions.push(envelope.position);
            ensure!(
                self.ids.insert(envelope.id.clone()),
                "event {} came twice",
                envelope.id
            );
            let is_item = envelope.r#type == "millrace.items.v1.ItemChanged";
            if is_item
                && ItemChanged::decode(change.payload)?
                    .item
                    .is_some_and(|item| item.display_name == name)
            {
                self.seen += 1;
                return Ok(now);
            }
        }
    }

    async fn subject(&mut self) -> Result<f64> {
        let mut took = Vec::with_capacity(CHANGES);
        for _ in 0..CHANGES {
            took.push(self.change().await?);
        }
        median(&took).context("nothing was measured")
    }

    /// Milliseconds from a change's hint to its arrival.
    async fn change(&mut self) -> Result<f64> {
        self.hints.forget();
        let name = self.rename().await?;
        let began = tokio::time::timeout(PATIENCE, self.hints.next())
            .await
            .context("the ERP sent no hint")?;
        let arrived = self.arrival(&name).await?;
        let took = arrived.duration_since(began.context("the hints ended")?);
        Ok(took.as_secs_f64() * 1000.0)
    }

    async fn stages(&mut self) -> Result<f64> {
        let payload = self.erp.item_as_json.clone();
        let get = stages::get(
            &self.erp.client,
            &self.erp.changes_url().await?,
            &self.erp.token,
        )
        .await?;
        let first = stages::append(&self.postgres).await?;
        let hop = stages::kafka_hop(&self.kafka.bootstrap(), &payload).await?;
        let second = stages::append(&self.postgres).await?;
        let message = stages::grpc_message(payload).await?;
        Ok(get + first + hop + second + message)
    }
}

#[async_trait]
impl Case for ErpToShopCase {
    fn card(&self) -> Card {
        Card {
            name: "erp-to-shop-p50",
            unit: "ms",
            better: Better::Lower,
            floor: Floor::Ratio(2.5),
            goal: 1.5,
            length: Length::Short,
            baseline: "the sum of the bare stages: a GET to the simulator, an INSERT, a Kafka hop, an INSERT, a message on an open gRPC stream",
        }
    }

    async fn run(&mut self, arm: Arm) -> Result<f64> {
        match arm {
            Arm::Subject => self.subject().await,
            Arm::Baseline => self.stages().await,
        }
    }

    /// Every change came, none twice, in the order of the feed's positions. (Twice is refused as it comes.)
    async fn check(&mut self) -> Result<()> {
        ensure!(
            self.seen == self.changed,
            "{} changes were made, {} came",
            self.changed,
            self.seen
        );
        let live = self.positions.windows(2).all(|pair| pair[0] < pair[1]);
        ensure!(live, "the feed's positions went back");
        ensure!(
            system::resident_mib(self.system.millrace.id()).is_ok(),
            "the process is gone"
        );
        Ok(())
    }
}

/// A feed that is live, and the number of an item: what was there before is read and forgotten.
async fn subscribe(system: &System) -> Result<(Streaming<changes::SubscribeResponse>, String)> {
    let mut client = ChangeFeedServiceClient::new(connect(system.addresses.grpc).await?);
    let request = changes::SubscribeRequest {
        channel: CHANNEL.to_owned(),
        consumer: "bench".to_owned(),
        start: Some(changes::Start {
            at: Some(changes::start::At::Snapshot(true)),
        }),
        kinds: vec!["items".to_owned()],
    };
    let mut feed = client.subscribe(authorized(request)).await?.into_inner();
    let (mut known, mut live) = (None, false);
    while known.is_none() || !live {
        let fed = tokio::time::timeout(Duration::from_secs(60), feed.message())
            .await
            .context("the feed does not catch up")??;
        match fed.context("the feed ended")?.message {
            Some(Fed::Change(change)) => {
                known = ItemChanged::decode(change.payload)?.item.or(known);
            }
            Some(Fed::CaughtUpToken(_)) => live = true,
            _ => {}
        }
    }
    let item = known.context("the shop shows no item")?;
    Ok((feed, item.number))
}

/// The simulator as its users see it: an API client and a person in the office.
struct Erp {
    client: reqwest::Client,
    address: String,
    token: String,
    company: String,
    item: String,
    item_as_json: Bytes,
}

impl Erp {
    async fn sign_in(address: &str, item: String) -> Result<Erp> {
        let client = reqwest::Client::new();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "millrace-demo"),
            ("client_secret", "millrace-demo"),
            ("scope", "https://api.businesscentral.dynamics.com/.default"),
        ];
        let answer = client
            .post(format!("{address}/demo/oauth2/v2.0/token"))
            .form(&form)
            .send()
            .await?
            .error_for_status()?;
        let answer: Value = answer.json().await?;
        let token = answer["access_token"]
            .as_str()
            .context("the simulator gave no token")?
            .to_owned();
        let mut erp = Erp {
            client,
            address: address.to_owned(),
            token,
            company: String::new(),
            item,
            item_as_json: Bytes::new(),
        };
        let companies = erp.read("api/v2.0/companies").await?;
        erp.company = companies["value"][0]["id"]
            .as_str()
            .context("the simulator has no company")?
            .to_owned();
        let path = format!(
            "api/v2.0/companies({})/items?$filter=number eq '{}'",
            erp.company, erp.item
        );
        let items = erp.read(&path).await?;
        erp.item_as_json = items["value"][0].to_string().into();
        Ok(erp)
    }

    fn url(&self, path: &str) -> String {
        format!("{}/v2.0/demo/production/{path}", self.address)
    }

    async fn read(&self, path: &str) -> Result<Value> {
        Ok(self
            .client
            .get(self.url(path))
            .bearer_auth(&self.token)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?)
    }

    /// What the service asks after a hint: the newest change, with its entry.
    async fn changes_url(&self) -> Result<String> {
        let queue = format!("api/millrace/commerce/v1.0/companies({})", self.company);
        let info = self.read(&format!("{queue}/companionInfo")).await?;
        let boundary = info["value"][0]["boundary"]
            .as_i64()
            .context("the companion tells no boundary")?;
        Ok(self.url(&format!(
            "{queue}/changeWindows({})?$expand=entries",
            boundary - 2
        )))
    }

    async fn rename(&self, name: &str) -> Result<()> {
        let act = json!({ "number": self.item, "name": name });
        self.client
            .post(format!("{}/_office/change-item", self.address))
            .json(&act)
            .send()
            .await?
            .error_for_status()?;
        Ok(())
    }
}
