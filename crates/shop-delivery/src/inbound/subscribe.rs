//! A live stream of changes. It reads on when the caller has taken what was read: a slow caller costs one page of memory, and
//! one that leaves costs nothing.

use std::collections::VecDeque;

use futures::{Stream, stream};
use millrace_contract::changes::v1::SubscribeResponse;
use millrace_contract::changes::v1::subscribe_response::Message;
use millrace_event_store::StoreError;
use millrace_service_kit::{Shutdown, rejection};
use tokio::sync::watch;
use tonic::Status;

use crate::inbound::grpc::away;
use crate::inbound::reader::Reader;

/// Events read at once, and bytes of payload held.
const PAGE: usize = 200;
const BYTES: usize = 1 << 20;

pub(crate) struct Subscription {
    reader: Reader,
    ready: VecDeque<SubscribeResponse>,
    moved: watch::Receiver<u64>,
    /// Head of the feed when it began; `None`: the reader was told that it is live.
    catching_up: Option<u64>,
    more: bool,
    shutdown: Shutdown,
}

impl Subscription {
    pub(crate) fn new(
        reader: Reader,
        moved: watch::Receiver<u64>,
        head: u64,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            reader,
            ready: VecDeque::new(),
            moved,
            catching_up: Some(head),
            more: true,
            shutdown,
        }
    }

    pub(crate) fn into_stream(
        self,
    ) -> impl Stream<Item = Result<SubscribeResponse, Status>> + Send {
        stream::try_unfold(self, async |mut subscription| {
            let message = subscription.next().await?;
            Ok(Some((message, subscription)))
        })
    }

    async fn next(&mut self) -> Result<SubscribeResponse, Status> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(message);
            }
            if !self.more {
                tokio::select! {
                    moved = self.moved.changed() => moved.map_err(|_| away(StoreError::Closed))?,
                    () = self.shutdown.cancelled() => {
                        return Err(rejection::stopping("this process is stopping, subscribe again with the last token"));
                    }
                }
            }
            if self.shutdown.is_cancelled() {
                return Err(rejection::stopping(
                    "this process is stopping, subscribe again with the last token",
                ));
            }
            self.read().await.map_err(away)?;
        }
    }

    async fn read(&mut self) -> Result<(), StoreError> {
        // Before reading: what is written meanwhile is a reason to read once more.
        self.moved.borrow_and_update();
        let page = self.reader.page(PAGE, BYTES).await?;
        self.more = page.more;
        self.ready.extend(
            page.changes
                .into_iter()
                .map(|change| response(Message::Change(change))),
        );
        let caught_up = self
            .catching_up
            .is_some_and(|head| self.reader.has_reached(head));
        if caught_up {
            self.catching_up = None;
            self.ready
                .push_back(response(Message::CaughtUpToken(self.reader.token())));
        }
        Ok(())
    }
}

fn response(message: Message) -> SubscribeResponse {
    SubscribeResponse {
        message: Some(message),
    }
}
