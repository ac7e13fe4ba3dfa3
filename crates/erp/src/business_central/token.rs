//! Client-credentials tokens: fetched once for all, renewed before they end, and never asked for in a storm.

use std::fmt;
use std::time::Duration;

use millrace_service_kit::Secret;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use crate::ErpError;

const SCOPE: &str = "https://api.businesscentral.dynamics.com/.default";
const LONGEST_REST: Duration = Duration::from_secs(60);

/// A bearer token; `number` tells it from its predecessor.
#[derive(Clone)]
pub struct Token {
    pub header: HeaderValue,
    number: u64,
    renew_at: Instant,
    ends_at: Instant,
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Token({})", self.number)
    }
}

pub struct Tokens {
    client: reqwest::Client,
    address: Url,
    client_id: String,
    client_secret: Secret,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    token: Option<Token>,
    made: u64,
    failure: Option<Rest>,
}

/// After a failure nobody asks again for a while: everybody who waits is told the same.
struct Rest {
    until: Instant,
    failures: u32,
    denied: bool,
    reason: String,
}

impl Rest {
    fn after(error: &ErpError, before: Option<&Self>) -> Self {
        let failures = before.map_or(0, |rest| rest.failures) + 1;
        let (denied, reason) = match error {
            ErpError::Denied(reason) => (true, reason.clone()),
            ErpError::Away { reason, .. } => (false, reason.clone()),
            other => (false, other.to_string()),
        };
        // Wrong credentials do not mend themselves, and too many tries lock an account; an outage passes.
        let longest = if denied {
            LONGEST_REST
        } else {
            Duration::from_secs(2)
        };
        let pause = Duration::from_millis(250)
            .saturating_mul(1 << failures.min(8))
            .min(longest);
        Self {
            until: Instant::now() + pause,
            failures,
            denied,
            reason,
        }
    }

    fn error(&self) -> ErpError {
        let reason = self.reason.clone();
        if self.denied {
            return ErpError::Denied(reason);
        }
        let left = self.until.saturating_duration_since(Instant::now());
        ErpError::Away {
            reason,
            retry_after: Some(left),
        }
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
    expires_in: u64,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
}

impl Tokens {
    pub fn new(
        client: reqwest::Client,
        address: Url,
        client_id: String,
        client_secret: Secret,
    ) -> Self {
        Self {
            client,
            address,
            client_id,
            client_secret,
            held: Mutex::default(),
        }
    }

    /// The token to use now. While one is fetched the others wait for it.
    pub async fn current(&self) -> Result<Token, ErpError> {
        let mut held = self.held.lock().await;
        let now = Instant::now();
        let usable = held.token.clone().filter(|token| token.ends_at > now);
        if let Some(token) = &usable
            && token.renew_at > now
        {
            return Ok(token.clone());
        }
        if let Some(rest) = held.failure.as_ref().filter(|rest| rest.until > now) {
            return usable.ok_or_else(|| rest.error());
        }
        match self.fetch(held.made + 1).await {
            Ok(token) => {
                *held = Held {
                    token: Some(token.clone()),
                    made: token.number,
                    failure: None,
                };
                Ok(token)
            }
            Err(error) => {
                held.failure = Some(Rest::after(&error, held.failure.as_ref()));
                // An old token that still holds is better than none.
                usable.ok_or(error)
            }
        }
    }

    /// Business Central did not accept this token: the next asker fetches another, unless somebody did already.
    pub async fn spoil(&self, token: &Token) {
        let mut held = self.held.lock().await;
        if held
            .token
            .as_ref()
            .is_some_and(|current| current.number == token.number)
        {
            held.token = None;
        }
    }

    async fn fetch(&self, number: u64) -> Result<Token, ErpError> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("client_secret", self.client_secret.expose()),
            ("scope", SCOPE),
        ];
        let away = |reason: &str| ErpError::Away {
            reason: reason.into(),
            retry_after: None,
        };
        let asked_at = Instant::now();
        let answer = self
            .client
            .post(self.address.clone())
            .timeout(Duration::from_secs(15))
            .form(&form)
            .send()
            .await
            .map_err(|_| away("the token endpoint does not answer"))?;
        let status = answer.status();
        let body = answer
            .bytes()
            .await
            .map_err(|_| away("the token endpoint broke off"))?;
        if status.is_success() {
            let granted: Granted = serde_json::from_slice(&body).map_err(|_| {
                ErpError::Unreadable("the token endpoint's answer is no token".into())
            })?;
            return Token::new(&granted, number, asked_at);
        }
        if status.is_client_error() && status.as_u16() != 408 && status.as_u16() != 429 {
            let code = serde_json::from_slice::<Refused>(&body)
                .map(|refused| refused.error)
                .unwrap_or_default();
            return Err(ErpError::Denied(
                format!("the token endpoint says {} {code}", status.as_u16())
                    .trim_end()
                    .into(),
            ));
        }
        Err(away(&format!(
            "the token endpoint says {}",
            status.as_u16()
        )))
    }
}

impl Token {
    fn new(granted: &Granted, number: u64, asked_at: Instant) -> Result<Self, ErpError> {
        let mut header =
            HeaderValue::from_str(&format!("Bearer {}", granted.access_token.expose_secret()))
                .map_err(|_| {
                    ErpError::Unreadable("the token holds characters no header may".into())
                })?;
        header.set_sensitive(true);
        let life = Duration::from_secs(granted.expires_in);
        // A request under way must not outlive its token: renewed a tenth of its life, at most five minutes, before it ends.
        let early = (life / 10).min(Duration::from_secs(300));
        Ok(Self {
            header,
            number,
            renew_at: asked_at + life - early,
            ends_at: asked_at + life,
        })
    }
}
