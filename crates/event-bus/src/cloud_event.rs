//! An event on the wire: CloudEvents 1.0 in Kafka's binary mode. Every field of the envelope (DESIGN.md §3) is a header, the
//! record's value is the payload's bytes as they were stored, and a deletion has no value.
//!
//! `ce_source` names log, epoch and shard, because `ce_sequence` compares within one source only. `traceparent` stands
//! without `ce_`, where tracing tools look for it.

use std::fmt::Write;
use std::str::{FromStr, from_utf8};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use bytes::Bytes;
use millrace_event_store::{Cause, NewEvent, Position, Recorded};
use uuid::Uuid;

use crate::bus::Unreadable;

pub(crate) const CONTENT_TYPE: &str = "application/protobuf";
const SOURCE: &str = "/millrace/";

/// Set on the stand-in for an event that Kafka did not take, with the reason: its reader parks it instead of missing it.
pub(crate) const OMITTED: &str = "ce_omitted";

/// Gives every header of `recorded` to `header`, in a fixed order.
pub(crate) fn write_headers(
    recorded: &Recorded,
    scratch: &mut String,
    mut header: impl FnMut(&'static str, &str),
) {
    let event = &recorded.event;
    let at = &recorded.at;
    let mut uuid = [0; 36];
    header("ce_specversion", "1.0");
    header("ce_id", event.id.as_hyphenated().encode_lower(&mut uuid));
    let source = format_args!("{SOURCE}{}/{}/{}", at.log, at.epoch, at.shard);
    header("ce_source", in_scratch(scratch, source));
    header("ce_type", &event.kind);
    header(
        "ce_time",
        in_scratch(scratch, format_args!("{}", event.occurred_at)),
    );
    header("ce_subject", &recorded.stream);
    header(
        "ce_sequence",
        in_scratch(scratch, format_args!("{:020}", at.number)),
    );
    header(
        "ce_streamversion",
        in_scratch(scratch, format_args!("{}", recorded.version)),
    );
    header("ce_partitionkey", &event.key);
    header(
        "ce_recordedtime",
        in_scratch(scratch, format_args!("{}", recorded.recorded_at)),
    );
    header(
        "ce_correlationid",
        event
            .cause
            .correlation_id
            .as_hyphenated()
            .encode_lower(&mut uuid),
    );
    if let Some(causation_id) = event.cause.causation_id {
        header(
            "ce_causationid",
            causation_id.as_hyphenated().encode_lower(&mut uuid),
        );
    }
    header("ce_actor", &event.cause.actor);
    if let Some(erp) = &event.erp {
        header("ce_erp", erp);
    }
    if let Some(channel) = &event.channel {
        header("ce_channel", channel);
    }
    if let Some(traceparent) = &event.cause.traceparent {
        header("traceparent", traceparent);
    }
    if !event.deleted {
        header("content-type", CONTENT_TYPE);
    }
}

fn in_scratch<'a>(scratch: &'a mut String, text: std::fmt::Arguments<'_>) -> &'a str {
    scratch.clear();
    scratch
        .write_fmt(text)
        .expect("writing to a string does not fail");
    scratch
}

/// Reads a record back into the event it was.
pub(crate) fn read<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    key: Option<&[u8]>,
    value: Option<Bytes>,
) -> Result<Recorded, Unreadable> {
    let key = String::from_utf8_lossy(key.unwrap_or_default()).into_owned();
    Fields::collect(headers)
        .and_then(|fields| fields.into_recorded(&key, value))
        .map_err(|reason| Unreadable { key, reason })
}

