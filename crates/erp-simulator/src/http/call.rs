//! A request taken apart.

use bytes::Bytes;

use crate::faults::{Hold, Occasion};
use crate::odata::Query;
use crate::refusal::Refusal;

/// One parsed call of an API.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub method: String,
    /// Whole path, without query.
    pub path: String,
    /// Everything before `companies(…)`, with scheme and host, for links.
    pub base: String,
    /// What follows the API's version: `name(key)` each.
    pub segments: Vec<Segment>,
    pub raw_query: String,
    pub query: Query,
    pub if_match: Option<String>,
    pub content_type: String,
    pub body: Bytes,
    pub client: String,
    pub hold: Option<Hold>,
    pub prefer: String,
    /// `Isolation: snapshot`, which only a batch knows.
    pub snapshot: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub name: String,
    pub key: Option<String>,
}

impl Call {
    pub fn json(&self) -> Result<serde_json::Map<String, serde_json::Value>, Refusal> {
        match serde_json::from_slice(&self.body) {
            Ok(serde_json::Value::Object(body)) => Ok(body),
            Ok(_) => Err(Refusal::bad_request("The body must be a JSON object.")),
            Err(error) => Err(Refusal::bad_request(format!(
                "The body is not valid JSON: {error}"
            ))),
        }
    }

    pub fn occasion(&self) -> Occasion<'_> {
        Occasion {
            method: &self.method,
            path: &self.path,
            client: &self.client,
        }
    }

    pub fn is(&self, method: &str) -> bool {
        self.method == method
    }
}

/// Path into what stands before the entity sets and the segments after it.
pub(super) fn parse(
    path: &str,
    query: &str,
    prefer: Option<&str>,
) -> Result<(String, Vec<Segment>, Query), Refusal> {
    let not_found = || Refusal::no_such_segment(path);
    let (before, after) = path.split_once("/api/").ok_or_else(not_found)?;
    if !before.starts_with("/v2.0/") {
        return Err(not_found());
    }
    let parts: Vec<&str> = after.split('/').collect();
    // `v2.0`, or publisher, group and version.
    let version = parts
        .iter()
        .position(|part| *part == "beta" || is_version(part))
        .ok_or_else(not_found)?;
    let segments = parts[version + 1..]
        .iter()
        .filter(|part| !part.is_empty())
        .map(|part| segment(part))
        .collect::<Result<_, _>>()?;
    let base = format!("{before}/api/{}", parts[..=version].join("/"));
    Ok((base, segments, Query::parse(query, prefer)?))
}

fn is_version(part: &str) -> bool {
    part.strip_prefix('v')
        .is_some_and(|rest| rest.split('.').all(|digits| digits.parse::<u32>().is_ok()))
}

fn segment(part: &str) -> Result<Segment, Refusal> {
    let part = percent_encoding::percent_decode_str(part)
        .decode_utf8()
        .map_err(|_| Refusal::bad_request("The path is not valid UTF-8."))?;
    let Some((name, rest)) = part.split_once('(') else {
        return Ok(Segment {
            name: part.into_owned(),
            key: None,
        });
    };
    let key = rest
        .strip_suffix(')')
        .ok_or_else(|| Refusal::bad_request("Syntax error in the path."))?;
    let key = key.strip_prefix("id=").unwrap_or(key).trim_matches('\'');
    Ok(Segment {
        name: name.to_owned(),
        key: Some(key.to_owned()),
    })
}
