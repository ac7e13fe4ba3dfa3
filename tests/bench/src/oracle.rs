//! Was it done right? Without this a number does not count.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use millrace_event_store::{EventLog, Recorded};
use uuid::Uuid;

const PAGE: usize = 5_000;

/// What a reader of the feed has to find: positions 1, 2, 3 …; each stream's versions 1, 2, 3 …; no event twice.
#[derive(Default)]
pub struct Witness {
    position: u64,
    versions: HashMap<Arc<str>, u64>,
    ids: HashSet<Uuid>,
}

impl Witness {
    pub fn position(&self) -> u64 {
        self.position
    }

    pub fn see(&mut self, recorded: &Recorded) -> Result<()> {
        let number = recorded.at.number;
        ensure!(
            number == self.position + 1,
            "after position {} came {number}",
            self.position
        );
        self.position = number;
        let version = self
            .versions
            .entry(Arc::clone(&recorded.stream))
            .or_default();
        ensure!(
            recorded.version == *version + 1,
            "in {} after version {version} came {}",
            recorded.stream,
            recorded.version
        );
        *version = recorded.version;
        ensure!(
            self.ids.insert(recorded.event.id),
            "event {} is there twice",
            recorded.event.id
        );
        Ok(())
    }
}

/// The whole feed, from its beginning, is as a [`Witness`] wants it and holds what was acknowledged.
pub async fn feed_is_whole(log: &Arc<dyn EventLog>, acknowledged: u64) -> Result<()> {
    let mut witness = Witness::default();
    loop {
        let page = log.read_feed(witness.position(), PAGE).await?;
        for recorded in &page {
            witness.see(recorded)?;
        }
        if page.is_empty() {
            break;
        }
    }
    if witness.position() != acknowledged {
        bail!(
            "{acknowledged} events were acknowledged, {} are stored",
            witness.position()
        );
    }
    Ok(())
}

/// Reads along while others write, until it has seen `stop` say how many there are; each event exactly once, in order.
pub async fn follow(
    log: &Arc<dyn EventLog>,
    stop: tokio::sync::watch::Receiver<Option<u64>>,
) -> Result<()> {
    let mut witness = Witness::default();
    let mut moved = log.moved();
    loop {
        for recorded in &log.read_feed(witness.position(), PAGE).await? {
            witness.see(recorded)?;
        }
        let all = *stop.borrow();
        match all {
            Some(all) if witness.position() >= all => {
                ensure!(
                    witness.position() == all,
                    "{all} events were acknowledged, the follower saw {}",
                    witness.position()
                );
                return Ok(());
            }
            Some(_) | None => {}
        }
        // The log's hint, or soon again: a hint may be for events already read.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(20), moved.changed()).await;
    }
}
