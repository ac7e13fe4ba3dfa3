//! Items the ERP shows → events on their streams.

use std::collections::HashMap;

use millrace_contract::items::v1 as contract;
use millrace_event_store::{Decider, Expected, LeaseEpoch, Recorded, StreamAppend};
use millrace_values::SystemId;
use prost::Message;
use tracing::warn;

use crate::domain::item::{Command, Event, Item, ItemStream, State};
use crate::inbound::recorder::{ATTEMPTS, Act, CHUNK, Draft, ItemAppend, RecordError, Recorder};
use crate::wire::{self, ITEM_CHANGED, ITEM_DELETED};

/// One item's observation.
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
    // Oldest first, as far as the ERP tells: the feed then reads like what happened.
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
        let streams: Vec<String> = open
            .iter()
            .map(|seen| wire::item_stream(&recorder.erp, seen.item))
            .collect();
        let told = recorder.log.read_last(&streams).await?;
        let told: HashMap<&str, &Recorded> = told
            .iter()
            .map(|recorded| (&*recorded.stream, recorded))
            .collect();
        let mut appends = Vec::new();
        for (seen, stream) in open.iter().zip(&streams) {
            let last = told.get(stream.as_str()).copied();
            let state = last.and_then(state);
            let Ok(events) = ItemStream::decide(&state, seen.command.clone());
            if events.is_empty() {
                continue;
            }
            let cause = recorder.cause(&seen.act, traceparent);
            let event = |event| recorder.event(stream, draft(event), &seen.act, &cause);
            appends.push(ItemAppend {
                item: seen.item,
                streams: vec![StreamAppend {
                    stream: stream.clone(),
                    expected: Expected::Version(last.map_or(0, |last| last.version)),
                    events: events.iter().map(event).collect(),
                }],
            });
        }
        let changed = recorder.write(appends, lease).await?;
        open.retain(|seen| changed.contains(&seen.item));
        if open.is_empty() {
            return Ok(());
        }
    }
    Err(RecordError::Conflict(open[0].item))
}

fn draft(event: &Event) -> Draft {
    match event {
        Event::Changed {
            item,
            changed_paths,
        } => {
            let message = contract::ItemChanged {
                item: Some(contract::Item::from(&**item)),
                changed_paths: changed_paths.iter().map(ToString::to_string).collect(),
            };
            Draft {
                kind: ITEM_CHANGED,
                payload: message.encode_to_vec().into(),
                deleted: false,
            }
        }
        Event::Deleted { number } => {
            let message = contract::ItemDeleted {
                number: number.to_string(),
            };
            Draft {
                kind: ITEM_DELETED,
                payload: message.encode_to_vec().into(),
                deleted: true,
            }
        }
    }
}

/// A stored event that cannot be read is as good as none: the item is told again, whole.
fn state(last: &Recorded) -> State {
    if last.event.deleted {
        return None;
    }
    match read(last) {
        Ok(item) => Some(item),
        Err(error) => {
            let cause = &error as &dyn std::error::Error;
            warn!(stream = %last.stream, version = last.version, error = cause, "stored item {} cannot be read, telling it anew", last.stream);
            None
        }
    }
}

fn read(last: &Recorded) -> Result<Item, wire::WireError> {
    let changed = contract::ItemChanged::decode(last.event.payload.clone())?;
    changed
        .item
        .ok_or(wire::WireError::Missing("item"))?
        .try_into()
}
