//! Who is calling, and what they may do. Deny by default: a call without a known token is refused before it is read; a
//! handler asks for scope and channel by name.

mod issuers;
mod keys;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use http::header::AUTHORIZATION;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio::time::Instant;
use tonic::Status;

use crate::{Secret, rejection};

pub(crate) use issuers::expired;
pub use issuers::{IssuerError, IssuerSettings, Issuers, SigningAlgorithm};

/// One token in the settings: either the token itself, or its SHA-256 so that the settings hold no secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSettings {
    /// Stands in logs and events as the actor.
    pub name: String,
    #[serde(default)]
    pub token: Option<Secret>,
    /// SHA-256 of the token, 64 hexadecimal digits.
    #[serde(default)]
    pub sha256: Option<String>,
    /// The channel it belongs to; absent: an operator's or a service's, good for all channels.
    #[serde(default)]
    pub channel: Option<String>,
    /// e.g. `catalog:read`; `*` is every scope.
    pub scopes: BTreeSet<String>,
}

#[derive(Debug, Error)]
pub enum TokenError {
    #[error("token {0} needs either token or sha256")]
    Neither(String),
    #[error("sha256 of token {0} is not 64 hexadecimal digits")]
    NotASha256(String),
    #[error("token {0} is shorter than 16 characters")]
    TooShort(String),
    #[error("token {0} is the same as another")]
    Twice(String),
}

type Hash = [u8; 32];

/// The tokens a process knows, and whose it takes besides. Of those it knows only the hashes are kept.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    known: Arc<HashMap<Hash, Arc<Caller>>>,
    issuers: Issuers,
}

impl Tokens {
    /// # Errors
    /// A token without secret and hash, one too short to be a secret, or one that is there twice.
    pub fn new(settings: impl IntoIterator<Item = TokenSettings>) -> Result<Self, TokenError> {
        let mut tokens = HashMap::new();
        for token in settings {
            let hash = match (&token.token, &token.sha256) {
                (Some(secret), None) if secret.expose().len() < 16 => {
                    return Err(TokenError::TooShort(token.name));
                }
                (Some(secret), None) => sha256(secret.expose()),
                (None, Some(hash)) => hex::decode(hash)
                    .ok()
                    .and_then(|bytes| Hash::try_from(bytes).ok())
                    .ok_or_else(|| TokenError::NotASha256(token.name.clone()))?,
                (Some(_), Some(_)) | (None, None) => return Err(TokenError::Neither(token.name)),
            };
            let caller = Caller {
                name: token.name.clone(),
                channel: token.channel,
                scopes: token.scopes,
                ends: None,
            };
            if tokens.insert(hash, Arc::new(caller)).is_some() {
                return Err(TokenError::Twice(token.name));
            }
        }
        Ok(Self {
            known: Arc::new(tokens),
            issuers: Issuers::default(),
        })
    }

    /// Takes what these issuers give out, too.
    #[must_use]
    pub fn with_issuers(self, issuers: Issuers) -> Self {
        Self { issuers, ..self }
    }

    // Looking a hash up says nothing about the token to somebody who measures time: the hash is not theirs to choose.
    fn find(&self, token: &str) -> Option<&Arc<Caller>> {
        self.known.get(&sha256(token))
    }

    /// Whose token the headers carry.
    pub(crate) fn authenticate(&self, headers: &http::HeaderMap) -> Result<Arc<Caller>, Status> {
        let value = headers.get(AUTHORIZATION).ok_or_else(|| {
            rejection::unauthenticated(
                "MISSING_TOKEN",
                "authorization header with a bearer token is missing",
            )
        })?;
        let token = value
            .to_str()
            .ok()
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| {
                rejection::unauthenticated(
                    "MALFORMED_TOKEN",
                    "authorization header is not of the form: Bearer <token>",
                )
            })?;
        if let Some(caller) = self.find(token) {
            return Ok(caller.clone());
        }
        self.issuers.judge(token).unwrap_or_else(|| {
            Err(rejection::unauthenticated(
                "UNKNOWN_TOKEN",
                "token is not known",
            ))
        })
    }
}

fn sha256(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

/// Who is calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    name: String,
    channel: Option<String>,
    scopes: BTreeSet<String>,
    /// When its token does; one of the settings does not.
    ends: Option<Instant>,
}

impl Caller {
    /// # Errors
    /// The call did not come through [`crate::grpc::serve`].
    pub fn of<T>(request: &tonic::Request<T>) -> Result<Arc<Self>, Status> {
        let caller = request.extensions().get::<Arc<Self>>();
        caller.cloned().ok_or_else(|| {
            rejection::unauthenticated("NOT_AUTHENTICATED", "call was not authenticated")
        })
    }

    #[cfg(test)]
    pub(crate) fn until(ends: Instant) -> Arc<Self> {
        let caller = Self::clone(&Self::new("company:shop-1", Some("furniture"), &["*"]));
        Arc::new(Self {
            ends: Some(ends),
            ..caller
        })
    }

