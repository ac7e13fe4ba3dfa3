//! An issuer's public keys: asked for now and then, and when a token names one that is not known, but not more often than a
//! stranger with invented tokens may make us. What was learnt stays while the issuer is away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use prometheus_client::encoding::EncodeLabelSet;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{info, warn};
use url::Url;

use super::issuers::{IssuerError, IssuerSettings, Judged, trusted_address};
use super::{Hash, sha256};
use crate::health::{self, Component};
use crate::metrics::{Counter, Family, Gauge, Metrics};
use crate::retry::Backoff;
use crate::{Ids, Shutdown};

/// An answer that takes longer, or is larger, is none.
const PATIENCE: Duration = Duration::from_secs(5);
const LONGEST_ANSWER: usize = 1 << 20;
/// More keys than any issuer has, more tokens than are in use at once.
const MOST_KEYS: usize = 100;
const MOST_TOKENS: usize = 4096;

#[derive(Debug, Error)]
pub enum KeysError {
    #[error("{0} cannot be asked")]
    Away(Url, #[source] reqwest::Error),
    #[error("{0} answers {1}")]
    Refused(Url, reqwest::StatusCode),
    #[error("{0} answers more than {LONGEST_ANSWER} bytes")]
    TooLarge(Url),
    #[error("{0} answers something else than expected")]
    Unreadable(Url, #[source] serde_json::Error),
    #[error("{0} describes another issuer")]
    AnotherIssuer(Url),
    #[error("{0} names no address with https:// for the keys")]
    Address(Url),
    #[error("{0} has no key that signs")]
    NoKey(String),
}

/// One key, and what was signed with it.
#[derive(Debug)]
pub struct Key {
    verifying: DecodingKey,
    only_for: Option<Algorithm>,
    judged: Mutex<HashMap<Hash, Judged>>,
}

impl Key {
    /// `None`: it is no key that signs, or a secret.
    fn of(jwk: &Jwk) -> Option<(String, Arc<Self>)> {
        let encrypts = jwk.common.public_key_use == Some(PublicKeyUse::Encryption);
        let verifying = match jwk.algorithm {
            AlgorithmParameters::RSA(_)
            | AlgorithmParameters::EllipticCurve(_)
            | AlgorithmParameters::OctetKeyPair(_)
                if !encrypts =>
            {
                DecodingKey::from_jwk(jwk).ok()?
            }
            _ => return None,
        };
        let only_for = match jwk.common.key_algorithm {
            Some(algorithm) => Some(Algorithm::try_from(algorithm).ok()?),
            None => None,
        };
        let key = Self {
            verifying,
            only_for,
            judged: Mutex::default(),
        };
        Some((jwk.common.key_id.clone()?, Arc::new(key)))
    }

    pub fn verifying(&self) -> &DecodingKey {
        &self.verifying
    }

    pub fn is_for(&self, algorithm: Algorithm) -> bool {
        self.only_for.is_none_or(|only| only == algorithm)
            && self.verifying.family() == algorithm.family()
    }

    /// What this very token came to before.
    pub fn judged(&self, token: &str) -> Option<Judged> {
        let judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        judged.get(&sha256(token)).cloned()
    }

    pub fn remember(&self, token: &str, result: Judged) -> Judged {
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        if judged.len() >= MOST_TOKENS {
            judged.clear();
        }
        judged.insert(sha256(token), result.clone());
        result
    }
}

pub enum Found {
    Key(Arc<Key>),
    /// The issuer was asked a moment ago and has no such key.
    Unknown,
    /// It is being asked, or could not be.
    NotYet,
}

#[derive(Debug)]
pub struct Keys {
    source: KeySource,
    known: ArcSwap<HashMap<String, Arc<Key>>>,
    asking: Mutex<Asking>,
    wanted: Notify,
    unknown_key_every: Duration,
}

#[derive(Debug, Default)]
struct Asking {
    /// The last time, or wanted to be.
    since: Option<Instant>,
    answered: bool,
}

impl Keys {
    pub fn new(source: KeySource, unknown_key_every: Duration) -> Self {
        Self {
            source,
            known: ArcSwap::default(),
            asking: Mutex::default(),
            wanted: Notify::new(),
            unknown_key_every,
        }
    }

    pub fn find(&self, key_id: &str) -> Found {
        if let Some(key) = self.known.load().get(key_id) {
            return Found::Key(key.clone());
        }
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let due = asking
            .since
            .is_none_or(|since| since.elapsed() >= self.unknown_key_every);
        if due {
            *asking = Asking {
                since: Some(Instant::now()),
                answered: false,
            };
            self.wanted.notify_one();
        }
        match asking.answered {
            true => Found::Unknown,
            false => Found::NotYet,
        }
    }

    /// Asks again and again until shutdown.
    pub async fn follow(
        &self,
        watch: &Watch,
        name: &str,
        every: Duration,
        component: Component,
        ids: &Ids,
        shutdown: &Shutdown,
    ) {
        // Tokens of the settings do not wait for an issuer.
        component.ready();
        let label = IssuerLabel {
            issuer: name.to_owned(),
        };
        let (keys, failures) = (
            watch.keys.get_or_create(&label).clone(),
            watch.failures.get_or_create(&label).clone(),
        );
        let mut backoff = Backoff::new(
            Duration::from_millis(500),
            self.unknown_key_every.max(Duration::from_secs(1)),
            ids.clone(),
        );
        loop {
            let fetched = tokio::select! {
                () = shutdown.cancelled() => return,
                fetched = self.source.fetch() => fetched,
            };
            let learnt = fetched.and_then(|fetched| self.learn(&fetched));
            let pause = match learnt {
                Ok(()) => {
                    if backoff.tries() > 0 {
                        info!(issuer = name, "issuer {name} answers");
                    }
                    backoff.succeeded();
                    component.ready();
                    every
                }
                Err(error) => {
                    let why = health::chain(&error);
                    if backoff.tries() == 0 {
                        warn!(
                            issuer = name,
                            reason = why,
                            "the keys of issuer {name} cannot be read, trying again: {why}"
                        );
                    }
                    failures.inc();
                    component.trouble(why);
                    backoff.next_delay()
                }
            };
            keys.set(i64::try_from(self.known.load().len()).unwrap_or(i64::MAX));
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.wanted.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Keys that are gone are not trusted any more, nor is what was signed with them. An issuer that has none left means it,
    /// and somebody should look.
    fn learn(&self, fetched: &[Jwk]) -> Result<(), KeysError> {
        let before = self.known.load();
        let mut known = HashMap::new();
        for (id, key) in fetched.iter().filter_map(Key::of) {
            let same = before.get(&id).filter(|before| before.is_same(&key));
            known.insert(id, same.cloned().unwrap_or(key));
        }
        let none = known.is_empty();
        self.known.store(Arc::new(known));
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        *asking = Asking {
            since: Some(Instant::now()),
            answered: true,
        };
        match none {
            true => Err(KeysError::NoKey(self.source.issuer.clone())),
            false => Ok(()),
        }
    }
}

impl Key {
    fn is_same(&self, other: &Self) -> bool {
        use jsonwebtoken::DecodingKeyKind::{RsaModulusExponent, SecretOrDer};
        let same = match (self.verifying.kind(), other.verifying.kind()) {
            (SecretOrDer(one), SecretOrDer(two)) => one == two,
            (RsaModulusExponent { n, e }, RsaModulusExponent { n: n2, e: e2 }) => {
                n == n2 && e == e2
            }
            _ => false,
        };
        same && self.verifying.family() == other.verifying.family()
            && self.only_for == other.only_for
    }
}

/// Where an issuer's keys are, and who it has to be.
#[derive(Debug)]
pub struct KeySource {
    client: reqwest::Client,
    issuer: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Keys(Url),
    Discovery(Url),
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct Published {
    keys: Vec<Value>,
}

impl KeySource {
    pub fn new(settings: &IssuerSettings) -> Result<Self, IssuerError> {
        let trusted = |address: String| {
            trusted_address(&address).ok_or(IssuerError::Address {
                name: settings.name.clone(),
                address,
            })
        };
        let place = match &settings.jwks {
            Some(jwks) => Place::Keys(trusted(jwks.clone())?),
            None => {
                let issuer = settings.issuer.trim_end_matches('/');
                Place::Discovery(trusted(format!(
                    "{issuer}/.well-known/openid-configuration"
                ))?)
            }
        };
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            client,
            issuer: settings.issuer.clone(),
            place,
        })
    }

    async fn fetch(&self) -> Result<Vec<Jwk>, KeysError> {
        let url = match &self.place {
            Place::Keys(url) => url.clone(),
            Place::Discovery(url) => {
                let found: Discovered = read(url, &self.get(url).await?)?;
                if found.issuer != self.issuer {
                    return Err(KeysError::AnotherIssuer(url.clone()));
                }
                trusted_address(&found.jwks_uri).ok_or_else(|| KeysError::Address(url.clone()))?
            }
        };
        let published: Published = read(&url, &self.get(&url).await?)?;
        // Kinds of keys that come up after us are no reason to do without the others.
        let keys = published.keys.into_iter().take(MOST_KEYS);
        Ok(keys
            .filter_map(|key| serde_json::from_value(key).ok())
            .collect())
    }

    async fn get(&self, url: &Url) -> Result<Vec<u8>, KeysError> {
        let away = |error: reqwest::Error| KeysError::Away(url.clone(), error.without_url());
        let mut answer = self.client.get(url.clone()).send().await.map_err(away)?;
        if !answer.status().is_success() {
            return Err(KeysError::Refused(url.clone(), answer.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(away)? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                return Err(KeysError::TooLarge(url.clone()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn read<'a, T: Deserialize<'a>>(url: &Url, body: &'a [u8]) -> Result<T, KeysError> {
    serde_json::from_slice(body).map_err(|error| KeysError::Unreadable(url.clone(), error))
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuerLabel {
    issuer: String,
}

/// What is shown of all issuers.
#[derive(Debug)]
pub struct Watch {
    keys: Family<IssuerLabel, Gauge>,
    failures: Family<IssuerLabel, Counter>,
}

impl Watch {
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            keys: metrics.register(
                "auth_issuer_keys",
                "Public keys known of an issuer of tokens",
                Family::default(),
            ),
            failures: metrics.register(
                "auth_issuer_failures",
                "Times the keys of an issuer could not be read",
                Family::default(),
            ),
        }
    }
}
