//! Reads one page of a collection: candidates by index where the filter allows it, then filter, order, cut.

use std::cmp::Ordering;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::filter::Filter;
use super::query::Query;
use super::schema::Schema;
use crate::database::{Row, Table};
use crate::refusal::Refusal;

/// A record as it leaves the house.
pub type Rendered = Map<String, Value>;

/// Where a page comes from.
pub struct Source<'a, R> {
    pub table: &'a Table<R>,
    pub schema: &'static Schema,
    /// Property that holds the row's id, the one that holds its unique key, and the one that holds its parent's id.
    pub id: &'static str,
    pub key: Option<&'static str>,
    pub parent: Option<&'static str>,
    /// Which rows of the table belong to the entity.
    pub keep: &'a dyn Fn(&R) -> bool,
    pub render: &'a dyn Fn(&R) -> Rendered,
    /// Only records whose property has this id, as below a parent's address.
    pub within: Option<(&'a str, Uuid)>,
}

/// A page, before `$select`.
#[derive(Debug)]
pub struct Found<R> {
    pub rows: Vec<(Arc<R>, Rendered)>,
    /// Token of the next page.
    pub next: Option<String>,
    pub count: Option<usize>,
}

/// One page of `source`.
pub fn read<R: Row>(source: &Source<'_, R>, query: &Query) -> Result<Found<R>, Refusal> {
    let filter = query
        .filter
        .as_deref()
        .map(|text| Filter::parse(text, source.schema))
        .transpose()?;
    for (field, _) in &query.order {
        if source.schema.property(field).is_none() {
            return Err(Refusal::no_such_property(field, source.schema.entity));
        }
    }
    let token = query.skip_token.as_deref().map(Token::read).transpose()?;
    let since = filter.as_ref().and_then(Filter::modified_since);
    let by_id = query.order.is_empty();
    let limit = query.top.unwrap_or(usize::MAX).min(query.page_size());
    let want = limit.saturating_add(query.skip).saturating_add(1);
    let start = token.as_ref().filter(|_| by_id).map(|token| token.id);

    let mut rows = Vec::new();
    let mut count = 0;
    // A count is of all rows, also on a later page.
    let from = start.filter(|_| !query.count);
    for row in candidates(source, filter.as_ref(), from) {
        if !(source.keep)(row)
            || since.is_some_and(|since| in_millis(row.stamp().modified_at) < since)
        {
            continue;
        }
        let record = (source.render)(row);
        let inside = |(field, id): (&str, Uuid)| {
            record.get(field).and_then(Value::as_str) == Some(id.to_string().as_str())
        };
        if source.within.is_some_and(|within| !inside(within))
            || filter
                .as_ref()
                .is_some_and(|filter| !filter.matches(&record))
        {
            continue;
        }
        count += 1;
        if start.is_some_and(|start| row.id() <= start) {
            continue;
        }
        if by_id && rows.len() >= want {
            if query.count {
                continue;
            }
            break;
        }
        rows.push((row.clone(), record));
    }
    if !by_id {
        rows.sort_by(|(left, left_record), (right, right_record)| {
            order(query, left_record, right_record).then(left.id().cmp(&right.id()))
        });
        if let Some(token) = &token {
            rows.retain(|(row, record)| token.is_before(query, record, row.id()));
        }
    }
    rows.drain(..query.skip.min(rows.len()));
    let more = rows.len() > limit;
    rows.truncate(limit);
    // `$top` suppresses the link even when more rows exist.
    let next = (more && query.top.is_none())
        .then(|| {
            rows.last()
                .map(|(row, record)| Token::of(query, record, row.id()))
        })
        .flatten();
    Ok(Found {
        rows,
        next,
        count: query.count.then_some(count),
    })
}

