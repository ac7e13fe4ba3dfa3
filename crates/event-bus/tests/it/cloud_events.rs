//! The envelope in the words of CloudEvents.

use bytes::Bytes;
use jiff::Timestamp;
use millrace_event_bus::to_json;
use millrace_event_store::{Cause, NewEvent, Position, Recorded};
use uuid::Uuid;

fn recorded(deleted: bool, full: bool) -> Recorded {
    let at: Timestamp = "2026-11-22T15:04:05.123456Z".parse().expect("a time");
    Recorded {
        at: Position {
            log: "catalog-sync".into(),
            epoch: Uuid::from_u128(7),
            shard: 0,
            number: 42,
        },
        stream: "item/bc-main/5d115c9c".into(),
        version: 3,
        recorded_at: at,
        event: NewEvent {
            id: Uuid::from_u128(1),
            kind: "millrace.items.v1.ItemChanged".to_owned(),
            key: "item/bc-main/5d115c9c".to_owned(),
            erp: full.then(|| "bc-main".to_owned()),
            channel: full.then(|| "b2b".to_owned()),
            occurred_at: at,
            cause: Cause {
                correlation_id: Uuid::from_u128(2),
                causation_id: full.then(|| Uuid::from_u128(3)),
                traceparent: full
                    .then(|| "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
                actor: "catalog-sync".to_owned(),
            },
            payload: if deleted {
                Bytes::new()
            } else {
                Bytes::from_static(b"\x0a\x03abc")
            },
            deleted,
        },
    }
}

#[test]
fn an_event_in_json_is_a_valid_cloud_event() {
    let Some(shared) = millrace_test_rig::shared_dir() else {
        millrace_test_rig::say(
            "cloud events: skipped, the schema stands in ../shared, which is not here",
        );
        return;
    };
    let schema = std::fs::read_to_string(shared.join("cloudevents/cloudevents.schema.json"))
        .expect("the schema is there");
    let schema = serde_json::from_str(&schema).expect("the schema is json");
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("the schema is one");
    for (deleted, full) in [(false, false), (false, true), (true, false), (true, true)] {
        let json = to_json(&recorded(deleted, full));
        let errors: Vec<String> = validator
            .iter_errors(&json)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:?} in {json:#}");
        for (name, value) in json.as_object().expect("an object") {
            assert!(
                name == "data_base64"
                    || name
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()),
                "{name}"
            );
            assert!(value.is_string(), "{name}");
        }
    }
}

#[test]
fn sequence_sorts_as_text_and_the_source_names_log_and_epoch() {
    let json = to_json(&recorded(false, true));
    assert_eq!(json["sequence"], "00000000000000000042");
    assert_eq!(
        json["source"],
        "/millrace/catalog-sync/00000000-0000-0000-0000-000000000007/0"
    );
    assert_eq!(json["data_base64"], "CgNhYmM=");
    assert_eq!(json["datacontenttype"], "application/protobuf");
}

#[test]
fn a_deletion_has_no_data() {
    let json = to_json(&recorded(true, true));
    assert_eq!(
        (json.get("data_base64"), json.get("datacontenttype")),
        (None, None)
    );
}
