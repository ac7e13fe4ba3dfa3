//! The channel's settings changed: what it may see is judged anew, from what is known here, and the differences are told.

use std::collections::HashMap;
use std::sync::Arc;

use millrace_event_store::{
    Append, AppendError, Database, Decider, EventLog, LeaseEpoch, StoreError, load_cursor,
    save_cursor,
};
use thiserror::Error;
use tracing::info;

use crate::domain::shelf::{Command, Event, Shelf, State};
use crate::domain::view::View;
use crate::inbound::tell::{self, Content, Story};
use crate::read_model::{self, Known, Memory};

const PAGE: i64 = 100;
const REVIEWED: &str = "view";

#[derive(Debug, Error)]
pub(crate) enum ReviewError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl From<sqlx::Error> for ReviewError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Does nothing when the view is the one reviewed last. Broken off, it starts again: what was told is then no difference any more,
/// but for the last item, which may be told twice.
pub(crate) async fn review(
    database: &Database,
    log: &Arc<dyn EventLog>,
    view: &View,
    lease: &LeaseEpoch,
) -> Result<(), ReviewError> {
    let signature = view.signature();
    if load_cursor(database, REVIEWED).await?.as_ref() == Some(&signature) {
        return Ok(());
    }
    let (mut after, mut told) = (String::new(), 0_usize);
    loop {
        let items = read_model::items_after(database, &after, PAGE).await?;
        let Some(last) = items.last() else { break };
        after = last.key.clone();
        for item in items {
            told += review_item(database, log, view, lease, item).await?;
        }
    }
    let mut tx = database.begin().await?;
    save_cursor(&mut tx, REVIEWED, &signature).await?;
    tx.commit().await?;
    let channel = view.channel();
    info!(channel = %channel, told, "the view of channel {channel} was reviewed, {told} changes told");
    Ok(())
}

async fn review_item(
    database: &Database,
    log: &Arc<dyn EventLog>,
    view: &View,
    lease: &LeaseEpoch,
    item: Known,
) -> Result<usize, ReviewError> {
    let mut tx = database.begin().await?;
    let mut memory = Memory::default();
    let hanging = memory.of_item(&mut tx, &item.key).await?;
    tx.rollback().await?;
    let mut state = State {
        item: item.shown,
        ..State::default()
    };
    let Ok(content) = Content::of(&item, view) else {
        return Ok(0);
    };
    let visible = content.mark();
    let mut contents = HashMap::from([(item.key.clone(), content)]);
    let mut records = Vec::new();
    for known in hanging {
        let Ok(content) = Content::of(&known, view) else {
            continue;
        };
        records.push((known.key.clone(), content.mark()));
        state
            .records
            .extend(known.shown.map(|mark| (known.key.clone(), mark)));
        contents.insert(known.key, content);
    }
    let Ok(events) = Shelf::decide(
        &state,
        Command::SeeItem {
            key: item.key.clone(),
            visible,
            records,
        },
    );
    if events.is_empty() {
        return Ok(0);
    }
    let story = Story::of_settings(database.new_id(), view, database.clock().now());
    let streams = tell::appends(&events, &contents, view, &story);
    log.append(Append {
        streams,
        idempotency_key: None,
        lease: Some(lease.clone()),
    })
    .await?;
    memory.put(item);
    for event in &events {
        let (key, shown) = match event {
            Event::ItemTold { key, mark } | Event::RecordTold { key, mark } => (key, Some(*mark)),
            Event::ItemWithdrawn { key } | Event::RecordWithdrawn { key } => (key, None),
        };
        memory.set_shown(key, shown);
    }
    let mut tx = database.begin().await?;
    memory.write(&mut tx).await?;
    tx.commit().await?;
    Ok(events.len())
}