#[derive(Default)]
struct Fields<'a> {
    specversion: Option<&'a str>,
    id: Option<&'a str>,
    source: Option<&'a str>,
    kind: Option<&'a str>,
    time: Option<&'a str>,
    subject: Option<&'a str>,
    sequence: Option<&'a str>,
    streamversion: Option<&'a str>,
    partitionkey: Option<&'a str>,
    recordedtime: Option<&'a str>,
    correlationid: Option<&'a str>,
    causationid: Option<&'a str>,
    actor: Option<&'a str>,
    erp: Option<&'a str>,
    channel: Option<&'a str>,
    traceparent: Option<&'a str>,
    omitted: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn collect(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Self, String> {
        let mut fields = Self::default();
        for (name, value) in headers {
            let field = match name {
                "ce_specversion" => &mut fields.specversion,
                "ce_id" => &mut fields.id,
                "ce_source" => &mut fields.source,
                "ce_type" => &mut fields.kind,
                "ce_time" => &mut fields.time,
                "ce_subject" => &mut fields.subject,
                "ce_sequence" => &mut fields.sequence,
                "ce_streamversion" => &mut fields.streamversion,
                "ce_partitionkey" => &mut fields.partitionkey,
                "ce_recordedtime" => &mut fields.recordedtime,
                "ce_correlationid" => &mut fields.correlationid,
                "ce_causationid" => &mut fields.causationid,
                "ce_actor" => &mut fields.actor,
                "ce_erp" => &mut fields.erp,
                "ce_channel" => &mut fields.channel,
                "traceparent" => &mut fields.traceparent,
                OMITTED => &mut fields.omitted,
                // A newer version may add headers; a reader that does not know them does without.
                _ => continue,
            };
            *field = Some(from_utf8(value).map_err(|_| format!("header {name} is not utf-8"))?);
        }
        Ok(fields)
    }

    fn into_recorded(self, key: &str, value: Option<Bytes>) -> Result<Recorded, String> {
        if let Some(reason) = self.omitted {
            return Err(format!("left out by its relay: {reason}"));
        }
        match self.specversion {
            Some("1.0") => {}
            Some(other) => return Err(format!("ce_specversion is {other}, not 1.0")),
            None => return Err("it has no ce_specversion header".into()),
        }
        let source = required(self.source, "ce_source")?;
        let (log, epoch, shard) = parse_source(source)
            .ok_or_else(|| format!("ce_source {source} names no log of ours"))?;
        Ok(Recorded {
            at: Position {
                log,
                epoch,
                shard,
                number: parsed(self.sequence, "ce_sequence")?,
            },
            stream: Arc::from(required(self.subject, "ce_subject")?),
            version: parsed(self.streamversion, "ce_streamversion")?,
            recorded_at: parsed(self.recordedtime, "ce_recordedtime")?,
            event: NewEvent {
                id: parsed(self.id, "ce_id")?,
                kind: required(self.kind, "ce_type")?.to_owned(),
                key: self.partitionkey.unwrap_or(key).to_owned(),
                erp: self.erp.map(ToOwned::to_owned),
                channel: self.channel.map(ToOwned::to_owned),
                occurred_at: parsed(self.time, "ce_time")?,
                cause: Cause {
                    correlation_id: parsed(self.correlationid, "ce_correlationid")?,
                    causation_id: self
                        .causationid
                        .map(|id| parsed(Some(id), "ce_causationid"))
                        .transpose()?,
                    traceparent: self.traceparent.map(ToOwned::to_owned),
                    actor: self.actor.unwrap_or_default().to_owned(),
                },
                deleted: value.is_none(),
                payload: value.unwrap_or_default(),
            },
        })
    }
}

fn required<'a>(value: Option<&'a str>, name: &str) -> Result<&'a str, String> {
    value.ok_or_else(|| format!("it has no {name} header"))
}

fn parsed<T: FromStr>(value: Option<&str>, name: &str) -> Result<T, String> {
    required(value, name)?
        .parse()
        .map_err(|_| format!("header {name} cannot be read"))
}

fn parse_source(source: &str) -> Option<(Arc<str>, Uuid, u16)> {
    let mut parts = source.strip_prefix(SOURCE)?.rsplitn(3, '/');
    let shard = parts.next()?.parse().ok()?;
    let epoch = parts.next()?.parse().ok()?;
    Some((Arc::from(parts.next()?), epoch, shard))
}

/// The same record as one value: how parked records are kept.
pub(crate) fn to_text(recorded: &Recorded) -> String {
    let mut fields = serde_json::Map::new();
    write_headers(recorded, &mut String::new(), |name, value| {
        fields.insert(name.to_owned(), value.into());
    });
    serde_json::Value::Object(fields).to_string()
}

/// Reads what [`to_text`] wrote.
pub(crate) fn from_text(headers: &str, payload: Option<Bytes>) -> Result<Recorded, Unreadable> {
    let unreadable = |reason: String| Unreadable {
        key: String::new(),
        reason,
    };
    let fields: std::collections::BTreeMap<String, String> = serde_json::from_str(headers)
        .map_err(|error| unreadable(format!("its headers cannot be read: {error}")))?;
    read(
        fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes())),
        None,
        payload,
    )
}

/// The event in the JSON format of CloudEvents: for people and tools that do not read Kafka headers.
#[must_use]
pub fn to_json(recorded: &Recorded) -> serde_json::Value {
    let mut fields = serde_json::Map::new();
    write_headers(recorded, &mut String::new(), |name, value| {
        let name = match name {
            "content-type" => "datacontenttype",
            other => other.strip_prefix("ce_").unwrap_or(other),
        };
        fields.insert(name.to_owned(), value.into());
    });
    if !recorded.event.deleted {
        fields.insert(
            "data_base64".to_owned(),
            BASE64.encode(&recorded.event.payload).into(),
        );
    }
    fields.into()
}
