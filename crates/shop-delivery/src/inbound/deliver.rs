//! Topics → one channel's feed. The only writer of the feed while it holds the lease, and it takes one record at a time, so what
//! it knows of an item does not change under it.

use std::collections::HashMap;

use async_trait::async_trait;
use millrace_event_bus::{HandleError, Handler, Outcome, topics};
use millrace_event_store::{Decider, Recorded, StoreError, Tx};
use tokio::sync::Mutex;

use crate::domain::shelf::{Command, Event, Mark, Shelf, State};
use crate::domain::view::View;
use crate::inbound::tell::{self, Content, Story};
use crate::read_model::{Known, Memory};
use crate::wire::{self, Subject, WireError};

/// What a feed is made of.
pub(crate) const TOPICS: [&str; 6] = [
    "items",
    "prices",
    "inventories",
    "webshop-orders",
    "reservations",
    "returns",
];

/// From so many records on what they may need is loaded ahead.
const MANY: usize = 8;

pub(crate) struct Delivery {
    view: View,
    /// Rows of the transaction in hand.
    memory: Mutex<Memory>,
}

#[async_trait]
impl Handler for Delivery {
    async fn handle(&self, tx: &mut Tx, recorded: &Recorded) -> Result<Outcome, HandleError> {
        let event = &recorded.event;
        match topics::of_kind(&event.kind).map(|topic| topic.name) {
            Some("items" | "prices" | "inventories")
                if self.view.sees_erp(event.erp.as_deref()) =>
            {
                let memory = &mut *self.memory.lock().await;
                self.state(tx, memory, recorded).await
            }
            // Personal data in it stays sealed: a shop asks the owner, who knows whom to tell.
            Some("webshop-orders" | "reservations" | "returns")
                if self.view.sees_channel(event.channel.as_deref()) =>
            {
                Ok(Outcome::Append(vec![tell::as_it_is(recorded)]))
            }
            Some(_) | None => Ok(Outcome::Done),
        }
    }

    async fn foresee(&self, tx: &mut Tx, coming: &[&Recorded]) -> Result<(), StoreError> {
        let (mut keys, mut items) = (Vec::new(), Vec::new());
        for recorded in coming {
            let event = &recorded.event;
            let Ok((subject, deleted)) = Subject::of(&event.kind) else {
                continue;
            };
            keys.push(event.key.clone());
            match subject {
                // What hangs on an item is only asked for when it comes or goes: in a first load most do.
                Subject::Item if coming.len() >= MANY => items.push(event.key.clone()),
                Subject::Item => {}
                Subject::Price | Subject::Inventory if !deleted && !event.deleted => {
                    let erp = event.erp.as_deref().unwrap_or_default();
                    keys.extend(wire::item_key(subject, erp, &event.key, &event.payload));
                }
                Subject::Price | Subject::Inventory => {}
            }
        }
        let mut memory = Memory::default();
        memory.load(tx, keys, items).await?;
        *self.memory.lock().await = memory;
        Ok(())
    }

    async fn conclude(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let mut memory = std::mem::take(&mut *self.memory.lock().await);
        Ok(memory.write(tx).await?)
    }
}

/// A record that arrived, beside what was known of it and of its item.
struct Arrival<'a> {
    recorded: &'a Recorded,
    subject: Subject,
    deleted: bool,
    own: Option<Known>,
    /// The item it belongs to; for an item `None`.
    item: Option<Known>,
    item_key: String,
}

impl Delivery {
    pub(crate) fn new(view: View) -> Self {
        Self {
            view,
            memory: Mutex::default(),
        }
    }

    async fn state(
        &self,
        tx: &mut Tx,
        memory: &mut Memory,
        recorded: &Recorded,
    ) -> Result<Outcome, HandleError> {
        let event = &recorded.event;
        let (subject, deleted) = match Subject::of(&event.kind) {
            Ok((subject, deleted)) => (subject, deleted || event.deleted),
            Err(error) => return Ok(parked(&error)),
        };
        // A deletion comes without content: what it belonged to is known here, or there is nothing to delete.
        let item_key = if deleted {
            match memory.get(tx, &event.key).await? {
                Some(known) => known.item,
                None => return Ok(Outcome::Done),
            }
        } else {
            let erp = event.erp.as_deref().unwrap_or_default();
            match wire::item_key(subject, erp, &event.key, &event.payload) {
                Ok(key) => key,
                Err(error) => return Ok(parked(&error)),
            }
        };
        let own = memory.get(tx, &event.key).await?;
        let item = memory.get(tx, &item_key).await?;
        if own.as_ref().is_some_and(|own| is_repeat(own, recorded)) {
            return Ok(Outcome::Done);
        }
        let item_is_there = item.as_ref().is_some_and(|item| !item.deleted);
        if subject != Subject::Item && !deleted && !item_is_there {
            return Ok(Outcome::waits_for("items", &item_key));
        }
        let arrival = Arrival {
            recorded,
            subject,
            deleted,
            own,
            item,
            item_key,
        };
        match subject {
            Subject::Item => self.item(tx, memory, arrival).await,
            Subject::Price | Subject::Inventory => Ok(self.record(memory, arrival)),
        }
    }

