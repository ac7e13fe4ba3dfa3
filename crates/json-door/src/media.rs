//! What a body is, and what an answer may be.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE};

use crate::problem::{Kind, Problem};

pub const JSON: &str = "application/json";
/// A stream: one JSON document per line.
pub const LINES: &str = "application/x-ndjson";
pub const PROBLEM: &str = "application/problem+json";

/// One message, or a stream of them.
pub fn of(is_stream: bool) -> &'static str {
    if is_stream { LINES } else { JSON }
}

/// What is wrong with headers that do not promise the body this call `takes`, or do not let it answer as it `answers`.
pub fn mismatch(headers: &HeaderMap, takes: &str, answers: &str) -> Option<Problem> {
    let encodings = headers.get_all(CONTENT_ENCODING);
    if encodings.iter().any(|encoding| encoding != "identity") {
        let why = "bodies are taken as they are, without content-encoding, as in gRPC";
        return Some(Problem::new(Kind::UnsupportedMediaType, why));
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (given, more) = (types.next(), types.next());
    let is_meant = given
        .and_then(|given| given.to_str().ok())
        .is_some_and(|given| is_type(given, takes));
    if !is_meant || more.is_some() {
        let why = format!("this call takes content-type: {takes}");
        return Some(Problem::new(Kind::UnsupportedMediaType, why));
    }
    if headers.contains_key(ACCEPT) && !accepts(headers, answers) {
        let why = format!("this call answers {answers}");
        return Some(Problem::new(Kind::NotAcceptable, why));
    }
    None
}

/// `application/json`, or with the one charset JSON has.
fn is_type(given: &str, wanted: &str) -> bool {
    let (name, parameters) = given.split_once(';').unwrap_or((given, ""));
    let mut parameters = parameters
        .split(';')
        .map(str::trim)
        .filter(|parameter| !parameter.is_empty());
    name.trim().eq_ignore_ascii_case(wanted)
        && parameters.all(|parameter| {
            let is_charset = |(name, value): (&str, &str)| {
                name.eq_ignore_ascii_case("charset")
                    && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            };
            parameter.split_once('=').is_some_and(is_charset)
        })
}

fn accepts(headers: &HeaderMap, answers: &str) -> bool {
    let group = answers.split('/').next().unwrap_or_default();
    let ranges = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let mut best: Option<(u8, bool)> = None;
    for range in ranges {
        let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
        let name = name.trim();
        // The most specific range decides.
        let weight = if name.eq_ignore_ascii_case(answers) {
            3
        } else if name.eq_ignore_ascii_case(&format!("{group}/*")) {
            2
        } else if name == "*/*" {
            1
        } else {
            continue;
        };
        let is_wanted = !parameters.split(';').any(is_never);
        if best.is_none_or(|(heaviest, _)| weight > heaviest) {
            best = Some((weight, is_wanted));
        }
    }
    best.is_some_and(|(_, is_wanted)| is_wanted)
}

/// `q=0`, however it is written.
fn is_never(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return false;
    };
    name.trim().eq_ignore_ascii_case("q") && value.trim().parse() == Ok(0.0_f32)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    /// The status of a refusal; `None`: it is taken.
    fn checked(headers: &[(HeaderName, &str)]) -> Option<u16> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect();
        mismatch(&headers, JSON, JSON).map(|problem| problem.status().as_u16())
    }

    #[test]
    fn json_is_taken_however_its_name_is_written() {
        for given in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\";",
        ] {
            assert_eq!(checked(&[(CONTENT_TYPE, given)]), None, "{given}");
        }
    }

    #[test]
    fn another_type_or_an_encoding_is_refused() {
        for given in [
            "application/x-www-form-urlencoded",
            "application/json; charset=latin1",
            "application/x-ndjson",
            "json",
        ] {
            assert_eq!(checked(&[(CONTENT_TYPE, given)]), Some(415), "{given}");
        }
        assert_eq!(checked(&[]), Some(415));
        for encoding in ["gzip", "br", "identity, gzip"] {
            let headers = [(CONTENT_TYPE, JSON), (CONTENT_ENCODING, encoding)];
            assert_eq!(checked(&headers), Some(415), "{encoding}");
        }
    }

    #[test]
    fn whoever_accepts_something_else_is_told() {
        for (accepted, checks) in [
            ("*/*", None),
            ("text/html, application/*;q=0.5", None),
            ("application/json, */*;q=0", None),
            ("text/html", Some(406)),
            ("application/json;q=0, */*", Some(406)),
            ("", Some(406)),
        ] {
            let headers = [(CONTENT_TYPE, JSON), (ACCEPT, accepted)];
            assert_eq!(checked(&headers), checks, "{accepted:?}");
        }
    }
}
