//! What the rules decided → events of the feed.

use std::collections::HashMap;

use bytes::Bytes;
use jiff::Timestamp;
use millrace_event_store::{Cause, Expected, NewEvent, Recorded, StreamAppend};
use uuid::Uuid;

use crate::domain::shelf::{Event, Mark};
use crate::domain::view::View;
use crate::read_model::Known;
use crate::wire::{self, Subject, WireError};

/// A record as it may be told.
pub(crate) struct Content {
    pub subject: Subject,
    /// As the channel may see it; `None`: not at all.
    pub visible: Option<Bytes>,
    /// As it was known last, to say of what a withdrawal is.
    pub last: Bytes,
}

impl Content {
    pub(crate) fn of(known: &Known, view: &View) -> Result<Self, WireError> {
        let (subject, _) = Subject::of(&known.kind)?;
        let visible = if known.deleted {
            None
        } else {
            wire::visible(subject, view, &known.payload)?
        };
        Ok(Self {
            subject,
            visible,
            last: known.payload.clone(),
        })
    }

    pub(crate) fn mark(&self) -> Option<Mark> {
        self.visible.as_ref().map(wire::mark)
    }
}

/// Why something is told now.
pub(crate) struct Story {
    /// Ids of events are made from it, so that telling again is recognised.
    id: Uuid,
    /// The record that set it off is told under its own id.
    of_itself: Option<String>,
    erp: Option<String>,
    occurred_at: Timestamp,
    cause: Cause,
}

impl Story {
    /// A record arrived.
    pub(crate) fn of(recorded: &Recorded) -> Self {
        let event = &recorded.event;
        let mut cause = event.cause.clone();
        // Who works in the ERP is a person's name and nothing a shop needs: it hears that it was that ERP.
        cause.actor = event.erp.clone().unwrap_or_default();
        Self {
            id: event.id,
            of_itself: Some(event.key.clone()),
            erp: event.erp.clone(),
            occurred_at: event.occurred_at,
            cause,
        }
    }

    /// The channel's settings changed.
    pub(crate) fn of_settings(id: Uuid, view: &View, now: Timestamp) -> Self {
        let cause = Cause {
            correlation_id: id,
            causation_id: None,
            traceparent: None,
            actor: "shop-delivery".to_owned(),
        };
        Self {
            id,
            of_itself: None,
            erp: Some(view.erp().to_string()),
            occurred_at: now,
            cause,
        }
    }

    fn event(&self, view: &View, key: &str, kind: &str, payload: Bytes, deleted: bool) -> NewEvent {
        let itself = self.of_itself.as_deref() == Some(key);
        let mut cause = self.cause.clone();
        if !itself && self.of_itself.is_some() {
            cause.causation_id = Some(self.id);
        }
        NewEvent {
            id: if itself {
                self.id
            } else {
                Uuid::new_v5(&self.id, key.as_bytes())
            },
            kind: kind.to_owned(),
            key: key.to_owned(),
            erp: self.erp.clone(),
            channel: Some(view.channel().to_string()),
            occurred_at: self.occurred_at,
            cause,
            payload,
            deleted,
        }
    }
}

/// The events that tell it, one stream per key, in order.
pub(crate) fn appends(
    events: &[Event],
    contents: &HashMap<String, Content>,
    view: &View,
    story: &Story,
) -> Vec<StreamAppend> {
    events
        .iter()
        .filter_map(|event| append(event, contents, view, story))
        .collect()
}

fn append(
    event: &Event,
    contents: &HashMap<String, Content>,
    view: &View,
    story: &Story,
) -> Option<StreamAppend> {
    let (key, told) = match event {
        Event::ItemTold { key, .. } | Event::RecordTold { key, .. } => (key, true),
        Event::ItemWithdrawn { key } | Event::RecordWithdrawn { key } => (key, false),
    };
    let content = contents.get(key)?;
    let event = if told {
        let payload = content.visible.clone()?;
        story.event(view, key, content.subject.changed(), payload, false)
    } else {
        let payload = wire::deletion(content.subject, &content.last);
        story.event(view, key, content.subject.deleted(), payload, true)
    };
    Some(StreamAppend {
        stream: key.clone(),
        expected: Expected::Any,
        events: vec![event],
    })
}

/// The same event, told as it is.
pub(crate) fn as_it_is(recorded: &Recorded) -> StreamAppend {
    StreamAppend {
        stream: recorded.stream.to_string(),
        expected: Expected::Any,
        events: vec![recorded.event.clone()],
    }
}
