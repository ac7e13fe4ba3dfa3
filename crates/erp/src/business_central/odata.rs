//! Business Central's dialect of OData: how a query is written so that BC obeys it, and how its values are read.
//! `or` is only made between comparisons of one field, because BC refuses it across fields; lambdas are not made at all,
//! because BC ignores them silently; `$top` is not used to page, because it suppresses the next link.

use std::borrow::Cow;
use std::fmt::Write as _;

use jiff::civil::Date;
use millrace_values::{Decimal, Timestamp};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use url::Url;
use uuid::Uuid;

/// Most ids or keys in one filter.
pub(crate) const KEYS: usize = 100;

const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'<')
    .add(b'>')
    .add(b'?');

/// A value in a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Guid(Uuid),
    Text(String),
    Moment(Timestamp),
}

impl Value {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    fn write(&self, into: &mut String) {
        match self {
            Self::Guid(id) => _ = write!(into, "{id}"),
            Self::Text(text) => _ = write!(into, "'{}'", text.replace('\'', "''")),
            Self::Moment(time) => _ = write!(into, "{}", moment(*time)),
        }
    }
}

/// Times as BC writes them: UTC with milliseconds.
pub(crate) fn moment(time: Timestamp) -> String {
    time.0.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A query string.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    filter: String,
    options: Vec<(&'static str, String)>,
}

impl Query {
    pub fn new() -> Self {
        Self::default()
    }

    fn and(mut self, condition: &str) -> Self {
        if !self.filter.is_empty() {
            self.filter.push_str(" and ");
        }
        self.filter.push_str(condition);
        self
    }

    pub fn equal(self, field: &str, value: &Value) -> Self {
        self.compare(field, "eq", value)
    }

    pub fn at_least(self, field: &str, value: &Value) -> Self {
        self.compare(field, "ge", value)
    }

    pub fn begins_with(self, field: &str, text: &str) -> Self {
        let mut condition = format!("startswith({field},");
        Value::text(text).write(&mut condition);
        condition.push(')');
        self.and(&condition)
    }

    fn compare(self, field: &str, operator: &str, value: &Value) -> Self {
        let mut condition = format!("{field} {operator} ");
        value.write(&mut condition);
        self.and(&condition)
    }

    /// One of several values of one field: the only `or` that BC takes.
    pub fn any_of(self, field: &str, values: &[Value]) -> Self {
        let mut condition = String::new();
        for value in values {
            if !condition.is_empty() {
                condition.push_str(" or ");
            }
            condition.push_str(field);
            condition.push_str(" eq ");
            value.write(&mut condition);
        }
        if self.filter.is_empty() {
            self.and(&condition)
        } else {
            self.and(&format!("({condition})"))
        }
    }

    pub fn option(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.options.push((name, value.into()));
        self
    }

    pub fn select(self, fields: &str) -> Self {
        self.option("$select", fields)
    }

    pub fn expand(self, what: impl Into<String>) -> Self {
        self.option("$expand", what)
    }

    pub fn order_by(self, field: &str) -> Self {
        self.option("$orderby", field)
    }

    pub fn on(&self, mut url: Url) -> Url {
        let mut text = String::new();
        let filter = (!self.filter.is_empty()).then_some(("$filter", &self.filter));
        for (name, value) in filter
            .into_iter()
            .chain(self.options.iter().map(|(name, value)| (*name, value)))
        {
            if !text.is_empty() {
                text.push('&');
            }
            _ = write!(text, "{name}={}", utf8_percent_encode(value, QUERY));
        }
        url.set_query((!text.is_empty()).then_some(&text));
        url
    }
}

/// A page of a collection; its rows are read one by one, so that one that cannot be read does not spoil the page.
#[derive(Debug, Deserialize)]
pub(crate) struct Rows {
    pub value: Vec<Box<RawValue>>,
    #[serde(rename = "@odata.nextLink")]
    pub next: Option<String>,
}

/// A decimal that never was a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Exact(pub Decimal);

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get().trim_matches('"');
        text.parse()
            .or_else(|_| Decimal::from_scientific(text))
            .map(Self)
            .map_err(|_| serde::de::Error::custom("not a decimal number"))
    }
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.normalize().to_string())
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

/// Undoes the escapes of enum members: `_x0020_` is a blank, `Non_x002D_Inventory` has a dash.
pub(crate) fn member(escaped: &str) -> Cow<'_, str> {
    if !escaped.contains("_x") {
        return Cow::Borrowed(escaped);
    }
    let mut plain = String::new();
    let mut rest = escaped;
    while let Some(at) = rest.find("_x") {
        let code = rest
            .get(at + 2..at + 6)
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .and_then(char::from_u32);
        match code {
            Some(character) if rest[at + 6..].starts_with('_') => {
                plain.push_str(&rest[..at]);
                plain.push(character);
                rest = &rest[at + 7..];
            }
            _ => {
                plain.push_str(&rest[..at + 2]);
                rest = &rest[at + 2..];
            }
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// BC's empty date is the first day of the calendar.
pub(crate) fn day(date: Date) -> Option<Date> {
    (date != EMPTY_DAY).then_some(date)
}

pub(crate) const EMPTY_DAY: Date = jiff::civil::date(1, 1, 1);

#[cfg(test)]
mod tests {
    use super::*;

    fn query(query: &Query) -> String {
        query
            .on(Url::parse("http://bc/x").unwrap())
            .query()
            .unwrap_or_default()
            .to_owned()
    }

    #[test]
    fn a_quote_in_a_value_is_doubled() {
        let made = query(&Query::new().equal("number", &Value::text("O'Neill & Co")));
        assert_eq!(made, "$filter=number%20eq%20%27O%27%27Neill%20%26%20Co%27");
    }

    #[test]
    fn several_values_stand_in_brackets_beside_another_condition() {
        let made = query(
            &Query::new()
                .equal("a", &Value::text("1"))
                .any_of("b", &[Value::text("x"), Value::text("y")]),
        );
        assert_eq!(
            made,
            "$filter=a%20eq%20%271%27%20and%20(b%20eq%20%27x%27%20or%20b%20eq%20%27y%27)"
        );
    }

    #[test]
    fn enum_members_lose_their_escapes() {
        assert_eq!(member("_x0020_"), " ");
        assert_eq!(member("Non_x002D_Inventory"), "Non-Inventory");
        assert_eq!(member("Positive_x0020_Adjmt_x002E_"), "Positive Adjmt.");
        assert_eq!(member("a_xyz_"), "a_xyz_");
        assert_eq!(member("_x00é"), "_x00é");
    }

    #[test]
    fn a_decimal_is_never_a_float() {
        let exact: Exact = serde_json::from_str("0.1234500000000000000001").unwrap();
        assert_eq!(exact.0.to_string(), "0.1234500000000000000001");
        assert_eq!(
            serde_json::to_string(&Exact("12.50".parse().unwrap())).unwrap(),
            "12.5"
        );
        assert_eq!(
            serde_json::from_str::<Exact>("1E-05")
                .unwrap()
                .0
                .to_string(),
            "0.00001"
        );
    }

    #[test]
    fn times_have_milliseconds() {
        assert_eq!(
            moment(Timestamp::parse("2026-03-31T09:15:00Z").unwrap()),
            "2026-03-31T09:15:00.000Z"
        );
    }

    #[test]
    fn the_empty_date_is_no_day() {
        assert_eq!(day("0001-01-01".parse().unwrap()), None);
    }
}
