//! Stock lookups over gRPC, one and a hundred at once, against a bare echo of the same bytes behind the same layers. Both
//! servers are processes; the caller leaves messages as bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use http::uri::PathAndQuery;
use millrace_contract::catalog::v1 as catalog;
use millrace_contract::catalog::v1::catalog_service_client::CatalogServiceClient;
use millrace_contract::stock::v1 as stock;
use prost::Message;
use tempfile::TempDir;
use tonic::Request;
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};

use crate::case::{Arm, Better, Card, Case, Floor, Length};
use crate::raw::Raw;
use crate::system::{CHANNEL, Process, SHOP_TOKEN, System};
use crate::{echo, load, system};

/// Far more items than a cache holds figures of.
const ITEMS: &str = "5000";

/// Several connections: one is one lock in the server.
const CONNECTIONS: usize = 4;
const CALLERS: u64 = 64;

pub struct LookupCase {
    card: Card,
    path: PathAndQuery,
    questions: Arc<Vec<Bytes>>,
    subject: SocketAddr,
    baseline: SocketAddr,
    _system: System,
    _echo: Process,
    _answers: TempDir,
}

impl LookupCase {
    pub async fn unary() -> Result<LookupCase> {
        let card = Card {
            name: "lookup-unary",
            unit: "calls/s",
            better: Better::Higher,
            floor: Floor::Ratio(0.90),
            goal: 1.00,
            length: Length::Short,
            baseline: "a bare tonic echo of the same bytes behind the same layers (token check, limits, metrics)",
        };
        LookupCase::new(
            card,
            "/millrace.stock.v1.StockService/GetAvailability",
            |skus| skus.iter().map(one).collect(),
        )
        .await
    }

    pub async fn batch() -> Result<LookupCase> {
        let card = Card {
            name: "lookup-batch-100",
            unit: "calls/s",
            better: Better::Higher,
            floor: Floor::Ratio(0.75),
            goal: 0.90,
            length: Length::Short,
            baseline: "a bare tonic echo of answers of the same size behind the same layers",
        };
        let hundreds = |skus: &[stock::Sku]| {
            // Each begins elsewhere and steps far, so that neighbours in memory are not neighbours in a question.
            (0..skus.len())
                .map(|first| {
                    many(
                        (0..100)
                            .map(|step| skus[(first + step * 37) % skus.len()].clone())
                            .collect(),
                    )
                })
                .collect()
        };
        LookupCase::new(
            card,
            "/millrace.stock.v1.StockService/BatchGetAvailability",
            hundreds,
        )
        .await
    }

    async fn new(
        card: Card,
        path: &'static str,
        questions: impl FnOnce(&[stock::Sku]) -> Vec<Bytes>,
    ) -> Result<LookupCase> {
        let system = System::start(system::ALL, &["--scale", ITEMS], |_| Vec::new()).await?;
        let subject = system.addresses.grpc;
        let skus = scattered(known_skus(subject).await?);
        let questions = questions(&skus);
        let path = PathAndQuery::from_static(path);
        let answer = call(&connect(subject).await?, &path, questions[0].clone()).await?;
        let answers = tempfile::tempdir()?;
        for name in [echo::UNARY, echo::BATCH] {
            std::fs::write(answers.path().join(name), &answer)?;
        }
        let (echo, baseline) = system::start_echo(answers.path()).await?;
        Ok(LookupCase {
            card,
            path,
            questions: Arc::new(questions),
            subject,
            baseline,
            _system: system,
            _echo: echo,
            _answers: answers,
        })
    }
}

#[async_trait]
impl Case for LookupCase {
    fn card(&self) -> Card {
        self.card.clone()
    }

    async fn run(&mut self, arm: Arm) -> Result<f64> {
        let address = match arm {
            Arm::Subject => self.subject,
            Arm::Baseline => self.baseline,
        };
        let mut channels = Vec::new();
        for _ in 0..CONNECTIONS {
            channels.push(connect(address).await?);
        }
        let next = Arc::new(AtomicUsize::new(0));
        let driven = load::drive(CALLERS, |caller| {
            let channel = channels[caller as usize % CONNECTIONS].clone();
            let (questions, path, next) = (
                Arc::clone(&self.questions),
                self.path.clone(),
                Arc::clone(&next),
            );
            move || {
                let question =
                    questions[next.fetch_add(1, Ordering::Relaxed) % questions.len()].clone();
                let (channel, path) = (channel.clone(), path.clone());
                async move {
                    call(&channel, &path, question).await?;
                    Ok(())
                }
            }
        })
        .await?;
        Ok(driven.per_second)
    }

