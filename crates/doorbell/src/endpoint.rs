//! Where and how a doorbell rings, checked once, and one try at it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use jiff::Timestamp;
use millrace_service_kit::Secret;
use thiserror::Error;
use url::{Host, Url};

use crate::address::{Block, Guard};
use crate::message::{Field, Message};
use crate::names::{Guarded, Names, Refused};
use crate::signature::{SigningKey, signatures};
use crate::template::{Escape, Template};

/// Of an answer nobody is interested in, so much is read to use the connection again; more is cut off.
const ANSWER: usize = 4 << 10;
/// … and so long: the status has said it all.
const ANSWER_TIME: Duration = Duration::from_secs(1);

/// Headers that are ours, or the connection's.
const OURS: [&str; 9] = [
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "expect",
];

/// A doorbell as it is wished for.
pub struct Wishes {
    pub method: String,
    pub url: Secret,
    /// By name; with placeholders.
    pub headers: Vec<(String, Secret)>,
    /// With placeholders; `None`: as usual, with `payload` if it is full.
    pub body: Option<Secret>,
    /// Whether the change itself is sent along.
    pub full_payload: bool,
    pub secrets: Vec<Secret>,
    /// Addresses inside the network that it may ring at.
    pub allow_internal: Vec<String>,
    /// Of one try, with everything.
    pub timeout: Duration,
}

/// What cannot be meant: the setting, and why. No text of the settings is repeated that may hold a secret.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("{setting}: {reason}")]
pub struct EndpointError {
    pub setting: String,
    pub reason: String,
}

/// A doorbell that can be rung.
pub struct Endpoint {
    method: Method,
    url: Template,
    origin: String,
    headers: Vec<(HeaderName, Template)>,
    body: Option<Template>,
    escape: Escape,
    keys: Vec<SigningKey>,
    timeout: Duration,
    client: reqwest::Client,
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 2xx.
    Taken,
    /// 410: the shop wants no more.
    Gone,
    /// Anything else, in one sentence without anything of the shop's or of the change.
    Failed {
        reason: String,
        /// So long the shop asks for.
        retry_after: Option<Duration>,
    },
}

const THIN: &str = r#"{"type":"{{type}}","timestamp":"{{occurred_at}}","data":{"channel":"{{channel}}","kind":"{{kind}}","key":"{{key}}","deleted":{{deleted}},"position":{{position}},"token":"{{token}}","count":{{count}}}}"#;
const FULL: &str = r#"{"type":"{{type}}","timestamp":"{{occurred_at}}","data":{"channel":"{{channel}}","kind":"{{kind}}","key":"{{key}}","deleted":{{deleted}},"position":{{position}},"token":"{{token}}","count":{{count}},"payload":{{payload}}}}"#;

