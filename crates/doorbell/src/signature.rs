//! Signatures after Standard Webhooks 1.0: HMAC-SHA256 over `<id>.<timestamp>.<body>`, one `v1,…` per secret.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millrace_service_kit::Secret;
use thiserror::Error;

const PREFIX: &str = "whsec_";
/// What the specification asks for.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret that signs.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

/// Says what is wrong, not with what.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum SecretError {
    #[error("does not begin with {PREFIX}")]
    Prefix,
    #[error("is not Base64 behind {PREFIX}")]
    Base64,
    #[error("has {0} bytes; 24 to 64 are asked for")]
    Length(usize),
}

impl SigningKey {
    /// # Errors
    /// No secret of Standard Webhooks.
    pub fn parse(secret: &Secret) -> Result<Self, SecretError> {
        let text = secret.expose().trim();
        let encoded = text.strip_prefix(PREFIX).ok_or(SecretError::Prefix)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| SecretError::Base64)?;
        if !BYTES.contains(&bytes.len()) {
            return Err(SecretError::Length(bytes.len()));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// `webhook-signature`: a shop that knows any of the secrets can check it, so that a new one is brought in before an old one goes.
#[must_use]
pub fn signatures(keys: &[SigningKey], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signatures: Vec<String> = keys
        .iter()
        .map(|key| key.sign(id, timestamp, body))
        .collect();
    signatures.join(" ")
}

#[cfg(test)]
mod tests {
    use millrace_test_rig::shared_dir;
    use serde_json::Value;

    use super::*;

    fn key(secret: &str) -> SigningKey {
        SigningKey::parse(&Secret::new(secret)).unwrap()
    }

    #[test]
    fn a_secret_that_is_none_is_refused_without_being_repeated() {
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        for (secret, error) in [
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SecretError::Prefix),
            ("whsec_canary!", SecretError::Base64),
            ("whsec_c2hvcnQ=", SecretError::Length(5)),
            (&long, SecretError::Length(65)),
        ] {
            let refused = SigningKey::parse(&Secret::new(secret)).unwrap_err();
            assert_eq!(refused, error);
            assert!(!refused.to_string().contains("canary"));
        }
        let good = key(&format!("whsec_{}", STANDARD.encode([7; 24])));
        assert_eq!(format!("{good:?}"), "***");
    }

    /// Row 126: the vectors of Standard Webhooks, and several secrets at once.
    #[test]
    fn the_vectors_of_the_standard_are_signed_as_they_say() {
        let Some(shared) = shared_dir() else {
            println!("skipped: the vectors are not beside this checkout");
            return;
        };
        let path = shared.join("webhooks/standard-webhooks-vectors.json");
        let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let cases = vectors["cases"].as_array().unwrap();
        assert!(cases.len() >= 6);
        let text = |case: &Value, field: &str| case[field].as_str().unwrap().to_owned();
        for case in cases {
            let timestamp = case["webhook_timestamp"].as_i64().unwrap();
            let signed = signatures(
                &[key(&text(case, "secret"))],
                &text(case, "webhook_id"),
                timestamp,
                text(case, "body").as_bytes(),
            );
            assert_eq!(signed, text(case, "signature"), "{}", case["name"]);
        }
        let rotating: Vec<&Value> = cases
            .iter()
            .filter(|case| case["webhook_id"] == "msg_rot")
            .collect();
        let keys: Vec<SigningKey> = rotating
            .iter()
            .map(|case| key(&text(case, "secret")))
            .collect();
        let body = text(rotating[0], "body");
        let signed = signatures(&keys, "msg_rot", 1_700_000_000, body.as_bytes());
        assert_eq!(signed, vectors["rotation_header_example"].as_str().unwrap());
    }
}
