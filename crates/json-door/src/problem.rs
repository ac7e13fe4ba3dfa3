//! Refusals and failures as RFC 9457 problems: the kind for machines, the detail for people, and as members what gRPC puts into
//! its details.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Full};
use millrace_service_kit::rejection;
use serde::Serialize;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::answer::{self, Answer};
use crate::media;

/// What went wrong, as the problem's `type` says it. Names are for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Malformed,
    TooLarge,
    Unauthenticated,
    Denied,
    NotFound,
    Exists,
    Refused,
    Conflict,
    Exhausted,
    Cancelled,
    DeadlinePassed,
    NotServed,
    Away,
    AnswerTooLarge,
    Broken,
    UnknownPath,
    WrongMethod,
    NotAcceptable,
    UnsupportedMediaType,
}

impl Kind {
    /// All of them, for the description.
    pub const ALL: [Self; 19] = [
        Self::Malformed,
        Self::TooLarge,
        Self::Unauthenticated,
        Self::Denied,
        Self::NotFound,
        Self::Exists,
        Self::Refused,
        Self::Conflict,
        Self::Exhausted,
        Self::Cancelled,
        Self::DeadlinePassed,
        Self::NotServed,
        Self::Away,
        Self::AnswerTooLarge,
        Self::Broken,
        Self::UnknownPath,
        Self::WrongMethod,
        Self::NotAcceptable,
        Self::UnsupportedMediaType,
    ];

    /// Its name in `type`, its title, its status: that of google.rpc.Code where it stands for a code of gRPC.
    fn told(self) -> (&'static str, &'static str, u16) {
        match self {
            Self::Malformed => ("malformed", "The request is malformed", 400),
            Self::TooLarge => ("too-large", "The message is too large", 413),
            Self::Unauthenticated => ("unauthenticated", "Nobody knows who is calling", 401),
            Self::Denied => ("denied", "The token does not allow this", 403),
            Self::NotFound => ("not-found", "There is no such thing", 404),
            Self::Exists => ("exists", "The number stands for other content", 409),
            Self::Refused => ("refused", "The business says no", 400),
            Self::Conflict => ("conflict", "It changed meanwhile", 409),
            Self::Exhausted => ("exhausted", "Over quota", 429),
            Self::Cancelled => ("cancelled", "The call was cancelled", 499),
            Self::DeadlinePassed => ("deadline-passed", "The deadline has passed", 504),
            Self::NotServed => ("not-served", "This process does not serve the call", 501),
            Self::Away => ("away", "Something that is needed is away", 503),
            Self::AnswerTooLarge => ("answer-too-large", "The answer is too large", 500),
            Self::Broken => ("broken", "Something is broken here", 500),
            Self::UnknownPath => ("unknown-path", "Nothing is at this path", 404),
            Self::WrongMethod => ("wrong-method", "The path takes another method", 405),
            Self::NotAcceptable => ("not-acceptable", "The answer is of another type", 406),
            Self::UnsupportedMediaType => {
                ("unsupported-media-type", "The body is of another type", 415)
            }
        }
    }

    /// The problem's `type`.
    pub fn uri(self) -> String {
        format!("urn:millrace:problem:{}", self.told().0)
    }

    pub fn title(self) -> &'static str {
        self.told().1
    }

    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.told().2).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// A status that is none.
    fn of(code: Code, reason: Option<&str>) -> Self {
        match code {
            Code::InvalidArgument if reason == Some(rejection::TOO_LARGE) => Self::TooLarge,
            Code::InvalidArgument | Code::OutOfRange => Self::Malformed,
            Code::Unauthenticated => Self::Unauthenticated,
            Code::PermissionDenied => Self::Denied,
            Code::NotFound => Self::NotFound,
            Code::AlreadyExists => Self::Exists,
            Code::FailedPrecondition => Self::Refused,
            Code::Aborted => Self::Conflict,
            Code::ResourceExhausted => Self::Exhausted,
            Code::Cancelled => Self::Cancelled,
            Code::DeadlineExceeded => Self::DeadlinePassed,
            Code::Unimplemented => Self::NotServed,
            Code::Unavailable => Self::Away,
            Code::Internal if reason == Some(answer::TOO_LARGE) => Self::AnswerTooLarge,
            Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => Self::Broken,
        }
    }
}

/// One problem, before it is written.
#[derive(Debug, Serialize)]
pub struct Problem {
    #[serde(skip)]
    kind: Kind,
    #[serde(skip)]
    headers: HeaderMap,
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
    /// Name of the gRPC code; absent for what has no counterpart there.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// `google.rpc.ErrorInfo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    /// `google.rpc.BadRequest`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<Violation>,
    /// `google.rpc.ResourceInfo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<Resource>,
}

#[derive(Debug, Serialize)]
struct Violation {
    field: String,
    description: String,
}

#[derive(Debug, Serialize)]
struct Resource {
    r#type: String,
    name: String,
}