impl Endpoint {
    /// # Errors
    /// The first setting that cannot be meant.
    pub fn new(wishes: Wishes, names: Arc<dyn Names>) -> Result<Self, EndpointError> {
        let method = method(&wishes.method)?;
        let mut headers = headers(wishes.headers)?;
        let body = match (&wishes.body, wishes.full_payload) {
            (None, _) if method == Method::GET => None,
            (Some(_), _) if method == Method::GET => return Err(wrong("body", "a GET has none")),
            (Some(text), _) => Some(text.expose()),
            (None, true) => Some(FULL),
            (None, false) => Some(THIN),
        };
        if body.is_some() && !headers.iter().any(|(name, _)| name == CONTENT_TYPE) {
            let json = parsed("headers.content-type", "application/json")?;
            headers.push((CONTENT_TYPE, json));
        }
        let escape = escape(&headers)?;
        let body = body.map(|text| checked_body(text, escape)).transpose()?;
        let url = parsed("url", wishes.url.expose())?;
        let (address, guard) = checked_url(&url, &wishes.allow_internal)?;
        if !wishes.full_payload {
            no_payload(&url, &headers, body.as_ref())?;
        }
        if wishes.timeout.is_zero() || wishes.timeout > Duration::from_secs(120) {
            return Err(wrong("timeout", "more than nothing and at most 2m"));
        }
        let client = reqwest::Client::builder()
            .user_agent(concat!("millrace/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            // A proxy would look the name up once more.
            .no_proxy()
            .dns_resolver(Arc::new(Guarded { names, guard }))
            .connect_timeout(wishes.timeout)
            .pool_max_idle_per_host(1)
            .build()
            .map_err(|error| wrong("url", error.to_string()))?;
        Ok(Self {
            origin: address.origin().ascii_serialization(),
            method,
            url,
            headers,
            body,
            escape,
            keys: keys(&wishes.secrets)?,
            timeout: wishes.timeout,
            client,
        })
    }

    /// Scheme, host and port: what may be shown of the address.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Rings once. Takes no longer than the timeout and a moment, whatever the other side does.
    pub async fn ring(&self, message: &Message, now: Timestamp) -> Answer {
        let request = match self.request(message, now) {
            Ok(request) => request,
            Err(reason) => return failed(reason),
        };
        let sending = tokio::time::timeout(self.timeout, self.client.execute(request));
        match sending.await {
            Err(_) => failed(format!("no answer within {:?}", self.timeout)),
            Ok(Err(error)) => failed(why(error)),
            Ok(Ok(response)) => {
                let answer = judged(&response, now);
                let reading = tokio::time::timeout(ANSWER_TIME, read_off(response));
                // Too slow is as good as too long: the connection is closed with the answer.
                let _ = reading.await;
                answer
            }
        }
    }

    fn request(&self, message: &Message, now: Timestamp) -> Result<reqwest::Request, String> {
        let url = self.url.fill(message, Escape::Url);
        let url = Url::parse(&url).map_err(|_| "the url is none when it is filled in")?;
        let body = match &self.body {
            Some(body) => body.fill(message, self.escape),
            None => String::new(),
        };
        let mut request = reqwest::Request::new(self.method.clone(), url);
        let filled = request.headers_mut();
        for (name, template) in &self.headers {
            let value = HeaderValue::from_str(&template.fill(message, Escape::Header));
            let value =
                value.map_err(|_| format!("header {name} has characters it cannot have"))?;
            filled.append(name, value);
        }
        let timestamp = now.as_second();
        let signature = signatures(&self.keys, &message.id, timestamp, body.as_bytes());
        for (name, text) in [
            ("webhook-id", message.id.clone()),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", signature),
        ] {
            let value = HeaderValue::try_from(text);
            filled.insert(name, value.map_err(|_| format!("{name} is no header"))?);
        }
        if self.body.is_some() {
            *request.body_mut() = Some(body.into());
        }
        Ok(request)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Endpoint")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

fn judged(response: &reqwest::Response, now: Timestamp) -> Answer {
    let status = response.status();
    if status.is_success() {
        return Answer::Taken;
    }
    if status == StatusCode::GONE {
        return Answer::Gone;
    }
    let more = match status.is_redirection() {
        true => ", and redirects are not followed",
        false => "",
    };
    let retry_after = response.headers().get(RETRY_AFTER);
    Answer::Failed {
        reason: format!("answered {}{more}", status.as_u16()),
        retry_after: retry_after.and_then(|value| retry_after_of(value.to_str().ok()?, now)),
    }
}

/// Seconds, or a moment.
fn retry_after_of(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let moment = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text);
    Duration::try_from(moment.ok()?.duration_since(now)).ok()
}

async fn read_off(mut response: reqwest::Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > ANSWER {
            return;
        }
    }
}

/// In one sentence, without the url.
fn why(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    let mut last = String::new();
    while let Some(current) = cause {
        if let Some(refused) = current.downcast_ref::<Refused>() {
            return refused.to_string();
        }
        last = current.to_string();
        cause = current.source();
    }
    if error.is_connect() {
        return format!("could not be reached: {last}");
    }
    format!("no whole answer: {last}")
}

fn failed(reason: impl Into<String>) -> Answer {
    Answer::Failed {
        reason: reason.into(),
        retry_after: None,
    }
}

fn wrong(setting: impl Into<String>, reason: impl ToString) -> EndpointError {
    EndpointError {
        setting: setting.into(),
        reason: reason.to_string(),
    }
}

fn method(text: &str) -> Result<Method, EndpointError> {
    match text {
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        "GET" => Ok(Method::GET),
        _ => Err(wrong("method", "is none of POST, PUT, PATCH, GET")),
    }
}

fn parsed(setting: &str, text: &str) -> Result<Template, EndpointError> {
    Template::parse(text).map_err(|error| wrong(setting, error))
}

fn headers(wished: Vec<(String, Secret)>) -> Result<Vec<(HeaderName, Template)>, EndpointError> {
    let mut headers = Vec::new();
    for (name, value) in wished {
        let setting = format!("headers.{name}");
        let name = HeaderName::try_from(name.to_lowercase())
            .map_err(|_| wrong(&setting, "is no name of a header"))?;
        if OURS.contains(&name.as_str()) {
            return Err(wrong(&setting, "is set by Millrace itself"));
        }
        if headers.iter().any(|(known, _)| *known == name) {
            return Err(wrong(&setting, "stands there twice"));
        }
        let template = parsed(&setting, value.expose())?;
        let sample = template.fill(&Message::awkward(), Escape::Header);
        if HeaderValue::from_str(&sample).is_err() {
            return Err(wrong(&setting, "has characters a header cannot have"));
        }
        headers.push((name, template));
    }
    Ok(headers)
}

/// The body's own language says how texts are written in it.
fn escape(headers: &[(HeaderName, Template)]) -> Result<Escape, EndpointError> {
    let Some((_, template)) = headers.iter().find(|(name, _)| name == CONTENT_TYPE) else {
        return Ok(Escape::Plain);
    };
    if !template.is_plain() {
        return Err(wrong("headers.content-type", "has no placeholders"));
    }
    let whole = template.beginning().to_lowercase();
    let essence = whole.split(';').next().unwrap_or_default().trim();
    Ok(match essence {
        "application/x-www-form-urlencoded" => Escape::Form,
        json if json.ends_with("/json") || json.ends_with("+json") => Escape::Json,
        xml if xml.ends_with("/xml") || xml.ends_with("+xml") => Escape::Xml,
        _ => Escape::Plain,
    })
}

fn checked_body(text: &str, escape: Escape) -> Result<Template, EndpointError> {
    let body = parsed("body", text)?;
    if escape == Escape::Json {
        let sample = body.fill(&Message::awkward(), escape);
        serde_json::from_str::<serde_json::Value>(&sample).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let place = format!("line {line}, column {column}");
            wrong(
                "body",
                format!("is no JSON when it is filled in, at {place}"),
            )
        })?;
    }
    Ok(body)
}