    async fn item(
        &self,
        tx: &mut Tx,
        memory: &mut Memory,
        arrival: Arrival<'_>,
    ) -> Result<Outcome, HandleError> {
        let content = match self.content(&arrival) {
            Ok(content) => content,
            Err(error) => return Ok(parked(&error)),
        };
        let key = &arrival.recorded.event.key;
        let shown = arrival.own.as_ref().and_then(|own| own.shown);
        let visible = content.mark();
        let mut state = State {
            item: shown,
            ..State::default()
        };
        let mut contents = HashMap::from([(key.clone(), content)]);
        let mut records = Vec::new();
        // Only when it comes or goes is anything told of what hangs on it.
        if shown.is_some() != visible.is_some() {
            for known in memory.of_item(tx, key).await? {
                let Ok(content) = Content::of(&known, &self.view) else {
                    continue;
                };
                records.push((known.key.clone(), content.mark()));
                state
                    .records
                    .extend(known.shown.map(|mark| (known.key.clone(), mark)));
                contents.insert(known.key, content);
            }
        }
        let command = Command::SeeItem {
            key: key.clone(),
            visible,
            records,
        };
        let Ok(events) = Shelf::decide(&state, command);
        self.remember(memory, &arrival, shown_after(shown, &events, key));
        for event in &events {
            match event {
                Event::RecordTold { key, mark } => memory.set_shown(key, Some(*mark)),
                Event::RecordWithdrawn { key } => memory.set_shown(key, None),
                Event::ItemTold { .. } | Event::ItemWithdrawn { .. } => {}
            }
        }
        Ok(self.told(&events, &contents, arrival.recorded))
    }

    fn record(&self, memory: &mut Memory, arrival: Arrival<'_>) -> Outcome {
        let content = match self.content(&arrival) {
            Ok(content) => content,
            Err(error) => return parked(&error),
        };
        let key = &arrival.recorded.event.key;
        let shown = arrival.own.as_ref().and_then(|own| own.shown);
        let state = State {
            item: arrival.item.as_ref().and_then(|item| item.shown),
            records: shown.map(|mark| (key.clone(), mark)).into_iter().collect(),
        };
        let command = Command::SeeRecord {
            key: key.clone(),
            visible: content.mark(),
        };
        let Ok(events) = Shelf::decide(&state, command);
        self.remember(memory, &arrival, shown_after(shown, &events, key));
        let contents = HashMap::from([(key.clone(), content)]);
        self.told(&events, &contents, arrival.recorded)
    }

    fn content(&self, arrival: &Arrival<'_>) -> Result<Content, WireError> {
        let last = arrival
            .own
            .as_ref()
            .map(|own| own.payload.clone())
            .unwrap_or_default();
        if arrival.deleted {
            return Ok(Content {
                subject: arrival.subject,
                visible: None,
                last,
            });
        }
        let payload = &arrival.recorded.event.payload;
        let visible = wire::visible(arrival.subject, &self.view, payload)?;
        Ok(Content {
            subject: arrival.subject,
            visible,
            last: payload.clone(),
        })
    }

    fn remember(&self, memory: &mut Memory, arrival: &Arrival<'_>, shown: Option<Mark>) {
        let recorded = arrival.recorded;
        memory.put(Known {
            key: recorded.event.key.clone(),
            item: arrival.item_key.clone(),
            kind: recorded.event.kind.clone(),
            payload: if arrival.deleted {
                Default::default()
            } else {
                recorded.event.payload.clone()
            },
            deleted: arrival.deleted,
            epoch: recorded.at.epoch.to_string(),
            position: position(recorded),
            shown,
        });
    }

    fn told(
        &self,
        events: &[Event],
        contents: &HashMap<String, Content>,
        recorded: &Recorded,
    ) -> Outcome {
        let appends = tell::appends(events, contents, &self.view, &Story::of(recorded));
        if appends.is_empty() {
            Outcome::Done
        } else {
            Outcome::Append(appends)
        }
    }
}

/// A topic that is read again from its beginning brings what was taken long ago.
fn is_repeat(own: &Known, recorded: &Recorded) -> bool {
    own.epoch == recorded.at.epoch.to_string() && own.position >= position(recorded)
}

fn position(recorded: &Recorded) -> i64 {
    i64::try_from(recorded.at.number).unwrap_or(i64::MAX)
}

/// What readers know of `key` after `events`.
fn shown_after(before: Option<Mark>, events: &[Event], key: &str) -> Option<Mark> {
    events.iter().fold(before, |shown, event| match event {
        Event::ItemTold { key: told, mark } | Event::RecordTold { key: told, mark }
            if told == key =>
        {
            Some(*mark)
        }
        Event::ItemWithdrawn { key: gone } | Event::RecordWithdrawn { key: gone }
            if gone == key =>
        {
            None
        }
        Event::ItemTold { .. }
        | Event::RecordTold { .. }
        | Event::ItemWithdrawn { .. }
        | Event::RecordWithdrawn { .. } => shown,
    })
}

fn parked(error: &WireError) -> Outcome {
    Outcome::parked(error.to_string())
}
