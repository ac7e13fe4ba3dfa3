//! A record that is kept aside is told to whoever reads the logs: once, and again when it is mended.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use millrace_event_bus::{list_parked, retry_parked};
use tracing::Level;
use tracing::subscriber::DefaultGuard;

use crate::handler::Obedient;
use crate::world::{World, append, item, order, price, taken, until};

/// What this thread logs.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn listen() -> (Self, DefaultGuard) {
        let lines = Self::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(Level::INFO)
            .with_writer(move || writer.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    fn with(&self, words: &str) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.0.lock().expect("unpoisoned")).into_owned();
        text.lines()
            .filter(|line| line.contains(words))
            .map(ToOwned::to_owned)
            .collect()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("unpoisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_parked_record_is_told_once_with_its_reason_and_again_when_it_is_handled() {
    let world = World::embedded();
    let (lines, _listening) = Lines::listen();
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    let handler = Arc::new(Obedient::default());
    let (consumer, meter) =
        world.consume(world.consumer(&["webshop-orders"], &sink, handler.clone()));
    append(
        &log,
        [order(&log, "o-7", "poison"), order(&log, "o-8", "1")],
    )
    .await;
    let kept = async || list_parked(&sink, 0, 10).await.expect("readable");
    until("it is parked", async || kept().await.len() == 1).await;
    let id = kept().await[0].id;
    retry_parked(&sink, &[id]).await.expect("retried");
    until("it was tried again", async || kept().await[0].attempts == 2).await;
    let told = lines.with("is parked by");
    assert_eq!(told.len(), 1, "{told:?}");
    for words in ["WARN", "webshop-orders", "o-7", "poison"] {
        assert!(told[0].contains(words), "{words} is not in {}", told[0]);
    }
    assert_eq!(lines.with("after all"), [""; 0]);

    handler.antidote.store(true, Ordering::Relaxed);
    retry_parked(&sink, &[id]).await.expect("retried");
    taken(&sink, 2).await;
    until("it is told", async || !lines.with("after all").is_empty()).await;
    let told = lines.with("after all");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("INFO") && told[0].contains("o-7"),
        "{told:?}"
    );
    assert_eq!(meter.read().parked, 1);
    consumer.stop().await;
    relay.stop().await;
}

#[tokio::test]
async fn a_state_that_gives_way_is_told_and_one_that_heals_by_itself_is_only_counted() {
    let world = World::embedded();
    let (lines, _listening) = Lines::listen();
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    let (consumer, meter) =
        world.consume(world.consumer(&["items", "prices"], &sink, Arc::new(Obedient::default())));
    append(
        &log,
        [
            item(&log, "i-1", "poison"),
            price(&log, "p-1", "needs:items/i-2"),
        ],
    )
    .await;
    until("both are kept", async || {
        list_parked(&sink, 0, 10).await.expect("readable").len() == 2
    })
    .await;
    append(
        &log,
        [item(&log, "i-1", "mended"), item(&log, "i-2", "here")],
    )
    .await;
    taken(&sink, 3).await;
    until("it is told", async || {
        !lines.with("has given way").is_empty()
    })
    .await;
    assert_eq!(lines.with("has given way").len(), 1);
    assert_eq!(lines.with("is parked by").len(), 1);
    assert_eq!(lines.with("p-1"), [""; 0]);
    assert_eq!((meter.read().unresolved, meter.read().healed), (1, 1));
    assert_eq!(
        world.bus.board().read().len(),
        1,
        "its meter stands on the bus's board"
    );
    consumer.stop().await;
    relay.stop().await;
}
