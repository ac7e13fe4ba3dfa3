//! Microsoft's analytics API, as far as returns need it: reasons why goods may come back, read only and without translations.

use std::sync::Arc;

use serde_json::{Value, json};

use super::context;
use crate::companion::next_link;
use crate::database::Record;
use crate::http::Call;
use crate::http::answer::Answer;
use crate::odata::page::{self, Found, Rendered, Source};
use crate::odata::schema::{Kind, Schema, ro};
use crate::refusal::Refusal;
use crate::simulator::World;

const REASON: Schema = Schema {
    entity: "returnReasonCode",
    set: "returnReasonCodes",
    properties: &[
        ro("reasonCode", Kind::Text(10)),
        ro("reasonDescription", Kind::Text(100)),
    ],
    navigations: &[],
    insert: false,
    modify: false,
    delete: false,
};

pub(crate) fn serve(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    let [company, set] = call.segments.as_slice() else {
        return Err(Refusal::no_such_segment(&call.path));
    };
    let id = world.read(|_, marks| marks.company);
    if company.name != "companies"
        || company.key.as_deref().and_then(|key| key.parse().ok()) != Some(id)
    {
        return Err(Refusal::not_found("company"));
    }
    if set.name != REASON.set {
        return Err(Refusal::no_such_segment(&set.name));
    }
    if !call.is("GET") {
        return Err(Refusal::method_not_allowed(REASON.entity));
    }
    world.read_dirty(|tables| {
        let source = Source {
            table: &tables.records,
            schema: &REASON,
            id: "",
            key: None,
            parent: None,
            keep: &|record: &Record| record.set == "returnReasons",
            render: &render,
            within: None,
        };
        let Found { rows, next, .. } = page::read(&source, &call.query)?;
        let mut value = Vec::with_capacity(rows.len());
        for (_, mut record) in rows {
            page::select(&mut record, &call.query, &REASON)?;
            value.push(Value::Object(record));
        }
        let mut body = json!({
            "@odata.context": format!("{}#{}", context(call), REASON.set),
            "value": value,
        });
        if let Some(token) = next {
            body["@odata.nextLink"] = Value::from(next_link(call, &token));
        }
        Ok(Answer::json(200, &body))
    })
}

fn render(record: &Record) -> Rendered {
    let description = record.fields.get("description");
    let mut rendered = Rendered::new();
    rendered.insert("reasonCode".to_owned(), Value::from(record.code.clone()));
    rendered.insert(
        "reasonDescription".to_owned(),
        description.cloned().unwrap_or_default(),
    );
    rendered
}
