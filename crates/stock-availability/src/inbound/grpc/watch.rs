//! Tells a caller every change of what it watches: the figures as they are now, then each that differs from what it was
//! told last. A caller that reads slowly misses the figures in between, never the last one.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use millrace_contract::stock::v1::Source;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::answer::Sheet;
use super::desk::{Desk, Window};
use super::question::Asked;
use super::reply::{Reply, Scribe};
use crate::index::{Change, Index, Name, Reading};

/// Replies waiting for a slow caller.
const WAITING: usize = 64;

pub fn replies(
    desk: Arc<Desk>,
    asked: Asked,
    window: Arc<Window>,
) -> BoxStream<'static, Result<Reply, Status>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    // Before the first look: what changes from here on is told.
    let changes = desk.shown().changes();
    tokio::spawn(async move {
        let stop = desk.shutdown.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = sender.closed() => {}
            () = Watcher::new(&desk, &asked, &window).run(changes, &sender) => {}
        }
    });
    ReceiverStream::new(receiver).boxed()
}

/// What the caller was told last; what it would not notice is left out.
#[derive(PartialEq, Eq)]
struct Told {
    known: bool,
    available: i64,
    allocation: i64,
    locations: Vec<(Name, i64)>,
}

struct Watcher<'a> {
    desk: &'a Desk,
    asked: &'a Asked,
    window: &'a Window,
    questions: Vec<(Bytes, Bytes)>,
    /// Places in `questions`, by hash.
    places: HashMap<u64, Vec<usize>>,
    told: Vec<Option<Told>>,
}

impl<'a> Watcher<'a> {
    fn new(desk: &'a Desk, asked: &'a Asked, window: &'a Window) -> Self {
        let copied = |(number, variant): (&[u8], &[u8])| {
            (
                Bytes::copy_from_slice(number),
                Bytes::copy_from_slice(variant),
            )
        };
        let questions: Vec<_> = asked.questions().map(copied).collect();
        let mut places: HashMap<u64, Vec<usize>> = HashMap::new();
        for (at, (number, variant)) in questions.iter().enumerate() {
            if let Some(hash) = Index::question(&window.view, number, variant) {
                places.entry(hash).or_default().push(at);
            }
        }
        let told = questions.iter().map(|_| None).collect();
        Self {
            desk,
            asked,
            window,
            questions,
            places,
            told,
        }
    }

    async fn run(
        mut self,
        mut changes: broadcast::Receiver<Change>,
        sender: &mpsc::Sender<Result<Reply, Status>>,
    ) {
        let all: Vec<usize> = (0..self.questions.len()).collect();
        let mut look_at = all.clone();
        loop {
            for at in look_at {
                let Some(reply) = self.news(at) else { continue };
                if sender.send(Ok(reply)).await.is_err() {
                    return;
                }
            }
            look_at = match changes.recv().await {
                Ok(Change::Question(hash)) => self.places.get(&hash).cloned().unwrap_or_default(),
                Ok(Change::Everything) | Err(RecvError::Lagged(_)) => all.clone(),
                Err(RecvError::Closed) => return,
            };
        }
    }

    fn news(&mut self, at: usize) -> Option<Reply> {
        let (number, variant) = &self.questions[at];
        let index = self.desk.index();
        let mut locations = Vec::new();
        let Reading {
            known,
            available,
            allocation,
            ..
        } = index.look(&self.window.view, number, variant, &mut locations);
        if !self.asked.by_location {
            locations.clear();
        }
        let now = Told {
            known,
            available,
            allocation,
            locations,
        };
        if self.told[at].as_ref() == Some(&now) {
            return None;
        }
        self.told[at] = Some(now);
        let mut bytes = BytesMut::new();
        let mut scribe = Scribe::new(
            self.desk,
            self.window,
            Source::Index,
            self.asked.by_location,
        );
        scribe.answer(
            &mut index.lookup(),
            (number, variant),
            &mut Sheet::on(&mut bytes),
        );
        Some(Reply::Ready(bytes.freeze()))
    }
}
