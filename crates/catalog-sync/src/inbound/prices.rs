//! Prices the ERP shows → events on one stream per price. A stream of its own per item remembers which prices there are; it
//! is written in the same append, so that nothing but the log is asked what must go.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use millrace_contract::price_keys::v1::PriceKeysChanged;
use millrace_contract::prices::v1 as contract;
use millrace_event_store::{Decider, Expected, LeaseEpoch, Recorded, StoreError, StreamAppend};
use millrace_values::{ErpCode, SystemId};
use prost::Message;
use tracing::warn;

use crate::domain::prices::{Command, Event, ItemPrices, Key, Price, State};
use crate::inbound::recorder::{ATTEMPTS, Act, CHUNK, Draft, ItemAppend, RecordError, Recorder};
use crate::wire::{self, PRICE_CHANGED, PRICE_DELETED, PRICE_KEYS_CHANGED, WireError};

/// All prices of one item, as observed.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub item: SystemId,
    pub command: Command,
    pub act: Act,
}

/// Writes what the observations change; of several of one item the last counts. Nothing changed is nothing written.
pub(crate) async fn record(
    recorder: &Recorder,
    seen: Vec<Seen>,
    lease: &LeaseEpoch,
    traceparent: &str,
) -> Result<(), RecordError> {
    let latest: HashMap<SystemId, Seen> = seen.into_iter().map(|seen| (seen.item, seen)).collect();
    let mut latest: Vec<Seen> = latest.into_values().collect();
    latest.sort_by_key(|seen| (seen.act.at, seen.item));
    for chunk in latest.chunks(CHUNK) {
        record_chunk(recorder, chunk, lease, traceparent).await?;
    }
    Ok(())
}

async fn record_chunk(
    recorder: &Recorder,
    chunk: &[Seen],
    lease: &LeaseEpoch,
    traceparent: &str,
) -> Result<(), RecordError> {
    let mut open: Vec<&Seen> = chunk.iter().collect();
    for _ in 0..ATTEMPTS {
        let told = Told::load(recorder, &open).await?;
        let mut appends = Vec::new();
        for seen in &open {
            let state = told.state(&recorder.erp, seen.item);
            let Ok(events) = ItemPrices::decide(&state, seen.command.clone());
            if !events.is_empty() {
                let streams = streams(recorder, seen, &told, state, &events, traceparent);
                appends.push(ItemAppend {
                    item: seen.item,
                    streams,
                });
            }
        }
        let changed = recorder.write(appends, lease).await?;
        open.retain(|seen| changed.contains(&seen.item));
        if open.is_empty() {
            return Ok(());
        }
    }
    Err(RecordError::Conflict(open[0].item))
}

/// What the log knows about the prices of some items.
struct Told {
    keys: HashMap<SystemId, BTreeSet<Key>>,
    last: HashMap<String, Recorded>,
}

impl Told {
    async fn load(recorder: &Recorder, open: &[&Seen]) -> Result<Self, StoreError> {
        let erp = &recorder.erp;
        let key_streams: Vec<String> = open
            .iter()
            .map(|seen| wire::price_keys_stream(erp, seen.item))
            .collect();
        let mut last = by_stream(recorder.log.read_last(&key_streams).await?);
        let mut keys: HashMap<SystemId, BTreeSet<Key>> = HashMap::new();
        let mut streams = BTreeSet::new();
        for (seen, stream) in open.iter().zip(&key_streams) {
            let known = last.get(stream).map(known_keys).unwrap_or_default();
            // A price that is new may have been there before: its stream then goes on.
            let spoken_of = known.iter().cloned().chain(seen.command.keys());
            streams.extend(spoken_of.map(|key| wire::price_stream(erp, seen.item, &key)));
            keys.insert(seen.item, known);
        }
        let streams: Vec<String> = streams.into_iter().collect();
        last.extend(by_stream(recorder.log.read_last(&streams).await?));
        Ok(Self { keys, last })
    }

