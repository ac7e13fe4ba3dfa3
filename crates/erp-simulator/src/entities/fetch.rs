//! Reads of any entity set: page, expand, select.

use serde_json::Value;
use uuid::Uuid;

use super::render::{self, sales::LineRow};
use super::schema::{self as entities, ITEM, ITEM_LEDGER_ENTRY, ITEM_VARIANT, PICTURE};
use crate::database::{
    Customer, Document, DocumentKind, Item, LedgerEntry, Picture, Record, Row, Table, Tables,
    Variant,
};
use crate::odata::page::{self, Found, Rendered, Source};
use crate::odata::schema::Schema;
use crate::odata::{Query, etag};
use crate::refusal::Refusal;

/// What reads need to know besides the tables.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub tables: &'a Tables,
    pub local_currency: &'a str,
    /// Address up to and with `companies(…)`.
    pub address: &'a str,
}

/// One page of records, ready to be sent.
#[derive(Debug)]
pub struct Fetched {
    pub records: Vec<Rendered>,
    pub next: Option<String>,
    pub count: Option<usize>,
}

/// A page of `schema`'s records; `within` restricts it to those below a parent.
pub fn fetch(
    view: View<'_>,
    schema: &'static Schema,
    query: &Query,
    within: Option<(&str, Uuid)>,
) -> Result<Fetched, Refusal> {
    let tables = view.tables;
    match schema.set {
        "items" => {
            let render = |item: &Item| render::catalogue::item(tables, item);
            read(
                view,
                source(&tables.items, &ITEM, None, &|_| true, &render, within),
                query,
            )
        }
        "itemVariants" => {
            let render = |variant: &Variant| render::catalogue::variant(tables, variant);
            read(
                view,
                source(
                    &tables.variants,
                    &ITEM_VARIANT,
                    Some("itemId"),
                    &|_| true,
                    &render,
                    within,
                ),
                query,
            )
        }
        "pictures" => {
            let render = |picture: &Picture| render::catalogue::picture(picture, view.address);
            read(
                view,
                source(&tables.pictures, &PICTURE, None, &|_| true, &render, within),
                query,
            )
        }
        "itemLedgerEntries" => {
            let render = |entry: &LedgerEntry| render::catalogue::ledger_entry(tables, entry);
            read(
                view,
                source(
                    &tables.ledger,
                    &ITEM_LEDGER_ENTRY,
                    None,
                    &|_| true,
                    &render,
                    within,
                ),
                query,
            )
        }
        "customers" => {
            let render = |customer: &Customer| {
                render::partners::customer(tables, view.local_currency, customer)
            };
            read(
                view,
                source(&tables.customers, schema, None, &|_| true, &render, within),
                query,
            )
        }
        set => {
            if let Some(kind) = document_kind(set) {
                let keep = |document: &Document| document.kind == kind;
                let render = |document: &Document| {
                    render::sales::document(tables, view.local_currency, schema, document)
                };
                return read(
                    view,
                    source(&tables.documents, schema, None, &keep, &render, within),
                    query,
                );
            }
            if let Some(kind) = lines_kind(set) {
                return lines(view, schema, kind, query, within);
            }
            let keep = |record: &Record| record.set == set;
            let render = |record: &Record| render::record(schema, record);
            read(
                view,
                source(&tables.records, schema, None, &keep, &render, within),
                query,
            )
        }
    }
}

/// Documents of the set.
pub fn document_kind(set: &str) -> Option<DocumentKind> {
    Some(match set {
        "salesOrders" => DocumentKind::Order,
        "salesShipments" => DocumentKind::Shipment,
        "salesInvoices" => DocumentKind::Invoice,
        "salesCreditMemos" => DocumentKind::CreditMemo,
        _ => return None,
    })
}

/// Documents whose lines the set holds.
pub fn lines_kind(set: &str) -> Option<DocumentKind> {
    Some(match set {
        "salesOrderLines" => DocumentKind::Order,
        "salesShipmentLines" => DocumentKind::Shipment,
        "salesInvoiceLines" => DocumentKind::Invoice,
        "salesCreditMemoLines" => DocumentKind::CreditMemo,
        _ => return None,
    })
}