/// The address as it is when filled in, and what lets its connections through.
fn checked_url(
    template: &Template,
    allow_internal: &[String],
) -> Result<(Url, Guard), EndpointError> {
    let sample = template.fill(&Message::awkward(), Escape::Url);
    let url = Url::parse(&sample).map_err(|error| wrong("url", error))?;
    let only_allowed = match url.scheme() {
        "https" => false,
        "http" => true,
        _ => return Err(wrong("url", "begins with neither https:// nor http://")),
    };
    let fixed = template.beginning();
    let behind_scheme = fixed.find("://").map_or("", |at| &fixed[at + 3..]);
    if !template.is_plain() && !behind_scheme.contains(['/', '?', '#']) {
        return Err(wrong(
            "url",
            "has placeholders before its path; scheme, host and port are fixed",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("url", "names a user; use an authorization header"));
    }
    let allowed = allow_internal.iter().map(|text| text.parse::<Block>());
    let allowed = allowed.collect::<Result<_, _>>();
    let guard = Guard {
        allowed: allowed.map_err(|error| wrong("allow_internal", error))?,
        only_allowed,
    };
    // A name is looked up, and checked, at every connection; an address can be told now, and is not looked up.
    let address: Option<IpAddr> = match url.host() {
        Some(Host::Ipv4(address)) => Some(address.into()),
        Some(Host::Ipv6(address)) => Some(address.into()),
        Some(Host::Domain(_)) | None => None,
    };
    if let Some(address) = address {
        let checked = guard.check(address);
        checked.map_err(|why| wrong("url", format!("{address} is {why}")))?;
    } else if only_allowed && guard.allowed.is_empty() {
        let why = "is http, which is for addresses that allow_internal names; use https";
        return Err(wrong("url", why));
    }
    Ok((url, guard))
}

fn no_payload(
    url: &Template,
    headers: &[(HeaderName, Template)],
    body: Option<&Template>,
) -> Result<(), EndpointError> {
    let header = headers.iter().map(|(_, template)| ("headers", template));
    let all = [("url", Some(url)), ("body", body)];
    let all = all
        .into_iter()
        .filter_map(|(name, template)| Some((name, template?)));
    for (setting, template) in all.chain(header) {
        if template.has(Field::Payload) {
            let reason = "has {{payload}}, which is there with payload = \"full\" only";
            return Err(wrong(setting, reason));
        }
    }
    Ok(())
}

fn keys(secrets: &[Secret]) -> Result<Vec<SigningKey>, EndpointError> {
    if secrets.is_empty() {
        return Err(wrong("secrets", "at least one is needed, whsec_…"));
    }
    let keys = (1..).zip(secrets).map(|(number, secret)| {
        SigningKey::parse(secret)
            .map_err(|error| wrong("secrets", format!("number {number} {error}")))
    });
    keys.collect()
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
