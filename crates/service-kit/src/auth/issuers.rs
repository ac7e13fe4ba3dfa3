//! Tokens that somebody else gives out: JWTs of an issuer the settings name. What an issuer says counts within what the
//! settings let it say; everything else is refused.
//!
//! Which channel and which scopes a token has is read from two claims. `channel` (or as `channel_claim` says) is the code of
//! one channel, or `*` for all; a token without it is refused. `scope` (or as `scope_claim` says) is a text with spaces
//! between, or a list. Both count only as far as the issuer's own `channels` and `scopes` reach.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;
use tokio::time::Instant;
use tonic::Status;
use url::Url;

use super::keys::{Found, Key, KeySource, Keys, Watch};
use super::{Caller, sha256};
use crate::health::Health;
use crate::metrics::Metrics;
use crate::{Clock, Ids, Shutdown, rejection};

/// Every channel, or every scope.
const ALL: &str = "*";
/// Of a subject, so many characters stand in logs and events.
const LONGEST_SUBJECT: usize = 64;

/// One issuer in the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerSettings {
    /// Stands before the subject in logs and events.
    pub name: String,
    /// `iss`, exactly.
    pub issuer: String,
    /// What has to be among `aud`.
    pub audience: String,
    #[serde(default = "usual_algorithms")]
    pub algorithms: Vec<SigningAlgorithm>,
    /// Where its keys are; absent: where its `/.well-known/openid-configuration` says.
    #[serde(default)]
    pub jwks: Option<String>,
    /// Channels it may speak for; `*`: every one, and what concerns all of them.
    pub channels: BTreeSet<String>,
    /// Scopes it may grant; `*`: every one.
    pub scopes: BTreeSet<String>,
    #[serde(default = "channel_claim")]
    pub channel_claim: String,
    #[serde(default = "scope_claim")]
    pub scope_claim: String,
    /// How far its clock may be from ours.
    #[serde(default = "leeway", with = "humantime_serde")]
    pub leeway: Duration,
    /// Tokens that live longer from now on are refused: one that leaks is worth something until it ends, and a key that was
    /// stolen as long as what was signed with it.
    #[serde(default = "longest_life", with = "humantime_serde")]
    pub longest_life: Duration,
    /// How often its keys are looked at.
    #[serde(default = "refresh_every", with = "humantime_serde")]
    pub refresh_every: Duration,
    /// A token with a key that is not known has them looked at, once in this time at most.
    #[serde(default = "unknown_key_every", with = "humantime_serde")]
    pub unknown_key_every: Duration,
}

fn usual_algorithms() -> Vec<SigningAlgorithm> {
    use SigningAlgorithm::{ES256, EdDSA, RS256};
    vec![RS256, ES256, EdDSA]
}

fn channel_claim() -> String {
    "channel".into()
}

fn scope_claim() -> String {
    "scope".into()
}

const fn leeway() -> Duration {
    Duration::from_secs(30)
}

const fn longest_life() -> Duration {
    Duration::from_secs(24 * 3600)
}

const fn refresh_every() -> Duration {
    Duration::from_secs(600)
}

const fn unknown_key_every() -> Duration {
    Duration::from_secs(30)
}

/// Those whose verifying key is public: a secret both sides know, or none, is no algorithm here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum SigningAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl From<SigningAlgorithm> for Algorithm {
    fn from(algorithm: SigningAlgorithm) -> Self {
        match algorithm {
            SigningAlgorithm::RS256 => Self::RS256,
            SigningAlgorithm::RS384 => Self::RS384,
            SigningAlgorithm::RS512 => Self::RS512,
            SigningAlgorithm::PS256 => Self::PS256,
            SigningAlgorithm::PS384 => Self::PS384,
            SigningAlgorithm::PS512 => Self::PS512,
            SigningAlgorithm::ES256 => Self::ES256,
            SigningAlgorithm::ES384 => Self::ES384,
            SigningAlgorithm::EdDSA => Self::EdDSA,
        }
    }
}

