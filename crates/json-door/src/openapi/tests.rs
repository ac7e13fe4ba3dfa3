use std::collections::BTreeSet;

use super::*;

fn written() -> (Catalogue, Value) {
    let catalogue = Catalogue::read(millrace_contract::DESCRIPTORS).unwrap();
    let document = document(&catalogue);
    (catalogue, document)
}

/// Every object below, with the path to it.
fn walk<'a>(value: &'a Value, path: &str, each: &mut impl FnMut(&str, &'a Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            each(path, members);
            for (name, member) in members {
                walk(member, &format!("{path}/{}", name.replace('/', "~1")), each);
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                walk(element, &format!("{path}/{index}"), each);
            }
        }
        _ => {}
    }
}

/// Row 131.
#[test]
fn every_call_is_described_with_its_own_words() {
    let (catalogue, document) = written();
    let mut ids = BTreeSet::new();
    for (path, call) in catalogue.iter() {
        let operation = &document["paths"][path]["post"];
        for member in ["summary", "description"] {
            let text = operation[member].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{path} has no {member}");
        }
        let body = &operation["requestBody"]["content"][media::of(call.is_client_streaming())];
        let schema = reference(call.input().full_name());
        assert_eq!(body["schema"], schema, "{path}");
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{id} stands for two calls");
    }
    assert_eq!(
        document["paths"].as_object().unwrap().len(),
        catalogue.iter().count()
    );
    let submit = &document["paths"]["/millrace.order.v1.OrderService/SubmitOrder"]["post"];
    assert_eq!(submit["summary"], "Takes an order");
}

#[test]
fn every_message_field_and_enum_is_described_by_its_comment() {
    let (_, document) = written();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert!(schemas.len() > 100, "only {}", schemas.len());
    for (name, schema) in schemas {
        let about = schema["description"].as_str().unwrap_or_default();
        assert!(!about.is_empty(), "{name} has no description");
        let fields = schema["properties"].as_object();
        for (field, schema) in fields.into_iter().flatten() {
            let about = schema["description"].as_str().unwrap_or_default();
            assert!(!about.is_empty(), "{name}.{field} has no description");
        }
    }
}

#[test]
fn references_lead_somewhere_and_every_schema_is_used() {
    let (_, document) = written();
    let mut named = BTreeSet::new();
    walk(&document, "", &mut |path, members| {
        let Some(target) = members.get("$ref").and_then(Value::as_str) else {
            return;
        };
        let target = target.strip_prefix('#').unwrap();
        assert!(
            document.pointer(target).is_some(),
            "{path} refers to {target}"
        );
        named.insert(target.to_owned());
    });
    for name in document["components"]["schemas"]
        .as_object()
        .unwrap()
        .keys()
    {
        let target = format!("/components/schemas/{name}");
        assert!(named.contains(&target), "nothing refers to {name}");
    }
}

#[test]
fn names_are_those_that_openapi_allows() {
    let (_, document) = written();
    for part in ["schemas", "responses", "parameters", "securitySchemes"] {
        for name in document["components"][part].as_object().unwrap().keys() {
            let allowed = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
            assert!(name.chars().all(allowed), "{name}");
        }
    }
    for tag in document["tags"].as_array().unwrap() {
        assert!(!tag["description"].as_str().unwrap().is_empty(), "{tag}");
    }
}

/// What is asked is refused with fields nobody knows; what is answered may gain some.
#[test]
fn requests_are_closed_and_answers_open() {
    let (_, document) = written();
    let schema = |name: &str| &document["components"]["schemas"][name];
    let asked = schema("millrace.order.v1.GetOrderRequest");
    assert_eq!(asked["additionalProperties"], false);
    for name in ["order.v1.GetOrderResponse", "webshop_orders.v1.Order"] {
        let answered = schema(&format!("millrace.{name}"));
        assert!(answered.get("additionalProperties").is_none(), "{name}");
    }
}

#[test]
fn numbers_times_and_choices_are_what_the_mapping_makes_of_them() {
    let (_, document) = written();
    let field = |message: &str, field: &str| {
        let schema = &document["components"]["schemas"][message]["properties"][field];
        assert!(schema.is_object(), "{message}.{field}");
        schema.clone()
    };
    let view = "millrace.order.v1.OrderView";
    assert_eq!(field(view, "version")["format"], "uint64");
    assert_eq!(field(view, "accepted_at")["format"], "date-time");
    assert_eq!(field(view, "lines")["type"], "array");
    let state = field(view, "state");
    assert_eq!(
        state["$ref"],
        "#/components/schemas/millrace.order.v1.OrderState"
    );
    let state = &document["components"]["schemas"]["millrace.order.v1.OrderState"];
    assert_eq!(state["enum"][2], "ORDER_STATE_HELD");
    let about = state["description"].as_str().unwrap();
    assert!(
        about.contains("- `ORDER_STATE_HELD`: A check failed"),
        "{about}"
    );
    let start = &document["components"]["schemas"]["millrace.changes.v1.Start"];
    let about = start["description"].as_str().unwrap();
    assert!(about.contains("At most one of `after_token`"), "{about}");
}
