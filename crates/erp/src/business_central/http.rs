//! One request to Business Central: its turn, its token, its time limit, its size limit, and what to do when it fails.
//! Reads are repeated a few times; writes never, but for the two answers that prove that nothing happened (401, 429).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use millrace_service_kit::Ids;
use reqwest::Method;
use reqwest::header::{
    ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, IF_MATCH, RETRY_AFTER,
};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::{debug, warn};
use url::Url;

use super::governor::{Governor, Priority};
use super::problem::{Failure, Problem};
use super::settings::{Limits, Settings, SettingsError, address};
use super::token::{Token, Tokens};
use crate::ErpError;

/// A read is tried this often before its reader hears of it.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

pub(crate) struct Http {
    client: reqwest::Client,
    tokens: Tokens,
    governor: Governor,
    limits: Limits,
    /// Up to and including the environment.
    root: Url,
    ids: Ids,
}

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub method: Method,
    pub url: Url,
    pub priority: Priority,
    pub body: Option<String>,
    pub page_size: Option<u32>,
    pub if_match: Option<String>,
}

impl Call {
    pub fn get(url: Url, priority: Priority) -> Self {
        Self {
            method: Method::GET,
            url,
            priority,
            body: None,
            page_size: None,
            if_match: None,
        }
    }

    pub fn paged(self, page_size: u32) -> Self {
        Self {
            page_size: Some(page_size),
            ..self
        }
    }

    pub fn post(url: Url, priority: Priority, body: String) -> Self {
        Self {
            method: Method::POST,
            body: Some(body),
            ..Self::get(url, priority)
        }
    }

    fn reads(&self) -> bool {
        self.method == Method::GET || self.priority == Priority::Live
    }
}

/// A 2xx answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub body: Bytes,
    /// BC's clock when it answered.
    pub date: Option<Timestamp>,
}

impl Answer {
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ErpError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            ErpError::Unreadable(format!(
                "the answer has another shape, at column {}",
                error.column()
            ))
        })
    }
}