#[derive(Debug, Error)]
pub enum IssuerError {
    #[error("issuer {name}: {setting} is empty")]
    Empty { name: String, setting: &'static str },
    #[error("issuer {0} is there twice")]
    Twice(String),
    /// Whoever can change what comes over such a connection can make tokens.
    #[error("issuer {name}: {address} is no address with https:// (http:// only on this machine)")]
    Address { name: String, address: String },
    #[error("the client that asks issuers for their keys cannot be made")]
    Client(#[from] reqwest::Error),
}

/// Those a process trusts. Cheap to share.
#[derive(Debug, Clone, Default)]
pub struct Issuers(Arc<Vec<Issuer>>);

#[derive(Debug)]
struct Issuer {
    settings: IssuerSettings,
    algorithms: Vec<Algorithm>,
    clock: Arc<dyn Clock>,
    keys: Keys,
}

#[derive(Deserialize)]
struct Whose {
    iss: String,
}

impl Issuers {
    /// # Errors
    /// An issuer without what it needs, twice the same, or at an address that cannot be trusted.
    pub fn new(
        settings: impl IntoIterator<Item = IssuerSettings>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, IssuerError> {
        let mut issuers: Vec<Issuer> = Vec::new();
        for settings in settings {
            check(&settings)?;
            let same = |other: &Issuer| {
                other.settings.name == settings.name || other.settings.issuer == settings.issuer
            };
            if issuers.iter().any(same) {
                return Err(IssuerError::Twice(settings.name));
            }
            let source = KeySource::new(&settings)?;
            issuers.push(Issuer {
                algorithms: settings
                    .algorithms
                    .iter()
                    .copied()
                    .map(Into::into)
                    .collect(),
                keys: Keys::new(source, settings.unknown_key_every),
                clock: clock.clone(),
                settings,
            });
        }
        Ok(Self(Arc::new(issuers)))
    }

    /// Whose token it is, if it looks like one of an issuer's. `None`: it does not.
    pub(super) fn judge(&self, token: &str) -> Option<Result<Arc<Caller>, Status>> {
        if self.0.is_empty() || token.matches('.').count() != 2 {
            return None;
        }
        Some(self.judged(token))
    }

    fn judged(&self, token: &str) -> Result<Arc<Caller>, Status> {
        let header = decode_header(token).map_err(|_| malformed())?;
        // Who it claims to be of decides only by whose keys it is judged.
        let whose: Whose = insecure_decode_claims(token).map_err(|_| malformed())?;
        let issuer = self
            .0
            .iter()
            .find(|issuer| issuer.settings.issuer == whose.iss)
            .ok_or_else(|| {
                rejection::unauthenticated("UNKNOWN_ISSUER", "token is of an issuer nobody knows")
            })?;
        issuer.judge(token, &header)
    }

    /// Looks after every issuer's keys until shutdown. One that is away is a trouble that is shown, and nothing else.
    ///
    /// # Errors
    /// Never.
    pub async fn watch(
        self,
        health: Health,
        metrics: Metrics,
        ids: Ids,
        shutdown: Shutdown,
    ) -> Result<(), Infallible> {
        let watch = Watch::new(&metrics);
        let watched = self.0.iter().map(|issuer| {
            let component = health.component(format!("issuer {}", issuer.settings.name));
            let every = issuer.settings.refresh_every;
            issuer.keys.follow(
                &watch,
                &issuer.settings.name,
                every,
                component,
                &ids,
                &shutdown,
            )
        });
        futures::future::join_all(watched).await;
        // Without any there is nothing to look after, and no reason to end.
        shutdown.cancelled().await;
        Ok(())
    }
}

fn check(settings: &IssuerSettings) -> Result<(), IssuerError> {
    let empty = [
        ("name", settings.name.is_empty()),
        ("issuer", settings.issuer.is_empty()),
        ("audience", settings.audience.is_empty()),
        ("algorithms", settings.algorithms.is_empty()),
        ("channels", settings.channels.is_empty()),
        ("scopes", settings.scopes.is_empty()),
    ];
    match empty.into_iter().find(|(_, empty)| *empty) {
        Some((setting, _)) => Err(IssuerError::Empty {
            name: settings.name.clone(),
            setting,
        }),
        None => Ok(()),
    }
}

/// https, or this machine.
pub(super) fn trusted_address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let here = match url.host()? {
        url::Host::Domain(name) => name == "localhost",
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    };
    (url.scheme() == "https" || (url.scheme() == "http" && here)).then_some(url)
}

impl Issuer {
    fn judge(&self, token: &str, header: &Header) -> Result<Arc<Caller>, Status> {
        if !self.algorithms.contains(&header.alg) {
            return Err(rejection::unauthenticated(
                "ALGORITHM_NOT_ALLOWED",
                format!("tokens signed with {:?} are not taken", header.alg),
            ));
        }
        // Nothing that a token may call critical is known here.
        let Some(key_id) = header.kid.as_deref().filter(|_| header.crit.is_none()) else {
            return Err(malformed());
        };
        let key = match self.keys.find(key_id) {
            Found::Key(key) => key,
            Found::Unknown => {
                return Err(rejection::unauthenticated(
                    "UNKNOWN_KEY",
                    "token is signed with a key its issuer does not publish",
                ));
            }
            Found::NotYet => {
                return Err(rejection::unavailable(
                    "issuer",
                    format!(
                        "the keys of issuer {} are being asked for, try again",
                        self.settings.name
                    ),
                ));
            }
        };
        let claims = match key.judged(token) {
            Some(claims) => claims,
            None => {
                if !key.is_for(header.alg) {
                    return Err(forged());
                }
                let claims = self.verified(token, header.alg, &key)?;
                key.remember(token, claims)
            }
        };
        self.is_in_time(&claims)?;
        Ok(claims.caller)
    }

    /// A signature is checked once per token: what follows from it is remembered as long as its key is known.
    fn verified(&self, token: &str, algorithm: Algorithm, key: &Key) -> Result<Judged, Status> {
        let mut validation = Validation::new(algorithm);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&[&self.settings.audience]);
        // By our own clock, each time.
        validation.validate_exp = false;
        let claims: Map<String, Value> = decode(token, key.verifying(), &validation)
            .map_err(|error| refused(&error))?
            .claims;
        let time = |claim: &str| {
            let said = claims.get(claim);
            said.map(|time| time.as_f64().ok_or_else(malformed))
                .transpose()
        };
        let expires = time("exp")?.ok_or_else(malformed)?;
        let ends = Instant::now().checked_add(self.life(expires)?);
        Ok(Judged {
            caller: self.caller(&claims, ends)?,
            expires,
            begins: time("nbf")?,
        })
    }

    /// How long the token is taken from now on.
    fn life(&self, expires: f64) -> Result<Duration, Status> {
        let left = expires - self.clock.now().as_duration().as_secs_f64();
        if left > self.settings.longest_life.as_secs_f64() {
            return Err(rejection::unauthenticated(
                "TOKEN_LIVES_TOO_LONG",
                "token expires later than its issuer may have it",
            ));
        }
        let left = left + self.settings.leeway.as_secs_f64();
        Duration::try_from_secs_f64(left.max(0.0)).map_err(|_| malformed())
    }

    fn is_in_time(&self, judged: &Judged) -> Result<(), Status> {
        let now = self.clock.now().as_duration().as_secs_f64();
        let leeway = self.settings.leeway.as_secs_f64();
        let alive = now < judged.expires + leeway;
        let begun = judged.begins.is_none_or(|begins| begins - leeway <= now);
        if !alive {
            return Err(expired());
        }
        if !begun {
            return Err(rejection::unauthenticated(
                "TOKEN_NOT_YET_VALID",
                "token is not valid yet",
            ));
        }
        Ok(())
    }

    fn caller(
        &self,
        claims: &Map<String, Value>,
        ends: Option<Instant>,
    ) -> Result<Arc<Caller>, Status> {
        let settings = &self.settings;
        let channel = match claims.get(&settings.channel_claim) {
            Some(Value::String(channel)) if !channel.is_empty() => channel,
            _ => {
                return Err(rejection::unauthenticated(
                    "TOKEN_WITHOUT_CHANNEL",
                    format!("token says no channel (claim {})", settings.channel_claim),
                ));
            }
        };
        if !settings.channels.contains(channel) && !settings.channels.contains(ALL) {
            return Err(rejection::unauthenticated(
                "CHANNEL_OF_ANOTHER",
                format!("issuer {} does not speak for this channel", settings.name),
            ));
        }
        let may_grant =
            |scope: &str| settings.scopes.contains(scope) || settings.scopes.contains(ALL);
        let scopes = granted(claims.get(&settings.scope_claim));
        Ok(Arc::new(Caller {
            name: format!("{}:{}", settings.name, subject(claims)),
            channel: (channel != ALL).then(|| channel.clone()),
            scopes: scopes
                .into_iter()
                .filter(|scope| may_grant(scope))
                .map(str::to_owned)
                .collect(),
            ends,
        }))
    }
}

/// What a token comes to.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    caller: Arc<Caller>,
    expires: f64,
    begins: Option<f64>,
}

