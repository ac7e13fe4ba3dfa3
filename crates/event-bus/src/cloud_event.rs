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
use jiff::Timestamp;
use millrace_event_store::{Cause, NewEvent, Position, Recorded};
use uuid::Uuid;

use crate::bus::Unreadable;

pub(crate) const CONTENT_TYPE: &str = "application/protobuf";
const SOURCE: &str = "/millrace/";

/// Set on the stand-in for an event that Kafka did not take, with the reason: its reader parks it instead of missing it.
pub(crate) const OMITTED: &str = "ce_omitted";

/// Writes headers, and remembers the text of what stays the same from one event to the next: a relay writes hundreds of
/// thousands a second.
#[derive(Default)]
pub(crate) struct Scribe {
    /// `ce_source`, and whose it is.
    source: String,
    source_of: Option<(Arc<str>, Uuid, u16)>,
    /// Date and time of a second.
    second: Option<i64>,
    second_text: String,
    text: String,
}

impl Scribe {
    /// Gives every header of `recorded` to `header`, in a fixed order.
    pub(crate) fn write(
        &mut self,
        recorded: &Recorded,
        mut header: impl FnMut(&'static str, &str),
    ) {
        let event = &recorded.event;
        let mut uuid = [0; 36];
        header("ce_specversion", "1.0");
        header("ce_id", event.id.as_hyphenated().encode_lower(&mut uuid));
        header("ce_source", self.source(&recorded.at));
        header("ce_type", &event.kind);
        header("ce_time", self.time(event.occurred_at));
        header("ce_subject", &recorded.stream);
        header(
            "ce_sequence",
            self.formatted(format_args!("{:020}", recorded.at.number)),
        );
        header(
            "ce_streamversion",
            self.formatted(format_args!("{}", recorded.version)),
        );
        header("ce_partitionkey", &event.key);
        header("ce_recordedtime", self.time(recorded.recorded_at));
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

    fn source(&mut self, at: &Position) -> &str {
        let same = self.source_of.as_ref().is_some_and(|(log, epoch, shard)| {
            *epoch == at.epoch && *shard == at.shard && *log == at.log
        });
        if !same {
            self.source = format!("{SOURCE}{}/{}/{}", at.log, at.epoch, at.shard);
            self.source_of = Some((at.log.clone(), at.epoch, at.shard));
        }
        &self.source
    }

    /// RFC 3339 with as many digits of a second as there are, in threes.
    fn time(&mut self, at: Timestamp) -> &str {
        let (second, nanos) = (at.as_second(), at.subsec_nanosecond());
        if second < 0 || nanos < 0 {
            return self.formatted(format_args!("{at}"));
        }
        if self.second != Some(second) {
            let whole = Timestamp::from_second(second).unwrap_or(at);
            self.second_text = whole.to_string();
            self.second_text.pop();
            self.second = Some(second);
        }
        self.text.clear();
        self.text.push_str(&self.second_text);
        let fraction = match nanos {
            0 => Ok(()),
            nanos if nanos % 1_000_000 == 0 => write!(self.text, ".{:03}", nanos / 1_000_000),
            nanos if nanos % 1_000 == 0 => write!(self.text, ".{:06}", nanos / 1_000),
            nanos => write!(self.text, ".{nanos:09}"),
        };
        fraction.expect("writing to a string does not fail");
        self.text.push('Z');
        &self.text
    }

    fn formatted(&mut self, text: std::fmt::Arguments<'_>) -> &str {
        self.text.clear();
        self.text
            .write_fmt(text)
            .expect("writing to a string does not fail");
        &self.text
    }
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
    Scribe::default().write(recorded, |name, value| {
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

/// The epoch of the log that a record came from, as far as its headers say.
pub(crate) fn epoch_of(headers: &str) -> Option<Uuid> {
    let fields: serde_json::Value = serde_json::from_str(headers).ok()?;
    let (_, epoch, _) = parse_source(fields.get("ce_source")?.as_str()?)?;
    Some(epoch)
}

/// The event in the JSON format of CloudEvents: for people and tools that do not read Kafka headers.
#[must_use]
pub fn to_json(recorded: &Recorded) -> serde_json::Value {
    let mut fields = serde_json::Map::new();
    Scribe::default().write(recorded, |name, value| {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_time_reads_back_as_it_was(times in prop::collection::vec((-1_000_i64..4_000_000_000, prop::sample::select(vec![0, 1, 999, 1_000, 120_000, 5_000_000, 999_999_999])), 1..8)) {
            let mut scribe = Scribe::default();
            for (second, nanos) in times {
                let at = Timestamp::new(second, nanos).expect("in range");
                let text = scribe.time(at).to_owned();
                prop_assert_eq!(text.parse::<Timestamp>().expect("a time"), at, "{}", text);
            }
        }

        /// What a relay writes is what a reader reads, whatever stands in an envelope.
        #[test]
        fn an_event_comes_back_from_its_headers(
            log in "[a-z][a-z-]{0,20}", text in prop::collection::vec("\\PC{0,30}", 6), numbers in any::<[u64; 2]>(), bits in any::<u8>(), payload in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            let some = |bit: u8, text: &String| (bits & bit != 0).then(|| text.clone());
            let deleted = bits & 16 != 0;
            let recorded = Recorded {
                at: Position { log: log.as_str().into(), epoch: Uuid::from_u128(numbers[0].into()), shard: u16::from(bits), number: numbers[0] },
                stream: text[0].as_str().into(),
                version: numbers[1],
                recorded_at: Timestamp::from_microsecond(i64::from(bits) * 1_234_567).expect("in range"),
                event: NewEvent {
                    id: Uuid::from_u128(numbers[1].into()),
                    kind: text[1].clone(),
                    key: text[2].clone(),
                    erp: some(1, &text[3]),
                    channel: some(2, &text[4]),
                    occurred_at: Timestamp::from_nanosecond(i128::from(numbers[1] >> 2)).expect("in range"),
                    cause: Cause {
                        correlation_id: Uuid::from_u128(u128::from(numbers[0]) << 40),
                        causation_id: (bits & 4 != 0).then(|| Uuid::from_u128(9)),
                        traceparent: some(8, &text[5]),
                        actor: text[5].clone(),
                    },
                    payload: if deleted { Bytes::new() } else { payload.into() },
                    deleted,
                },
            };
            let text = to_text(&recorded);
            let value = (!deleted).then(|| recorded.event.payload.clone());
            prop_assert_eq!(from_text(&text, value).expect("readable"), recorded);
        }
    }
}