    fn state(&self, erp: &ErpCode, item: SystemId) -> State {
        let known = self.keys.get(&item).into_iter().flatten();
        let told = |key: &Key| {
            self.last
                .get(&wire::price_stream(erp, item, key))
                .and_then(price)
        };
        known
            .filter_map(|key| told(key).map(|price| (key.clone(), price)))
            .collect()
    }

    fn expected(&self, stream: &str) -> Expected {
        Expected::Version(self.last.get(stream).map_or(0, |last| last.version))
    }
}

fn streams(
    recorder: &Recorder,
    seen: &Seen,
    told: &Told,
    state: State,
    events: &[Event],
    traceparent: &str,
) -> Vec<StreamAppend> {
    let cause = recorder.cause(&seen.act, traceparent);
    let one = |stream: String, draft: Draft| StreamAppend {
        expected: told.expected(&stream),
        events: vec![recorder.event(&stream, draft, &seen.act, &cause)],
        stream,
    };
    let mut streams: Vec<StreamAppend> = events
        .iter()
        .map(|event| {
            one(
                wire::price_stream(&recorder.erp, seen.item, key(event)),
                draft(seen.item, event),
            )
        })
        .collect();
    let after = events.iter().fold(state, ItemPrices::evolve);
    let known = told.keys.get(&seen.item);
    if !known.is_some_and(|known| known.iter().eq(after.keys())) {
        let stream = wire::price_keys_stream(&recorder.erp, seen.item);
        streams.push(one(stream, keys_draft(seen.item, &after)));
    }
    streams
}

fn key(event: &Event) -> &Key {
    match event {
        Event::Changed { key, .. } | Event::Deleted { key, .. } => key,
    }
}

fn draft(item: SystemId, event: &Event) -> Draft {
    match event {
        Event::Changed { key, price } => {
            let message = contract::PriceChanged {
                price: Some(wire::price_to_wire(item, key, price)),
            };
            Draft {
                kind: PRICE_CHANGED,
                payload: message.encode_to_vec().into(),
                deleted: false,
            }
        }
        Event::Deleted { key, number } => {
            let key = Some(wire::key_to_wire(item, number.as_ref(), key));
            let message = contract::PriceDeleted { key };
            Draft {
                kind: PRICE_DELETED,
                payload: message.encode_to_vec().into(),
                deleted: true,
            }
        }
    }
}

fn keys_draft(item: SystemId, after: &BTreeMap<Key, Price>) -> Draft {
    let keys = after
        .keys()
        .map(|key| wire::key_to_wire(item, None, key))
        .collect();
    let payload = PriceKeysChanged { keys }.encode_to_vec().into();
    Draft {
        kind: PRICE_KEYS_CHANGED,
        payload,
        deleted: false,
    }
}

fn by_stream(events: Vec<Recorded>) -> HashMap<String, Recorded> {
    events
        .into_iter()
        .map(|recorded| (recorded.stream.to_string(), recorded))
        .collect()
}

fn known_keys(last: &Recorded) -> BTreeSet<Key> {
    let read = || {
        let message = PriceKeysChanged::decode(last.event.payload.clone())?;
        Ok::<_, WireError>(wire::keys_from_wire(&message)?.into_iter().collect())
    };
    readable(last, read()).unwrap_or_default()
}

fn price(last: &Recorded) -> Option<Price> {
    if last.event.deleted {
        return None;
    }
    let read = || {
        let changed = contract::PriceChanged::decode(last.event.payload.clone())?;
        let (_, price) = wire::price_from_wire(changed.price.ok_or(WireError::Missing("price"))?)?;
        Ok::<_, WireError>(price)
    };
    readable(last, read())
}

/// What cannot be read is as good as unknown: it is told again, whole.
fn readable<T>(last: &Recorded, read: Result<T, WireError>) -> Option<T> {
    read.inspect_err(|error| {
        let cause = error as &dyn std::error::Error;
        warn!(stream = %last.stream, version = last.version, error = cause, "stored price {} cannot be read, telling it anew", last.stream);
    })
    .ok()
}
