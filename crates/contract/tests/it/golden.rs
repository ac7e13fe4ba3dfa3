use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, Value};
use serde::{Deserialize, Serialize};

use crate::sample;

#[derive(Serialize, Deserialize)]
struct Golden {
    r#type: String,
    hex: String,
    json: serde_json::Value,
}

#[test]
fn every_event_type_has_a_golden_file_that_fills_every_field() {
    let pool = pool();
    for event in event_types(&pool) {
        let name = event.full_name().to_owned();
        let files = golden_files();
        let of_this: Vec<&Golden> = files
            .values()
            .filter(|golden| golden.r#type == name)
            .collect();
        let mut filled = BTreeSet::new();
        for golden in &of_this {
            paths_of(&decoded(&event, golden), "", &mut filled);
        }
        let mut wanted = BTreeSet::new();
        sample::paths(&event, "", &mut wanted);
        let missing: Vec<&String> = wanted.difference(&filled).collect();
        if missing.is_empty() {
            continue;
        }
        assert!(
            std::env::var("MILLRACE_GOLDEN").is_ok_and(|value| value == "write"),
            "no golden file of {name} fills {missing:?}; run: MILLRACE_GOLDEN=write cargo test -p millrace-contract"
        );
        write(&event, of_this.len() + 1);
    }
}

#[test]
fn what_was_said_reads_as_it_was_meant() {
    let pool = pool();
    for (file, golden) in golden_files() {
        let event = pool
            .get_message_by_name(&golden.r#type)
            .unwrap_or_else(|| panic!("{file}: {} is not in the contract any more", golden.r#type));
        let message = decoded(&event, &golden);
        assert_eq!(
            unknown_fields(&message),
            0,
            "{file} holds fields the contract does not know"
        );
        assert_eq!(
            serde_json::to_value(&message).unwrap(),
            golden.json,
            "{file} reads differently"
        );
        assert_eq!(
            hex::encode(message.encode_to_vec()),
            golden.hex,
            "{file} is written differently"
        );
        assert!(
            file.starts_with(&format!("{}.", golden.r#type)),
            "{file} holds a {}",
            golden.r#type
        );
    }
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(millrace_contract::DESCRIPTORS).unwrap()
}

fn event_types(pool: &DescriptorPool) -> Vec<MessageDescriptor> {
    let protos = millrace_tidy::files("proto", ".proto");
    let names = millrace_tidy::event_types(protos.iter().map(|file| file.text.as_str()));
    let found = names.iter().map(|name| {
        let event = pool.get_message_by_name(name);
        event.unwrap_or_else(|| panic!("{name} is not in the descriptors"))
    });
    found.collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn golden_files() -> BTreeMap<String, Golden> {
    let files = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let golden = serde_json::from_slice(&fs::read(&path).unwrap())
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, golden)
        })
        .collect()
}

fn decoded(event: &MessageDescriptor, golden: &Golden) -> DynamicMessage {
    let bytes = hex::decode(&golden.hex).unwrap();
    DynamicMessage::decode(event.clone(), bytes.as_slice()).unwrap()
}

fn write(event: &MessageDescriptor, number: usize) {
    let message = sample::filled(event);
    let golden = Golden {
        r#type: event.full_name().to_owned(),
        hex: hex::encode(message.encode_to_vec()),
        json: serde_json::to_value(&message).unwrap(),
    };
    let path = folder().join(format!("{}.{number}.json", event.full_name()));
    fs::write(path, serde_json::to_string_pretty(&golden).unwrap() + "\n").unwrap();
}

/// Paths of the fields that are set, `lines.quantity.unit`.
fn paths_of(message: &DynamicMessage, prefix: &str, paths: &mut BTreeSet<String>) {
    for (field, value) in message.fields() {
        let path = format!("{prefix}{}", field.name());
        let mut visit = |value: &Value| {
            if let Value::Message(inner) = value {
                paths_of(inner, &format!("{path}."), paths);
            }
        };
        match value {
            Value::List(values) => values.iter().for_each(&mut visit),
            other => visit(other),
        }
        paths.insert(path);
    }
}

fn unknown_fields(message: &DynamicMessage) -> usize {
    let inner = |value: &Value| match value {
        Value::Message(message) => unknown_fields(message),
        _ => 0,
    };
    let below: usize = message
        .fields()
        .map(|(_, value)| match value {
            Value::List(values) => values.iter().map(inner).sum(),
            other => inner(other),
        })
        .sum();
    message.unknown_fields().count() + below
}