/// Lines are read of one document or by id: BC refuses to list those of all.
fn lines(
    view: View<'_>,
    schema: &'static Schema,
    kind: DocumentKind,
    query: &Query,
    within: Option<(&str, Uuid)>,
) -> Result<Fetched, Refusal> {
    let documents = &view.tables.documents;
    let filter = query
        .filter
        .as_deref()
        .map(|text| crate::odata::filter::Filter::parse(text, schema))
        .transpose()?;
    let wanted = |field: &str| -> Vec<Uuid> {
        if let Some((_, id)) = within.filter(|(name, _)| *name == field) {
            return vec![id];
        }
        let values = filter
            .as_ref()
            .and_then(|filter| filter.only(field))
            .unwrap_or_default();
        values
            .iter()
            .filter_map(|value| value.parse().ok())
            .collect()
    };
    let mut found: Vec<_> = wanted("documentId")
        .into_iter()
        .filter_map(|id| documents.get(id))
        .collect();
    found.extend(
        wanted("id")
            .into_iter()
            .filter_map(|id| documents.by_part(id)),
    );
    if found.is_empty() && wanted("documentId").is_empty() && wanted("id").is_empty() {
        return Err(Refusal::business(
            "You must specify an Id or a Document Id to get the lines.",
        ));
    }
    let mut table = Table::default();
    for document in found.into_iter().filter(|document| document.kind == kind) {
        table.extend(render::sales::lines_of(document));
    }
    let render = |row: &LineRow| render::sales::line(view.tables, schema, row);
    let mut query = query.clone();
    if query.order.is_empty() {
        query.order.push(("sequence".to_owned(), false));
    }
    read(
        view,
        source(
            &table,
            schema,
            Some("documentId"),
            &|_| true,
            &render,
            within,
        ),
        &query,
    )
}

fn source<'a, R>(
    table: &'a Table<R>,
    schema: &'static Schema,
    parent: Option<&'static str>,
    keep: &'a dyn Fn(&R) -> bool,
    render: &'a dyn Fn(&R) -> Rendered,
    within: Option<(&'a str, Uuid)>,
) -> Source<'a, R> {
    Source {
        table,
        schema,
        id: "id",
        key: matches!(schema.set, "items" | "customers").then_some("number"),
        parent,
        keep,
        render,
        within,
    }
}

fn read<R: Row>(view: View<'_>, source: Source<'_, R>, query: &Query) -> Result<Fetched, Refusal> {
    let Found { rows, next, count } = page::read(&source, query)?;
    let mut records = Vec::with_capacity(rows.len());
    for (row, mut record) in rows {
        record.insert(
            "@odata.etag".to_owned(),
            Value::from(etag(row.stamp().version)),
        );
        expand(view, source.schema, &mut record, query)?;
        page::select(&mut record, query, source.schema)?;
        records.push(record);
    }
    Ok(Fetched {
        records,
        next,
        count,
    })
}

fn expand(
    view: View<'_>,
    schema: &Schema,
    record: &mut Rendered,
    query: &Query,
) -> Result<(), Refusal> {
    for expansion in &query.expand {
        let navigation = schema
            .navigation(&expansion.name)
            .ok_or_else(|| Refusal::no_such_property(&expansion.name, schema.entity))?;
        let target = entities::of(navigation.target)
            .ok_or_else(|| Refusal::no_such_segment(navigation.target))?;
        let id_in = |name: &str| {
            record
                .get(name)
                .and_then(Value::as_str)
                .and_then(|id| id.parse().ok())
                .unwrap_or(Uuid::nil())
        };
        let (field, id) = if navigation.many {
            (navigation.link, id_in("id"))
        } else {
            ("id", id_in(navigation.link))
        };
        let found = if id.is_nil() {
            Vec::new()
        } else {
            fetch(view, target, &expansion.query, Some((field, id)))?.records
        };
        let mut values = found.into_iter().map(Value::Object);
        let value = if navigation.many {
            Value::Array(values.collect())
        } else {
            values.next().unwrap_or(Value::Null)
        };
        record.insert(navigation.name.to_owned(), value);
    }
    Ok(())
}