    /// For envelopes and logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The one channel it belongs to; `None`: all.
    #[must_use]
    pub fn channel(&self) -> Option<&str> {
        self.channel.as_deref()
    }

    pub(crate) fn ends(&self) -> Option<Instant> {
        self.ends
    }

    #[must_use]
    pub fn has(&self, scope: &str) -> bool {
        self.scopes.contains(scope) || self.scopes.contains("*")
    }

    /// # Errors
    /// `PERMISSION_DENIED` without the scope, or for another channel than its own.
    pub fn may(&self, scope: &str, channel: &str) -> Result<(), Status> {
        self.may_anywhere(scope)?;
        match &self.channel {
            Some(own) if own != channel => Err(rejection::denied(
                "WRONG_CHANNEL",
                format!("token {} does not belong to channel {channel}", self.name),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// For calls that reach into every channel at once.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` without the scope, or for a token that belongs to one channel.
    pub fn may_everywhere(&self, scope: &str) -> Result<(), Status> {
        self.may_anywhere(scope)?;
        match &self.channel {
            Some(own) => Err(rejection::denied(
                "WRONG_CHANNEL",
                format!(
                    "token {} belongs to channel {own}; this concerns all channels",
                    self.name
                ),
            )),
            None => Ok(()),
        }
    }

    /// The scope alone, for calls that are about no channel, or keep to the caller's own.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` without the scope.
    pub fn may_anywhere(&self, scope: &str) -> Result<(), Status> {
        if self.has(scope) {
            return Ok(());
        }
        Err(rejection::denied(
            "MISSING_SCOPE",
            format!("token {} lacks the scope {scope}", self.name),
        ))
    }

    /// A caller for tests of handlers alone and for calls inside the process.
    #[must_use]
    pub fn new(name: &str, channel: Option<&str>, scopes: &[&str]) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            channel: channel.map(Into::into),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            ends: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    fn token(name: &str, secret: &str) -> TokenSettings {
        TokenSettings {
            name: name.into(),
            token: Some(Secret::new(secret)),
            sha256: None,
            channel: Some("furniture".into()),
            scopes: ["catalog:read".to_owned()].into(),
        }
    }

    fn headers(value: &str) -> http::HeaderMap {
        [(AUTHORIZATION, value.parse().unwrap())]
            .into_iter()
            .collect()
    }

    #[test]
    fn a_known_token_names_its_caller() {
        let tokens = Tokens::new([token("shop", "a-long-enough-secret")]).unwrap();
        assert_eq!(
            tokens
                .authenticate(&headers("Bearer a-long-enough-secret"))
                .unwrap()
                .name(),
            "shop"
        );
    }

    #[test]
    fn no_token_an_unknown_one_and_another_scheme_are_refused() {
        let tokens = Tokens::new([token("shop", "a-long-enough-secret")]).unwrap();
        for headers in [
            http::HeaderMap::new(),
            headers("Bearer other"),
            headers("Basic a-long-enough-secret"),
            headers("a-long-enough-secret"),
        ] {
            let refused = tokens.authenticate(&headers).unwrap_err();
            assert_eq!(refused.code(), tonic::Code::Unauthenticated);
            let details = refused.get_error_details();
            assert_eq!(details.error_info().unwrap().domain, rejection::DOMAIN);
        }
    }

    #[test]
    fn a_scope_or_channel_that_is_not_granted_is_denied() {
        let caller = Caller::new("shop", Some("furniture"), &["catalog:read"]);
        assert!(caller.may("catalog:read", "furniture").is_ok());
        assert_eq!(
            caller.may("catalog:read", "toys").unwrap_err().code(),
            tonic::Code::PermissionDenied
        );
        assert_eq!(
            caller.may("order:admin", "furniture").unwrap_err().code(),
            tonic::Code::PermissionDenied
        );
    }

    #[test]
    fn a_token_of_one_channel_may_not_do_what_concerns_all() {
        let shop = Caller::new("shop", Some("furniture"), &["*"]);
        assert!(shop.may_anywhere("operations:admin").is_ok());
        assert_eq!(
            shop.may_everywhere("operations:admin").unwrap_err().code(),
            tonic::Code::PermissionDenied
        );
        let operator = Caller::new("operator", None, &["operations:admin"]);
        assert!(operator.may_everywhere("operations:admin").is_ok());
    }

    #[test]
    fn a_token_too_short_to_be_a_secret_is_refused() {
        assert!(matches!(
            Tokens::new([token("shop", "short")]),
            Err(TokenError::TooShort(_))
        ));
    }

    #[test]
    fn a_token_is_never_printed() {
        assert!(
            !format!("{:?}", token("shop", "a-long-enough-secret"))
                .contains("a-long-enough-secret")
        );
    }
}
