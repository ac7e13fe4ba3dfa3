//! The page of reasons why goods may come back.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{collection, rendered};
use crate::company;
use crate::database::Record;
use crate::http::Call;
use crate::http::answer::Answer;
use crate::numbers::{guid, instant};
use crate::odata::Query;
use crate::odata::page::{Rendered, Source};
use crate::odata::schema::{Kind, Schema, many, ro};
use crate::refusal::Refusal;
use crate::simulator::World;

const REASON: Schema = Schema {
    entity: "returnReason",
    set: "returnReasons",
    properties: &[
        ro("systemId", Kind::Guid),
        ro("code", Kind::Text(10)),
        ro("description", Kind::Text(100)),
        ro("lastModifiedDateTime", Kind::Instant),
        ro("systemRowVersion", Kind::Integer),
        ro("boundary", Kind::Integer),
    ],
    navigations: &[many("translations", "returnReasonTranslation", "")],
    insert: false,
    modify: false,
    delete: false,
};

pub(super) fn list(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    world.read_bounded(|tables, _, boundary| {
        let render = |record: &Record| {
            rendered(json!({
                "systemId": guid(record.id),
                "code": record.code,
                "description": record.fields.get("description").cloned().unwrap_or_default(),
                "lastModifiedDateTime": instant(record.stamp.modified_at),
                "systemRowVersion": record.stamp.version,
                "boundary": boundary,
            }))
        };
        let source = Source {
            table: &tables.records,
            schema: &REASON,
            id: "systemId",
            key: None,
            parent: None,
            keep: &|record: &Record| record.set == REASON.set,
            render: &render,
            within: None,
        };
        collection(call, &source, expand)
    })
}

fn expand(reason: &Record, record: &mut Rendered, query: &Query) -> Result<(), Refusal> {
    for expansion in &query.expand {
        if REASON.navigation(&expansion.name).is_none() {
            return Err(Refusal::no_such_property(&expansion.name, REASON.entity));
        }
        let translations = company::translations(reason)
            .into_iter()
            .map(|(language, text)| json!({ "languageCode": language, "description": text }));
        record.insert(
            "translations".to_owned(),
            Value::Array(translations.collect()),
        );
    }
    Ok(())
}
