//! Follows orders live: woken by the log, never by a timer.

use std::collections::{BTreeSet, HashMap};

use millrace_contract::order::v1::WatchOrdersResponse;
use millrace_event_store::StoreError;
use millrace_service_kit::rejection;
use millrace_values::{ChannelCode, OrderNumber};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::desk::{Desk, shown};
use super::refusal;
use crate::domain::stream;

type Answer = Result<WatchOrdersResponse, Status>;

/// Answers waiting for a slow reader; beyond that the log waits for it, where it costs nothing.
const WAITING: usize = 32;
const PAGE: usize = 500;

struct Watch {
    desk: Desk,
    channel: ChannelCode,
    /// Empty: every order of the channel.
    streams: BTreeSet<String>,
    /// Everything up to here was told.
    after: u64,
    /// Versions told of the orders asked for, so that none is told twice.
    told: HashMap<String, u64>,
    answers: mpsc::Sender<Answer>,
}

/// The caller left.
struct Gone;

pub async fn begin(
    desk: Desk,
    channel: ChannelCode,
    numbers: &[OrderNumber],
) -> Result<ReceiverStream<Answer>, Status> {
    let (answers, answered) = mpsc::channel(WAITING);
    // Before the first look: what happens meanwhile is told, not missed.
    let after = desk
        .log
        .head()
        .await
        .map_err(|error| refusal::away(&error))?;
    let streams = numbers
        .iter()
        .map(|number| stream(&channel, number))
        .collect();
    let watch = Watch {
        desk,
        channel,
        streams,
        after,
        told: HashMap::new(),
        answers,
    };
    tokio::spawn(watch.run());
    Ok(ReceiverStream::new(answered))
}

impl Watch {
    async fn run(mut self) {
        let stopping = self.desk.stopping.clone();
        let answers = self.answers.clone();
        tokio::select! {
            () = answers.closed() => {}
            _ = self.follow() => {}
            () = stopping.cancelled() => {
                let _ = answers.try_send(Err(rejection::unavailable("order-intake", "the service is stopping; watch again")));
            }
        }
    }

    async fn follow(&mut self) -> Result<(), Gone> {
        let mut moved = self.desk.log.moved();
        for stream in self.streams.clone() {
            self.tell(&stream).await?;
        }
        loop {
            moved.borrow_and_update();
            while self.step().await? {}
            if moved.changed().await.is_err() {
                return Err(Gone);
            }
        }
    }

    /// A page of the log; `true`: more is waiting.
    async fn step(&mut self) -> Result<bool, Gone> {
        let page = match self.desk.log.read_feed(self.after, PAGE).await {
            Ok(page) => page,
            Err(error) => return self.fail(&error).await,
        };
        let Some(last) = page.last() else {
            return Ok(false);
        };
        self.after = last.at.number;
        let mut changed = BTreeSet::new();
        for recorded in &page {
            let ours = recorded.event.channel.as_deref() == Some(self.channel.as_str());
            let asked = self.streams.is_empty() || self.streams.contains(&*recorded.stream);
            if ours && asked {
                changed.insert(recorded.stream.to_string());
            }
        }
        for stream in changed {
            self.tell(&stream).await?;
        }
        Ok(page.len() == PAGE)
    }

    /// The order as it is, unless this was told already. Of an order nobody took there is nothing to tell yet.
    async fn tell(&mut self, stream: &str) -> Result<(), Gone> {
        let loaded = match self.desk.orders.load(stream).await {
            Ok(Some(loaded)) => loaded,
            Ok(None) => return Ok(()),
            Err(error) => return self.fail(&error).await.map(|_| ()),
        };
        let version = loaded.taken.version;
        if self.told.get(stream).is_some_and(|told| *told >= version) {
            return Ok(());
        }
        if !self.streams.is_empty() {
            self.told.insert(stream.to_owned(), version);
        }
        let answer = WatchOrdersResponse {
            order: shown(&loaded.taken),
        };
        self.answers.send(Ok(answer)).await.map_err(|_| Gone)
    }

    /// The caller begins again; it must not believe that nothing happens.
    async fn fail(&mut self, error: &StoreError) -> Result<bool, Gone> {
        let _ = self.answers.send(Err(refusal::away(error))).await;
        Err(Gone)
    }
}