fn granted(claim: Option<&Value>) -> Vec<&str> {
    match claim {
        Some(Value::String(scopes)) => scopes.split_whitespace().collect(),
        Some(Value::Array(scopes)) => scopes.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    }
}

/// The program that calls; where it does so for a person, with something that tells people apart and names nobody.
fn subject(claims: &Map<String, Value>) -> String {
    let said = |claim: &str| claims.get(claim)?.as_str();
    let program = said("client_id").or_else(|| said("azp"));
    match (program, said("sub")) {
        (Some(program), Some(person)) if program != person => {
            let hash = hex::encode(sha256(person));
            format!("{}/{hash:.12}", printed(program))
        }
        (Some(one), _) | (None, Some(one)) => printed(one),
        (None, None) => "nameless".into(),
    }
}

fn printed(subject: &str) -> String {
    subject
        .chars()
        .filter(|character| !character.is_control())
        .take(LONGEST_SUBJECT)
        .collect()
}

pub(crate) fn expired() -> Status {
    rejection::unauthenticated("TOKEN_EXPIRED", "token is expired")
}

fn malformed() -> Status {
    rejection::unauthenticated("MALFORMED_TOKEN", "token is no JWT that names its key")
}

fn forged() -> Status {
    rejection::unauthenticated("FORGED_TOKEN", "token is not signed by its issuer")
}

fn refused(error: &jsonwebtoken::errors::Error) -> Status {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidAudience => {
            rejection::unauthenticated("WRONG_AUDIENCE", "token is for somebody else")
        }
        ErrorKind::MissingRequiredClaim(claim) => {
            rejection::unauthenticated("MISSING_CLAIM", format!("token does not say {claim}"))
        }
        ErrorKind::Json(_) | ErrorKind::Utf8(_) => malformed(),
        _ => forged(),
    }
}

#[cfg(test)]
#[path = "issuers_tests.rs"]
mod tests;
