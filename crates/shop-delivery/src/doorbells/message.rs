//! What a ring tells of a change.

use std::sync::OnceLock;

use jiff::Timestamp;
use millrace_contract::DESCRIPTORS;
use millrace_doorbell::Message;
use millrace_event_bus::topics;
use millrace_event_store::{EventLog, Recorded};
use millrace_values::ChannelCode;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use uuid::Uuid;

use crate::domain::rings::Ring;
use crate::doorbells::settings::Doorbell;
use crate::inbound::token::{Place, Token};

/// Of a change that never was.
const TEST: &str = "millrace.test";

/// `told` is the last change of `ring`.
pub(crate) fn message(
    log: &dyn EventLog,
    channel: &ChannelCode,
    doorbell: &Doorbell,
    ring: &Ring,
    told: &Recorded,
) -> Message {
    let event = &told.event;
    let kind = topics::of_kind(&event.kind).map_or("", |topic| topic.name);
    Message {
        id: webhook_id(
            channel,
            &doorbell.name,
            ring.first_id,
            &format!("/{}/{}", ring.last, ring.count),
        ),
        channel: channel.to_string(),
        doorbell: doorbell.name.clone(),
        event_type: event.kind.clone(),
        kind: kind.to_owned(),
        key: event.key.clone(),
        event_id: event.id.to_string(),
        position: told.at.number,
        token: token(log, ring.first.saturating_sub(1)),
        occurred_at: event.occurred_at,
        deleted: event.deleted,
        count: ring.count,
        payload: doorbell.full_payload.then(|| payload(told)),
    }
}

/// Something to try a doorbell with.
pub(crate) fn test_message(
    log: &dyn EventLog,
    channel: &ChannelCode,
    doorbell: &Doorbell,
    head: u64,
    id: Uuid,
    now: Timestamp,
) -> Message {
    Message {
        id: webhook_id(channel, &doorbell.name, id, ""),
        channel: channel.to_string(),
        doorbell: doorbell.name.clone(),
        event_type: TEST.to_owned(),
        kind: "test".to_owned(),
        key: "test".to_owned(),
        event_id: id.to_string(),
        position: head,
        token: token(log, head),
        occurred_at: now,
        deleted: false,
        count: 1,
        payload: doorbell.full_payload.then(|| "{}".to_owned()),
    }
}

/// Of the doorbell, the first change and what else the ring `stands_for`: a shop that knows an id passes it over, so two rings that
/// stand for different changes never share one, whatever the settings were and whoever asked.
fn webhook_id(channel: &ChannelCode, doorbell: &str, first: Uuid, stands_for: &str) -> String {
    let name = format!("doorbell/{channel}/{doorbell}{stands_for}");
    format!("msg_{}", Uuid::new_v5(&first, name.as_bytes()).simple())
}

fn token(log: &dyn EventLog, position: u64) -> String {
    let token = Token {
        log: log.name().to_owned(),
        epoch: log.epoch(),
        shard: 0,
        place: Place::Live { position },
    };
    token.write()
}

/// As JSON, with the protos' own names. `null` for a deletion, and for what only a newer binary can read.
fn payload(recorded: &Recorded) -> String {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    let pool = POOL.get_or_init(|| {
        DescriptorPool::decode(DESCRIPTORS).expect("the build made these descriptors")
    });
    let event = &recorded.event;
    let json = || {
        let kind = pool.get_message_by_name(&event.kind)?;
        let message = DynamicMessage::decode(kind, event.payload.clone()).ok()?;
        let options = SerializeOptions::new().use_proto_field_name(true);
        let json = message.serialize_with_options(serde_json::value::Serializer, &options);
        json.ok().map(|json| json.to_string())
    };
    let known = (!event.deleted).then(json).flatten();
    known.unwrap_or_else(|| "null".to_owned())
}
