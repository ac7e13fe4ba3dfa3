//! The token endpoint: client credentials in, an opaque bearer token out.

use std::collections::HashMap;
use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::answer::Answer;
use crate::config::Client;
use crate::faults::{Kind, Occasion};
use crate::simulator::World;

/// Scope that clients ask for.
const SCOPE: &str = "https://api.businesscentral.dynamics.com/.default";

#[derive(Debug, Default)]
pub struct Tokens(Mutex<HashMap<String, (String, Timestamp)>>);

impl Tokens {
    /// The client a token belongs to, while it is valid.
    pub fn client(&self, token: &str, now: Timestamp) -> Option<String> {
        let tokens = self.0.lock().expect("no holder of this lock panics");
        tokens
            .get(token)
            .filter(|(_, ends)| now < *ends)
            .map(|(client, _)| client.clone())
    }

    pub fn revoke(&self, token: &str) {
        self.0
            .lock()
            .expect("no holder of this lock panics")
            .remove(token);
    }

    fn add(&self, token: String, client: String, now: Timestamp, ends: Timestamp) {
        let mut tokens = self.0.lock().expect("no holder of this lock panics");
        tokens.retain(|_, (_, ends)| now < *ends);
        tokens.insert(token, (client, ends));
    }
}

/// Answers a token request as Entra does.
pub fn issue(world: &World, path: &str, body: &[u8]) -> Answer {
    let form: HashMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let refused = |status: u16, error: &str, description: &str| {
        Answer::json(
            status,
            &json!({ "error": error, "error_description": description }),
        )
    };
    if field("grant_type") != "client_credentials" {
        return refused(
            400,
            "unsupported_grant_type",
            "AADSTS70003: only client_credentials is supported.",
        );
    }
    if field("scope") != SCOPE {
        return refused(400, "invalid_scope", "AADSTS70011: the scope is not valid.");
    }
    let client = field("client_id").to_owned();
    let occasion = Occasion {
        method: "POST",
        path,
        client: &client,
    };
    let unavailable = world.faults.take(&[Kind::TokenRefused], &occasion);
    let known = world.config.clients.contains(&Client {
        id: client.clone(),
        secret: field("client_secret").to_owned(),
    });
    if !known || unavailable.is_some() {
        return refused(
            401,
            "invalid_client",
            "AADSTS7000215: invalid client secret provided.",
        );
    }
    let token = base64::Engine::encode(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        world.ids.bytes::<48>(),
    );
    let now = world.now();
    let lifetime = SignedDuration::try_from(world.config.token_lifetime)
        .unwrap_or(SignedDuration::from_hours(1));
    world.tokens.add(token.clone(), client, now, now + lifetime);
    let seconds = lifetime.as_secs();
    Answer::json(
        200,
        &json!({ "token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token }),
    )
}