impl Problem {
    /// One that gRPC does not know.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            headers: HeaderMap::new(),
            r#type: kind.uri(),
            title: kind.title(),
            status: kind.status().as_u16(),
            detail: detail.into(),
            code: None,
            reason: None,
            metadata: BTreeMap::new(),
            violations: Vec::new(),
            resource: None,
        }
    }

    /// The path takes these methods and no other.
    pub fn wrong_method(allowed: &'static str) -> Self {
        let mut problem = Self::new(Kind::WrongMethod, format!("this path takes {allowed}"));
        let allowed = HeaderValue::from_static(allowed);
        problem.headers.insert(ALLOW, allowed);
        problem
    }

    /// What gRPC says.
    pub fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info();
        let kind = Kind::of(status.code(), info.map(|info| info.reason.as_str()));
        let mut problem = Self::new(kind, status.message());
        problem.code = Some(name(status.code()));
        if let Some(info) = info {
            problem.reason = Some(info.reason.clone());
            problem.metadata = sorted(&info.metadata);
        }
        if let Some(malformed) = details.bad_request() {
            let violations = malformed.field_violations.iter();
            problem.violations = violations
                .map(|violation| Violation {
                    field: violation.field.clone(),
                    description: violation.description.clone(),
                })
                .collect();
        }
        if let Some(resource) = details.resource_info() {
            problem.resource = Some(Resource {
                r#type: resource.resource_type.clone(),
                name: resource.resource_name.clone(),
            });
        }
        if kind == Kind::Unauthenticated {
            let scheme = HeaderValue::from_static("Bearer");
            problem.headers.insert(WWW_AUTHENTICATE, scheme);
        }
        let retry = details.retry_info().and_then(|retry| retry.retry_delay);
        if let Some(delay) = retry {
            let seconds = HeaderValue::from(whole_seconds(delay));
            problem.headers.insert(RETRY_AFTER, seconds);
        }
        problem
    }

    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// As the last line of a stream.
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::json!({ "problem": self })
    }
}

impl From<Problem> for Answer {
    fn from(mut problem: Problem) -> Self {
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut answer = Answer::new(Full::new(Bytes::from(body)).boxed_unsync());
        *answer.status_mut() = problem.status();
        *answer.headers_mut() = std::mem::take(&mut problem.headers);
        let media = HeaderValue::from_static(media::PROBLEM);
        answer.headers_mut().insert(CONTENT_TYPE, media);
        answer
    }
}

fn sorted(metadata: &HashMap<String, String>) -> BTreeMap<String, String> {
    metadata
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Never earlier than asked for.
fn whole_seconds(delay: Duration) -> u64 {
    delay.as_secs() + u64::from(delay.subsec_nanos() > 0)
}

/// As google.rpc.Code spells it.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytesize::ByteSize;
    use serde_json::{Value, json};

    use super::*;

    fn told(status: &Status) -> Value {
        serde_json::to_value(Problem::of(status)).unwrap()
    }

    #[test]
    fn what_is_malformed_is_told_field_by_field() {
        let status = rejection::bad_request("order.lines[2].quantity", "is below zero");
        let expected = json!({
            "type": "urn:millrace:problem:malformed",
            "title": "The request is malformed",
            "status": 400,
            "detail": "order.lines[2].quantity: is below zero",
            "code": "INVALID_ARGUMENT",
            "violations": [{ "field": "order.lines[2].quantity", "description": "is below zero" }],
        });
        assert_eq!(told(&status), expected);
    }

    #[test]
    fn what_is_unknown_or_refused_is_named_as_in_grpc() {
        let unknown = told(&rejection::not_found("order", "WEB-1"));
        assert_eq!(unknown["status"], 404);
        assert_eq!(
            unknown["resource"],
            json!({ "type": "order", "name": "WEB-1" })
        );
        let refused = told(&rejection::precondition("ORDER_NOT_HELD", "it is not held"));
        assert_eq!(refused["status"], 400);
        assert_eq!(refused["type"], "urn:millrace:problem:refused");
        assert_eq!(refused["reason"], "ORDER_NOT_HELD");
        let large = told(&rejection::too_large(ByteSize::mib(4)));
        assert_eq!(large["status"], 413);
        assert_eq!(large["code"], "INVALID_ARGUMENT");
    }

    #[test]
    fn who_has_to_wait_or_to_say_who_he_is_is_told_in_headers() {
        let away = Problem::of(&rejection::unavailable("database", "is away"));
        assert_eq!(away.headers[RETRY_AFTER], "1");
        assert_eq!(away.metadata["dependency"], "database");
        let over = rejection::exhausted("OVER_QUOTA", "slower", Duration::from_millis(1200));
        assert_eq!(Problem::of(&over).headers[RETRY_AFTER], "2");
        let stranger = Problem::of(&rejection::unauthenticated("MISSING_TOKEN", "none"));
        assert_eq!(stranger.headers[WWW_AUTHENTICATE], "Bearer");
        assert_eq!(Problem::wrong_method("POST").headers[ALLOW], "POST");
    }

    #[test]
    fn no_two_problems_share_a_type() {
        let types: BTreeSet<_> = Kind::ALL.map(Kind::uri).into();
        assert_eq!(types.len(), Kind::ALL.len());
    }
}
