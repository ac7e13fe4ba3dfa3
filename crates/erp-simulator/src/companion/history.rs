//! The page of what became of one shop order.

use std::sync::Arc;

use super::{changes, collection, rendered};
use crate::database::{StatusEntry, Table, buffer_key};
use crate::http::Call;
use crate::http::answer::Answer;
use crate::odata::Query;
use crate::odata::filter::Filter;
use crate::odata::page::{Rendered, Source};
use crate::odata::schema::{Kind, Schema, many, ro};
use crate::refusal::Refusal;
use crate::sales::history;
use crate::simulator::World;

const KINDS: &[&str] = &["changed", "shipped", "invoiced", "credited"];

const DOCUMENT: Schema = Schema {
    entity: "orderDocument",
    set: "orderDocuments",
    properties: &[
        ro("systemRowVersion", Kind::Integer),
        ro("systemId", Kind::Guid),
        ro("bufferId", Kind::Guid),
        ro("channelCode", Kind::Text(20)),
        ro("orderNumber", Kind::Text(35)),
        ro("salesOrderNumber", Kind::Text(20)),
        ro("kind", Kind::Enum(KINDS)),
        ro("documentId", Kind::Guid),
        ro("documentNumber", Kind::Text(20)),
        ro("happenedAt", Kind::Instant),
        ro("shippingAgentCode", Kind::Text(10)),
        ro("shippingAgentName", Kind::Text(50)),
        ro("shippingAgentServiceCode", Kind::Text(10)),
        ro("trackingNumber", Kind::Text(50)),
        ro("trackingUrl", Kind::Text(250)),
        ro("reasonCode", Kind::Text(10)),
    ],
    navigations: &[many("lines", "statusLine", "")],
    insert: false,
    modify: false,
    delete: false,
};

/// The documents of the one order that the filter names.
pub(super) fn read(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    let filter = call.query.filter.as_deref().unwrap_or_default();
    let filter = Filter::parse(filter, &DOCUMENT)?;
    let one = |field: &str| match filter.only(field).as_deref() {
        Some([value]) => Ok(value.clone()),
        Some(_) | None => Err(Refusal::bad_request(format!(
            "The page orderDocuments shows one order: $filter must name one {field}."
        ))),
    };
    let key = buffer_key(&one("channelCode")?, &one("orderNumber")?);
    world.read_bounded(|tables, _, _| {
        let entry = tables.buffer.by_key(&key);
        let history =
            entry.map_or_else(Table::default, |entry| history::documents_of(tables, entry));
        let source = Source {
            table: &history,
            schema: &DOCUMENT,
            id: "",
            key: None,
            parent: None,
            keep: &|_| true,
            render: &header,
            within: None,
        };
        collection(call, &source, expand)
    })
}

fn header(document: &StatusEntry) -> Rendered {
    changes::status(document, &Query::default())
        .map(rendered)
        .unwrap_or_default()
}

fn expand(document: &StatusEntry, record: &mut Rendered, query: &Query) -> Result<(), Refusal> {
    record.extend(rendered(changes::status(document, query)?));
    Ok(())
}