fn candidates<'a, R: Row>(
    source: &Source<'a, R>,
    filter: Option<&Filter>,
    start: Option<Uuid>,
) -> Box<dyn Iterator<Item = &'a Arc<R>> + 'a> {
    let table = source.table;
    let within = source.within;
    let ids = |field: &str| -> Option<Vec<Uuid>> {
        if let Some((_, id)) = within.filter(|(name, _)| *name == field) {
            return Some(vec![id]);
        }
        let mut ids: Vec<Uuid> = filter?
            .only(field)?
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        Some(ids)
    };
    let after = move |row: &&Arc<R>| start.is_none_or(|start| row.id() > start);
    if let Some(ids) = ids(source.id) {
        return Box::new(ids.into_iter().filter_map(|id| table.get(id)).filter(after));
    }
    let keys = source.key.and_then(|key| filter?.only(key));
    if let Some(keys) = keys {
        let mut rows: Vec<&Arc<R>> = keys.iter().filter_map(|key| table.by_key(key)).collect();
        rows.sort_unstable_by_key(|row| row.id());
        rows.dedup_by_key(|row| row.id());
        return Box::new(rows.into_iter().filter(after));
    }
    if let Some(parents) = source.parent.and_then(ids) {
        let mut rows: Vec<&Arc<R>> = parents
            .into_iter()
            .flat_map(|parent| table.children(parent))
            .collect();
        rows.sort_unstable_by_key(|row| row.id());
        return Box::new(rows.into_iter().filter(after));
    }
    match start {
        Some(start) => Box::new(table.after(start)),
        None => Box::new(table.iter()),
    }
}

fn in_millis(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

fn order(query: &Query, left: &Rendered, right: &Rendered) -> Ordering {
    for (field, descending) in &query.order {
        let order = compare(left.get(field), right.get(field));
        if order != Ordering::Equal {
            return if *descending { order.reverse() } else { order };
        }
    }
    Ordering::Equal
}

fn compare(left: Option<&Value>, right: Option<&Value>) -> Ordering {
    match (left, right) {
        (Some(Value::String(left)), Some(Value::String(right))) => left.cmp(right),
        (Some(Value::Bool(left)), Some(Value::Bool(right))) => left.cmp(right),
        (Some(left), Some(right)) => {
            crate::numbers::decimal(left).cmp(&crate::numbers::decimal(right))
        }
        _ => Ordering::Equal,
    }
}

/// Where a page ended: the last row's order values and id, so that rows that come or go move nothing.
#[derive(Debug)]
struct Token {
    values: Vec<Value>,
    id: Uuid,
}

impl Token {
    fn of(query: &Query, record: &Rendered, id: Uuid) -> String {
        let values: Vec<Value> = query
            .order
            .iter()
            .map(|(field, _)| record.get(field).cloned().unwrap_or_default())
            .collect();
        URL_SAFE_NO_PAD.encode(serde_json::json!([values, id]).to_string())
    }

    fn read(text: &str) -> Result<Self, Refusal> {
        let wrong = || Refusal::bad_request("The skip token is not valid.");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
        let (values, id) = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        Ok(Self { values, id })
    }

    fn is_before(&self, query: &Query, record: &Rendered, id: Uuid) -> bool {
        for ((field, descending), value) in query.order.iter().zip(&self.values) {
            let order = compare(Some(value), record.get(field));
            let order = if *descending { order.reverse() } else { order };
            if order != Ordering::Equal {
                return order == Ordering::Less;
            }
        }
        self.id < id
    }
}

/// Keeps the selected properties and the annotations.
pub fn select(record: &mut Rendered, query: &Query, schema: &Schema) -> Result<(), Refusal> {
    if query.select.is_empty() || query.select.iter().any(|name| name == "*") {
        return Ok(());
    }
    for name in &query.select {
        if schema.property(name).is_none() && schema.navigation(name).is_none() {
            return Err(Refusal::no_such_property(name, schema.entity));
        }
    }
    record.retain(|name, _| {
        name.starts_with('@') || query.select.contains(name) || query.expansion(name).is_some()
    });
    Ok(())
}