/// How one attempt failed.
enum Trouble {
    Problem(Problem),
    /// The request never left.
    NotSent(&'static str),
    /// It left, and no whole answer came back.
    NoAnswer(&'static str),
    TooLarge,
}

impl Http {
    pub fn new(settings: &Settings, governor: Governor, ids: Ids) -> Result<Self, SettingsError> {
        let limits = settings.limits.clone();
        let client = reqwest::Client::builder()
            .user_agent(concat!("millrace/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(50))
            .tcp_nodelay(true)
            .build()
            .map_err(|error| SettingsError {
                key: "address",
                reason: error.to_string(),
            })?;
        let mut root = address("address", &settings.address)?;
        extend(&mut root, &[&settings.tenant, &settings.environment]);
        let mut sign_in = address("sign_in_address", &settings.sign_in_address)?;
        extend(&mut sign_in, &[&settings.tenant, "oauth2", "v2.0", "token"]);
        let tokens = Tokens::new(
            client.clone(),
            sign_in,
            settings.client_id.clone(),
            settings.client_secret.clone(),
        );
        Ok(Self {
            client,
            tokens,
            governor,
            limits,
            root,
            ids,
        })
    }

    /// The address of something in this environment.
    pub fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.root.clone();
        extend(&mut url, segments);
        url
    }

    /// A link that BC gave us; our token is not carried elsewhere.
    pub fn follow(&self, link: &str) -> Result<Url, ErpError> {
        let url = self
            .root
            .join(link)
            .map_err(|_| ErpError::Unreadable("the next link is no address".into()))?;
        if url.origin() != self.root.origin() {
            return Err(ErpError::Unreadable(
                "the next link leads to another host".into(),
            ));
        }
        Ok(url)
    }

    pub async fn get<T: DeserializeOwned>(
        &self,
        url: Url,
        priority: Priority,
    ) -> Result<T, Failure> {
        Ok(self.send(&Call::get(url, priority)).await?.json()?)
    }

    pub async fn send(&self, call: &Call) -> Result<Answer, Failure> {
        let patience = match call.priority {
            Priority::Live => self.limits.patience.min(self.limits.live_timeout),
            Priority::Order | Priority::Follow | Priority::Bulk => self.limits.patience,
        };
        let patient_until = Instant::now() + patience;
        let mut renewed = false;
        let mut attempt = 0;
        loop {
            let token = self.tokens.current().await?;
            // Who would wait longer than he has patience is told so at once, not after the wait.
            let pause = self.governor.pause();
            if !pause.is_zero() && Instant::now() + pause > patient_until {
                return Err(overloaded(pause));
            }
            let permit = self.governor.acquire(call.priority).await;
            let trouble = match self.once(call, &token).await {
                Ok(answer) => {
                    self.governor.answered();
                    return Ok(answer);
                }
                Err(trouble) => trouble,
            };
            match trouble {
                Trouble::Problem(problem) if problem.status == 401 && !renewed => {
                    renewed = true;
                    self.tokens.spoil(&token).await;
                }
                Trouble::Problem(problem) if problem.status == 429 => {
                    let pause = self
                        .governor
                        .throttled(problem.retry_after, self.ids.fraction());
                    debug!(
                        pause_ms = pause.as_millis(),
                        "business central says 429: requests pause"
                    );
                    if Instant::now() + pause >= patient_until {
                        return Err(overloaded(pause));
                    }
                }
                trouble => {
                    drop(permit);
                    attempt += 1;
                    let failure = judge(call, trouble);
                    let Some(pause) = self.pause_before_retry(call, attempt, &failure) else {
                        return Err(failure);
                    };
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Reads only, and only while the pause stays short: longer ones are the reader's to make, who can show them.
    fn pause_before_retry(&self, call: &Call, attempt: u32, failure: &Failure) -> Option<Duration> {
        if !call.reads() || call.priority == Priority::Live || attempt >= ATTEMPTS {
            return None;
        }
        let wanted = match failure {
            Failure::Erp(ErpError::Away { retry_after, .. }) => *retry_after,
            Failure::Problem(problem) if matches!(problem.status, 408 | 500 | 502 | 503 | 504) => {
                problem.retry_after
            }
            _ => return None,
        };
        let backoff = FIRST_PAUSE
            .saturating_mul(1 << attempt)
            .mul_f64(0.5 + self.ids.fraction() / 2.0);
        let pause = wanted.map_or(backoff, |wanted| wanted.max(backoff));
        (pause <= Duration::from_secs(2)).then_some(pause)
    }

    async fn once(&self, call: &Call, token: &Token) -> Result<Answer, Trouble> {
        let limit = match call.priority {
            Priority::Live => self.limits.live_timeout,
            Priority::Order if !call.reads() => self.limits.write_timeout,
            Priority::Order | Priority::Follow | Priority::Bulk => self.limits.timeout,
        };
        let mut request = self
            .client
            .request(call.method.clone(), call.url.clone())
            .timeout(limit)
            .header(AUTHORIZATION, token.header.clone())
            .header(ACCEPT, "application/json")
            .header(ACCEPT_LANGUAGE, "en-US");
        if let Some(size) = call.page_size {
            request = request.header("prefer", format!("odata.maxpagesize={size}"));
        }
        if let Some(tag) = &call.if_match {
            request = request.header(IF_MATCH, tag);
        }
        if let Some(body) = &call.body {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone());
        }
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => {
                return Err(Trouble::NotSent("business central cannot be reached"));
            }
            Err(error) if error.is_timeout() => {
                return Err(Trouble::NoAnswer("business central did not answer in time"));
            }
            Err(error) if error.is_builder() => {
                return Err(Trouble::NotSent("the request could not be made"));
            }
            Err(_) => return Err(Trouble::NoAnswer("business central broke off")),
        };
        let status = response.status().as_u16();
        let date = date(response.headers());
        let retry_after = retry_after(response.headers());
        let most = usize::try_from(self.limits.answer.as_u64()).unwrap_or(usize::MAX);
        let mut body = BytesMut::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= most => {
                    body.extend_from_slice(&chunk)
                }
                Ok(Some(_)) => return Err(Trouble::TooLarge),
                Ok(None) => break,
                Err(_) => return Err(Trouble::NoAnswer("business central broke off")),
            }
        }
        if (200..300).contains(&status) {
            return Ok(Answer {
                status,
                body: body.freeze(),
                date,
            });
        }
        Err(Trouble::Problem(Problem::read(status, retry_after, &body)))
    }
}

fn overloaded(pause: Duration) -> Failure {
    ErpError::Away {
        reason: "too many requests".into(),
        retry_after: Some(pause),
    }
    .into()
}

fn judge(call: &Call, trouble: Trouble) -> Failure {
    let away = |reason: &str| ErpError::Away {
        reason: reason.into(),
        retry_after: None,
    };
    let failure: Failure = match trouble {
        Trouble::Problem(problem) if !call.reads() && problem.leaves_open() => {
            ErpError::Unknown.into()
        }
        Trouble::Problem(problem) => Failure::Problem(problem),
        Trouble::NotSent(reason) => away(reason).into(),
        Trouble::NoAnswer(reason) if call.reads() => away(reason).into(),
        Trouble::NoAnswer(_) => ErpError::Unknown.into(),
        Trouble::TooLarge => {
            ErpError::Unreadable("the answer is larger than the limit".into()).into()
        }
    };
    if let Failure::Erp(ErpError::Unknown) = &failure {
        warn!(method = %call.method, "business central did not answer a write; whether it acted is unknown");
    }
    failure
}

fn extend(url: &mut Url, segments: &[&str]) {
    // `check` and `address` refused addresses that cannot have a path.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
}

/// HTTP's date, RFC 9110.
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(DATE)?.to_str().ok()?;
    Some(
        jiff::fmt::rfc2822::DateTimeParser::new()
            .parse_zoned(text)
            .ok()?
            .timestamp(),
    )
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    // The other form is a date; ours is close enough to BC's that the server's own says more.
    let until = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_zoned(text)
        .ok()?
        .timestamp();
    Duration::try_from(until.duration_since(date(headers)?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_carried_to_another_host() {
        let settings: Settings = serde_json::from_str(
            r#"{"code":"bc","address":"https://bc.example.com/v2.0","tenant":"t","environment":"production","client_id":"c","client_secret":"s"}"#,
        )
        .unwrap();
        let governor = Governor::new(5, 6000, Duration::from_secs(300));
        let http = Http::new(&settings, governor, Ids::random()).unwrap();
        let next =
            "https://bc.example.com/v2.0/t/production/api/v2.0/companies(x)/items?$skiptoken=1";
        assert_eq!(http.follow(next).unwrap().as_str(), next);
        for elsewhere in [
            "https://evil.example.com/v2.0",
            "http://bc.example.com/v2.0",
            "//evil.example.com/x",
        ] {
            assert!(http.follow(elsewhere).is_err(), "{elsewhere}");
        }
    }
}