    /// Every answer is about what was asked, in its order, and known.
    async fn check(&mut self) -> Result<()> {
        let channel = connect(self.subject).await?;
        for question in self.questions.iter().step_by(7) {
            let answer = call(&channel, &self.path, question.clone()).await?;
            let (asked, answered) = if self.card.name == "lookup-unary" {
                let asked = stock::GetAvailabilityRequest::decode(question.clone())?;
                let answered = stock::GetAvailabilityResponse::decode(answer)?;
                (
                    asked.sku.into_iter().collect(),
                    answered.availability.into_iter().collect(),
                )
            } else {
                let asked = stock::BatchGetAvailabilityRequest::decode(question.clone())?;
                (
                    asked.skus,
                    stock::BatchGetAvailabilityResponse::decode(answer)?.availabilities,
                )
            };
            let (asked, answered): (Vec<stock::Sku>, Vec<stock::Availability>) = (asked, answered);
            ensure!(
                asked.len() == answered.len(),
                "{} were asked for, {} answered",
                asked.len(),
                answered.len()
            );
            for (sku, availability) in asked.iter().zip(&answered) {
                ensure!(
                    availability.sku.as_ref() == Some(sku),
                    "asked for {sku:?}, answered {availability:?}"
                );
                ensure!(
                    availability.known && availability.available.is_some(),
                    "{sku:?} has no figure"
                );
            }
        }
        Ok(())
    }
}

fn one(sku: &stock::Sku) -> Bytes {
    let question = stock::GetAvailabilityRequest {
        channel: CHANNEL.to_owned(),
        sku: Some(sku.clone()),
        ..Default::default()
    };
    question.encode_to_vec().into()
}

fn many(skus: Vec<stock::Sku>) -> Bytes {
    stock::BatchGetAvailabilityRequest {
        channel: CHANNEL.to_owned(),
        skus,
        ..Default::default()
    }
    .encode_to_vec()
    .into()
}

/// An order that no cache foresees, the same in every run.
fn scattered(skus: Vec<stock::Sku>) -> Vec<stock::Sku> {
    let count = skus.len();
    // A step that shares no factor with any count below it visits everything.
    let step = 7_919;
    let mut indices: Vec<usize> = (0..count).map(|at| at * step % count.max(1)).collect();
    if count.is_multiple_of(step) {
        indices = (0..count).collect();
    }
    indices.into_iter().map(|at| skus[at].clone()).collect()
}

pub async fn connect(address: SocketAddr) -> Result<Channel> {
    Ok(Endpoint::from_shared(format!("http://{address}"))?
        .tcp_nodelay(true)
        .connect()
        .await?)
}

async fn call(channel: &Channel, path: &PathAndQuery, question: Bytes) -> Result<Bytes> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.context("the server is gone")?;
    let answer = client
        .unary(authorized(question), path.clone(), Raw)
        .await?;
    Ok(answer.into_inner())
}

pub fn authorized<T>(message: T) -> Request<T> {
    let token: MetadataValue<Ascii> =
        MetadataValue::from_static("Bearer demo-furniture-shop-token");
    debug_assert!(
        token
            .to_str()
            .is_ok_and(|token| token.ends_with(SHOP_TOKEN))
    );
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", token);
    request
}

/// Everything the channel shows that has a figure, once figures are there.
pub async fn known_skus(address: SocketAddr) -> Result<Vec<stock::Sku>> {
    let channel = connect(address).await?;
    let skus = all_skus(&channel).await?;
    let path = PathAndQuery::from_static("/millrace.stock.v1.StockService/BatchGetAvailability");
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let mut known = Vec::new();
        for asked in skus.chunks(1000) {
            let answer = call(&channel, &path, many(asked.to_vec())).await?;
            let answer = stock::BatchGetAvailabilityResponse::decode(answer)?;
            known.extend(
                answer
                    .availabilities
                    .into_iter()
                    .filter(|answer| answer.known)
                    .filter_map(|answer| answer.sku),
            );
        }
        // Not every item needs to have stock somewhere.
        if known.len() * 10 > skus.len() * 9 {
            return Ok(known);
        }
        ensure!(
            Instant::now() < deadline,
            "of {} items only {} have a figure after two minutes",
            skus.len(),
            known.len()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn all_skus(channel: &Channel) -> Result<Vec<stock::Sku>> {
    let mut client = CatalogServiceClient::new(channel.clone());
    let mut skus = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = catalog::ListItemsRequest {
            channel: CHANNEL.to_owned(),
            page_size: 1000,
            page_token,
            include_unreleased: false,
        };
        let page = client.list_items(authorized(request)).await?.into_inner();
        for item in page.items.into_iter().filter_map(|item| item.item) {
            let sku = |variant_code: String| stock::Sku {
                item_number: item.number.clone(),
                variant_code,
            };
            if item.variants.is_empty() {
                skus.push(sku(String::new()));
            }
            skus.extend(
                item.variants
                    .iter()
                    .map(|variant| sku(variant.code.clone())),
            );
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    ensure!(!skus.is_empty(), "the channel shows no items");
    Ok(skus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scattering_keeps_every_question() {
        let skus: Vec<stock::Sku> = (0..1000)
            .map(|number| stock::Sku {
                item_number: number.to_string(),
                variant_code: String::new(),
            })
            .collect();
        let mut numbers: Vec<String> = scattered(skus.clone())
            .into_iter()
            .map(|sku| sku.item_number)
            .collect();
        assert_ne!(numbers[1], "1");
        numbers.sort_by_key(|number| number.parse::<u32>().unwrap());
        assert_eq!(
            numbers,
            skus.into_iter()
                .map(|sku| sku.item_number)
                .collect::<Vec<_>>()
        );
    }
}
