//! What is said about doorbells in the feed's log, and read there again by whoever rings them.

use jiff::Timestamp;
use millrace_contract::doorbells::v1::{
    ChannelOpened, DoorbellReplayAsked, DoorbellSwitchedOff, DoorbellSwitchedOn, OffReason,
};
use millrace_event_store::{Cause, NewEvent, Recorded};
use millrace_service_kit::trace::TraceContext;
use millrace_values::ChannelCode;
use prost::Message;
use uuid::Uuid;

const OPENED: &str = "millrace.doorbells.v1.ChannelOpened";
const OFF: &str = "millrace.doorbells.v1.DoorbellSwitchedOff";
const ON: &str = "millrace.doorbells.v1.DoorbellSwitchedOn";
const REPLAY: &str = "millrace.doorbells.v1.DoorbellReplayAsked";

/// What was said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    Opened(ChannelOpened),
    Off(DoorbellSwitchedOff),
    On(DoorbellSwitchedOn),
    Replay(DoorbellReplayAsked),
}

/// Where it is said what becomes of a doorbell.
pub(crate) fn stream(channel: &ChannelCode, doorbell: &str) -> String {
    format!("doorbell/{channel}/{doorbell}")
}

/// Where it is said that a channel is open.
pub(crate) fn opening_stream(channel: &ChannelCode) -> String {
    format!("channel/{channel}")
}

impl Said {
    /// `None`: a newer binary's word, which this one cannot heed.
    pub(crate) fn read(recorded: &Recorded) -> Option<Self> {
        let payload = recorded.event.payload.clone();
        match recorded.event.kind.as_str() {
            OPENED => ChannelOpened::decode(payload).ok().map(Self::Opened),
            OFF => DoorbellSwitchedOff::decode(payload).ok().map(Self::Off),
            ON => DoorbellSwitchedOn::decode(payload).ok().map(Self::On),
            REPLAY => DoorbellReplayAsked::decode(payload).ok().map(Self::Replay),
            _ => None,
        }
    }

    fn encoded(&self) -> (&'static str, Vec<u8>) {
        match self {
            Self::Opened(opened) => (OPENED, opened.encode_to_vec()),
            Self::Off(off) => (OFF, off.encode_to_vec()),
            Self::On(on) => (ON, on.encode_to_vec()),
            Self::Replay(replay) => (REPLAY, replay.encode_to_vec()),
        }
    }
}

/// An event that says it, in the stream `key`.
pub(crate) fn said(
    what: &Said,
    channel: &ChannelCode,
    key: &str,
    id: Uuid,
    now: Timestamp,
    actor: &str,
    trace: Option<TraceContext>,
) -> NewEvent {
    let (kind, payload) = what.encoded();
    NewEvent {
        id,
        kind: kind.to_owned(),
        key: key.to_owned(),
        erp: None,
        channel: Some(channel.to_string()),
        occurred_at: now,
        cause: Cause {
            correlation_id: id,
            causation_id: None,
            traceparent: trace.map(|trace| trace.to_string()),
            actor: actor.to_owned(),
        },
        payload: payload.into(),
        deleted: false,
    }
}

/// In words for people.
pub(crate) fn why_off(off: &DoorbellSwitchedOff) -> String {
    let note = &off.note;
    match off.reason() {
        OffReason::Gone => "the shop answered 410: it wants no more".to_owned(),
        OffReason::Failing => format!("it failed for too long: {note}"),
        OffReason::Operator => format!("an operator switched it off: {note}"),
        OffReason::Unspecified => note.clone(),
    }
}
