//! Reads a feed page by page, from wherever a reader stands.

use std::sync::Arc;

use millrace_contract::changes::v1::Change;
use millrace_contract::events::v1::Envelope;
use millrace_event_store::{EventLog, Recorded, StoreError};
use millrace_values::Timestamp;

use crate::inbound::kinds::Chosen;
use crate::inbound::token::{Place, Token};

pub(crate) struct Reader {
    log: Arc<dyn EventLog>,
    chosen: Chosen,
    place: Place,
}

/// What one look brought.
pub(crate) struct Page {
    pub changes: Vec<Change>,
    /// More may be there already.
    pub more: bool,
}

impl Reader {
    pub(crate) fn new(log: Arc<dyn EventLog>, chosen: Chosen, place: Place) -> Self {
        Self { log, chosen, place }
    }

    /// To go on from here.
    pub(crate) fn token(&self) -> String {
        self.token_at(self.place)
    }

    /// Everything up to `position` has been read.
    pub(crate) fn has_reached(&self, position: u64) -> bool {
        match self.place {
            Place::Live { position: here } => here >= position,
            Place::Snapshot { .. } => false,
        }
    }

    /// Up to `limit` events, of which those not asked for are passed over; at most about `bytes` of payload.
    pub(crate) async fn page(&mut self, limit: usize, bytes: usize) -> Result<Page, StoreError> {
        match self.place {
            Place::Snapshot { up_to, after } => {
                let kinds = self.chosen.kinds();
                let events = self.log.read_latest(&kinds, up_to, after, limit).await?;
                let at = |number| Place::Snapshot {
                    up_to,
                    after: number,
                };
                let last = events.len() < limit;
                let page = self.take(events, bytes, at);
                // What came after the snapshot began follows.
                if last && !page.more {
                    self.place = Place::Live { position: up_to };
                }
                Ok(Page { more: true, ..page })
            }
            Place::Live { position } => {
                let events = self.log.read_feed(position, limit).await?;
                let full = events.len() >= limit;
                let page = self.take(events, bytes, |number| Place::Live { position: number });
                Ok(Page {
                    more: full || page.more,
                    ..page
                })
            }
        }
    }

    /// `more`: the bytes were full before the events were.
    fn take(&mut self, events: Vec<Recorded>, bytes: usize, at: impl Fn(u64) -> Place) -> Page {
        let (mut changes, mut taken) = (Vec::new(), 0);
        for recorded in events {
            if taken > 0 && taken + recorded.event.payload.len() > bytes {
                return Page {
                    changes,
                    more: true,
                };
            }
            self.place = at(recorded.at.number);
            if self.chosen.has(&recorded.event.kind) {
                taken += recorded.event.payload.len();
                changes.push(self.change(recorded));
            }
        }
        Page {
            changes,
            more: false,
        }
    }

    fn change(&self, recorded: Recorded) -> Change {
        let token = self.token_at(self.place);
        let deleted = recorded.event.deleted;
        let payload = if deleted {
            Default::default()
        } else {
            recorded.event.payload.clone()
        };
        Change {
            envelope: Some(envelope(recorded)),
            payload,
            deleted,
            token,
        }
    }

    fn token_at(&self, place: Place) -> String {
        let log = self.log.name().to_owned();
        Token {
            log,
            epoch: self.log.epoch(),
            shard: 0,
            place,
        }
        .write()
    }
}

fn envelope(recorded: Recorded) -> Envelope {
    let event = recorded.event;
    Envelope {
        log: recorded.at.log.to_string(),
        epoch: recorded.at.epoch.to_string(),
        shard: recorded.at.shard.into(),
        position: recorded.at.number,
        stream: recorded.stream.to_string(),
        version: recorded.version,
        key: event.key,
        id: event.id.to_string(),
        r#type: event.kind,
        erp: event.erp.unwrap_or_default(),
        channel: event.channel.unwrap_or_default(),
        occurred_at: Some(Timestamp(event.occurred_at).into()),
        recorded_at: Some(Timestamp(recorded.recorded_at).into()),
        correlation_id: event.cause.correlation_id.to_string(),
        causation_id: event
            .cause
            .causation_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        traceparent: event.cause.traceparent.unwrap_or_default(),
        actor: event.cause.actor,
    }
}
