//! Topics → one channel's feed. The only writer of the feed while it holds the lease, and it takes one record at a time, so what
//! it knows of an item does not change under it.

use std::collections::HashMap;

use async_trait::async_trait;
use millrace_event_bus::{HandleError, Handler, Outcome, topics};
use millrace_event_store::{Decider, Recorded, Tx};

use crate::domain::shelf::{Command, Event, Mark, Shelf, State};
use crate::domain::view::View;
use crate::inbound::tell::{self, Content, Story};
use crate::read_model::{self, Known};
use crate::wire::{self, Subject, WireError};

/// What a feed is made of.
pub(crate) const TOPICS: [&str; 4] = ["items", "prices", "inventories", "webshop-orders"];

pub(crate) struct Delivery {
    pub view: View,
}

#[async_trait]
impl Handler for Delivery {
    async fn handle(&self, tx: &mut Tx, recorded: &Recorded) -> Result<Outcome, HandleError> {
        let event = &recorded.event;
        match topics::of_kind(&event.kind).map(|topic| topic.name) {
            Some("items" | "prices" | "inventories")
                if self.view.sees_erp(event.erp.as_deref()) =>
            {
                Ok(self.state(tx, recorded).await?)
            }
            // Personal data in it stays sealed: a shop asks order-intake, which knows whom to tell.
            Some("webshop-orders") if self.view.sees_channel(event.channel.as_deref()) => {
                Ok(Outcome::Append(vec![tell::as_it_is(recorded)]))
            }
            Some(_) | None => Ok(Outcome::Done),
        }
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
    async fn state(&self, tx: &mut Tx, recorded: &Recorded) -> Result<Outcome, HandleError> {
        let event = &recorded.event;
        let (subject, deleted) = match Subject::of(&event.kind) {
            Ok((subject, deleted)) => (subject, deleted || event.deleted),
            Err(error) => return Ok(parked(&error)),
        };
        // A deletion comes without content: what it belonged to is known here, or there is nothing to delete.
        let item_key = if deleted {
            let known = read_model::pair(tx, &event.key, &event.key).await?.pop();
            match known {
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
        let mut known = read_model::pair(tx, &event.key, &item_key).await?;
        let mut take = |key: &str| {
            let index = known.iter().position(|known| known.key == key)?;
            Some(known.swap_remove(index))
        };
        let own = take(&event.key);
        let item = take(&item_key);
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
            Subject::Item => self.item(tx, arrival).await,
            Subject::Price | Subject::Inventory => self.record(tx, arrival).await,
        }
    }

    async fn item(&self, tx: &mut Tx, arrival: Arrival<'_>) -> Result<Outcome, HandleError> {
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
            for known in read_model::of_item(tx, key).await? {
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
        self.remember(tx, &arrival, shown_after(shown, &events, key))
            .await?;
        for event in &events {
            match event {
                Event::RecordTold { key, mark } => {
                    read_model::set_shown(tx, key, Some(*mark)).await?
                }
                Event::RecordWithdrawn { key } => read_model::set_shown(tx, key, None).await?,
                Event::ItemTold { .. } | Event::ItemWithdrawn { .. } => {}
            }
        }
        Ok(self.told(&events, &contents, arrival.recorded))
    }

    async fn record(&self, tx: &mut Tx, arrival: Arrival<'_>) -> Result<Outcome, HandleError> {
        let content = match self.content(&arrival) {
            Ok(content) => content,
            Err(error) => return Ok(parked(&error)),
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
        self.remember(tx, &arrival, shown_after(shown, &events, key))
            .await?;
        let contents = HashMap::from([(key.clone(), content)]);
        Ok(self.told(&events, &contents, arrival.recorded))
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

    async fn remember(
        &self,
        tx: &mut Tx,
        arrival: &Arrival<'_>,
        shown: Option<Mark>,
    ) -> Result<(), HandleError> {
        let recorded = arrival.recorded;
        let known = Known {
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
        };
        Ok(read_model::put(tx, &known).await?)
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
