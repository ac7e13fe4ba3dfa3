//! The description of all calls as OpenAPI 3.1, made from the descriptors: what the protos say to people, it says.

mod comments;
mod schemas;

use prost_reflect::MethodDescriptor;
use serde_json::{Map, Value, json};

use crate::catalogue::Catalogue;
use crate::problem::Kind;
use crate::{deadline, media};
use comments::Comments;
use schemas::{Schemas, reference};

/// What no single call can say.
const ABOUT: &str = include_str!("about.md");

/// The whole document.
#[must_use]
pub fn document(catalogue: &Catalogue) -> Value {
    let mut comments = Comments::default();
    let (mut paths, mut tags) = (Map::new(), Map::new());
    for (path, call) in catalogue.iter() {
        let service = call.parent_service();
        let about = comments.of(&service.parent_file(), service.path());
        let tag = json!({ "name": service.full_name(), "description": about });
        tags.insert(service.full_name().to_owned(), tag);
        let about = comments.of(&service.parent_file(), call.path());
        paths.insert(path.to_owned(), json!({ "post": operation(call, &about) }));
    }
    let mut schemas = Schemas::of(catalogue).describe(&mut comments);
    schemas.insert("Problem".to_owned(), problem());
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Millrace",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Items, prices, stock and orders between an ERP and webshops.",
            "description": ABOUT.trim(),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "tags": tags.into_iter().map(|(_, tag)| tag).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The same token as in gRPC: of a channel or an operator, with scopes.",
                },
            },
            "parameters": { "Deadline": patience(), "Trace": trace() },
            "responses": {
                "Refused": refusal("The call was refused. One that does several things, or is a stream, may have done some of them before: its description says so."),
                "Failed": refusal("Something is away or broken; `Retry-After` says when to try again, where that helps."),
            },
            "schemas": schemas,
        },
    })
}

fn operation(call: &MethodDescriptor, about: &str) -> Value {
    let takes = media::of(call.is_client_streaming());
    let answers = media::of(call.is_server_streaming());
    let mut about = about.to_owned();
    if call.is_client_streaming() {
        about.push_str("\n\nThe body is a stream: one request per line, answered as it comes.");
    }
    let mut answer = reference(call.output().full_name());
    if call.is_server_streaming() {
        about.push_str("\n\nThe answer is a stream, one line per message.");
        answer = json!({
            "description": "One line.",
            "oneOf": [
                { "type": "object", "required": ["message"], "properties": { "message": answer } },
                { "type": "object", "required": ["problem"], "properties": { "problem": reference("Problem") } },
            ],
        });
    }
    json!({
        "tags": [call.parent_service().full_name()],
        "operationId": format!("{}_{}", call.parent_service().name(), call.name()),
        "summary": first_sentence(&about),
        "description": about,
        "parameters": [
            { "$ref": "#/components/parameters/Deadline" },
            { "$ref": "#/components/parameters/Trace" },
        ],
        "requestBody": {
            "required": true,
            "content": { takes: { "schema": reference(call.input().full_name()) } },
        },
        "responses": {
            "200": {
                "description": "Done.",
                "content": { answers: { "schema": answer } },
            },
            "4XX": { "$ref": "#/components/responses/Refused" },
            "5XX": { "$ref": "#/components/responses/Failed" },
        },
    })
}

/// Up to the first full stop or colon.
fn first_sentence(about: &str) -> &str {
    let ends = [". ", ": ", "; ", ".\n"]
        .iter()
        .filter_map(|end| about.find(end));
    let end = ends.min().unwrap_or(about.len());
    about[..end].trim_end_matches('.')
}

fn patience() -> Value {
    json!({
        "name": deadline::HEADER,
        "in": "header",
        "description": "How long the caller waits, also for the end of a stream: at most 8 digits and a unit, H, M, S, m (milliseconds), u or n.",
        "schema": { "type": "string", "pattern": deadline::PATTERN },
        "example": "10S",
    })
}

fn trace() -> Value {
    json!({
        "name": "traceparent",
        "in": "header",
        "description": "The caller's W3C trace context; the call belongs to that trace.",
        "schema": { "type": "string" },
        "example": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    })
}

fn refusal(description: &str) -> Value {
    json!({
        "description": description,
        "content": { media::PROBLEM: { "schema": reference("Problem") } },
    })
}

/// RFC 9457, with what gRPC says in its details.
fn problem() -> Value {
    let kinds: Vec<_> = Kind::ALL
        .iter()
        .map(|kind| {
            format!(
                "- `{}` ({}): {}",
                kind.uri(),
                kind.status().as_u16(),
                kind.title()
            )
        })
        .collect();
    json!({
        "type": "object",
        "description": format!("What went wrong (RFC 9457). Its types:\n\n{}", kinds.join("\n")),
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string", "format": "uri", "description": "The kind of problem; stable." },
            "title": { "type": "string", "description": "The kind in words." },
            "status": { "type": "integer", "description": "The HTTP status." },
            "detail": { "type": "string", "description": "What happened here, for people." },
            "code": { "type": "string", "description": "Name of the gRPC code. Absent where gRPC has no such problem." },
            "reason": { "type": "string", "description": "What exactly, for machines; stable, as the calls name it." },
            "metadata": {
                "type": "object",
                "additionalProperties": { "type": "string" },
                "description": "More about the reason.",
            },
            "violations": {
                "type": "array",
                "description": "Fields that are wrong.",
                "items": {
                    "type": "object",
                    "required": ["field", "description"],
                    "properties": {
                        "field": { "type": "string", "description": "e.g. `order.lines[2].quantity`" },
                        "description": { "type": "string", "description": "What is wrong with it." },
                    },
                },
            },
            "resource": {
                "type": "object",
                "description": "What is not known.",
                "required": ["type", "name"],
                "properties": {
                    "type": { "type": "string", "description": "e.g. `order`" },
                    "name": { "type": "string", "description": "As it was asked for." },
                },
            },
        },
    })
}

#[cfg(test)]
mod tests;
