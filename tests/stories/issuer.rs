//! A little issuer of tokens, as a company has one.

use axum::Router;
use axum::routing::get;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use millrace_service_kit::{Clock, SystemClock};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const KEY: &str = "key-of-the-story";

pub struct Issuer {
    address: String,
    key: EncodingKey,
}

impl Issuer {
    pub async fn open() -> Self {
        let key = key();
        let mut published =
            serde_json::to_value(Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap()).unwrap();
        published["kid"] = json!(KEY);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let keys = axum::Json(json!({ "keys": [published] }));
        let router = Router::new().route("/keys", get(async move || keys.clone()));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, key }
    }

    /// Trusted with every channel and scope there is.
    pub fn settings(&self) -> String {
        let address = &self.address;
        format!(
            "[[issuers]]\nname = \"company\"\nissuer = \"{address}\"\njwks = \"{address}/keys\"\n\
             audience = \"millrace\"\nchannels = [\"*\"]\nscopes = [\"*\"]\n"
        )
    }

    /// Of `channel` with these scopes, for the next ten minutes.
    pub fn token(&self, channel: &str, scopes: &str) -> String {
        signed(&self.key, &self.claims(channel, scopes, 600))
    }

    pub fn expired(&self, channel: &str, scopes: &str) -> String {
        signed(&self.key, &self.claims(channel, scopes, -60))
    }

    /// As good as [`Issuer::token`], but for the key.
    pub fn forged(&self, channel: &str, scopes: &str) -> String {
        signed(&key(), &self.claims(channel, scopes, 600))
    }

    fn claims(&self, channel: &str, scopes: &str, seconds: i64) -> Value {
        json!({
            "iss": self.address, "aud": "millrace", "sub": "somebody", "channel": channel, "scope": scopes,
            "exp": SystemClock.now().as_second() + seconds,
        })
    }
}

fn key() -> EncodingKey {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    EncodingKey::from_ec_der(&key.serialize_der())
}

fn signed(key: &EncodingKey, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(KEY.into());
    encode(&header, claims, key).unwrap()
}
