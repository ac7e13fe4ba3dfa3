//! An event as a Kafka record, and back.

use bytes::Bytes;
use millrace_event_store::Recorded;
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};

use crate::bus::Unreadable;
use crate::cloud_event::{self, Scribe};
use crate::subscription::{Partition, Taken, Unread};

/// The headers of `recorded`; with `omitted`, those of its stand-in.
pub(super) fn headers(
    recorded: &Recorded,
    omitted: Option<&str>,
    scribe: &mut Scribe,
) -> OwnedHeaders {
    let mut headers = Some(OwnedHeaders::new_with_capacity(20));
    let mut add = |key: &str, value: &str| {
        headers = headers.take().map(|headers| {
            headers.insert(Header {
                key,
                value: Some(value),
            })
        })
    };
    scribe.write(recorded, &mut add);
    if let Some(reason) = omitted {
        add(cloud_event::OMITTED, reason);
    }
    headers.unwrap_or_default()
}

/// Reads one record.
pub(super) fn read(message: &BorrowedMessage<'_>) -> Result<Recorded, Unreadable> {
    let headers = message
        .headers()
        .into_iter()
        .flat_map(|headers| headers.iter());
    let fields = headers.filter_map(|header| Some((header.key, header.value?)));
    cloud_event::read(
        fields,
        message.key(),
        message.payload().map(Bytes::copy_from_slice),
    )
}

/// Reads one record for the consumer loop.
pub(super) fn take(message: &BorrowedMessage<'_>, partition: Partition) -> Taken {
    let event = read(message).map_err(|why| {
        let mut headers = serde_json::Map::new();
        for header in message
            .headers()
            .into_iter()
            .flat_map(|headers| headers.iter())
        {
            let value = String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned();
            headers.insert(header.key.to_owned(), value.into());
        }
        let headers = serde_json::Value::Object(headers).to_string();
        Unread {
            why,
            headers,
            payload: message.payload().map(Bytes::copy_from_slice),
        }
    });
    Taken {
        partition,
        offset: message.offset(),
        event,
    }
}
