//! Tokens of a real little issuer over HTTP, good ones and bad ones.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{EncodingKey, encode};
use millrace_test_rig::until;
use serde_json::json;
use tonic::Code;
use tonic_types::StatusExt;

use super::*;
use crate::auth::{TokenSettings, Tokens};
use crate::{ManualClock, Secret};

#[path = "issuers_tests/office.rs"]
mod office;

use office::{Mood, Office};

const PATIENCE: Duration = Duration::from_secs(20);
const STATIC: &str = "a-token-of-the-settings";

/// A key that signs, with its id.
#[derive(Clone)]
struct Signer {
    id: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Signer {
    fn elliptic(id: &'static str) -> Self {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        Self {
            id,
            algorithm: Algorithm::ES256,
            key: EncodingKey::from_ec_der(&key.serialize_der()),
        }
    }

    fn edwards(id: &'static str) -> Self {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        // Without the public key behind it, which comes with newer ones.
        let der = key.serialize_der();
        let seed = &der[16..48];
        let mut short = vec![
            0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22,
            0x04, 0x20,
        ];
        short.extend_from_slice(seed);
        Self {
            id,
            algorithm: Algorithm::EdDSA,
            key: EncodingKey::from_ed_der(&short),
        }
    }

    fn rsa(id: &'static str) -> Self {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        // What is inside of the envelope that says which kind of key it is.
        Self {
            id,
            algorithm: Algorithm::RS256,
            key: EncodingKey::from_rsa_der(&key.serialize_der()[26..]),
        }
    }

    fn published(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = json!(self.id);
        jwk["use"] = json!("sig");
        jwk
    }

    fn signs(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.to_owned());
        encode(&header, claims, &self.key).unwrap()
    }
}

/// A door that takes the office's tokens, and one of the settings.
struct Door {
    tokens: Tokens,
    clock: ManualClock,
    metrics: Metrics,
    health: Health,
    shutdown: Shutdown,
    issuer: String,
}

impl Door {
    fn of(settings: IssuerSettings) -> Self {
        let clock = ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap());
        let issuer = settings.issuer.clone();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let issuers = Issuers::new([settings], &shared).unwrap();
        let (metrics, health) = (Metrics::default(), Health::default());
        let shutdown = Shutdown::new();
        tokio::spawn(issuers.clone().watch(
            health.clone(),
            metrics.clone(),
            Ids::seeded(1),
            shutdown.clone(),
        ));
        let known = TokenSettings {
            name: "operator".into(),
            token: Some(Secret::new(STATIC)),
            sha256: None,
            channel: None,
            scopes: ["*".to_owned()].into(),
        };
        Self {
            tokens: Tokens::new([known]).unwrap().with_issuers(issuers),
            clock,
            metrics,
            health,
            shutdown,
            issuer,
        }
    }

    fn claims(&self) -> Value {
        let now = self.clock.now().as_second();
        json!({
            "iss": self.issuer, "aud": ["somebody", "millrace"], "exp": now + 600, "sub": "shop-1",
            "channel": "furniture", "scope": "catalog:read order:submit",
        })
    }

    /// Claims that differ in one.
    fn with(&self, claim: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[claim] = value;
        claims
    }

    fn without(&self, claim: &str) -> Value {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(claim);
        claims
    }

    fn asked(&self, token: &str) -> Result<Arc<Caller>, Status> {
        let value = format!("Bearer {token}").parse().unwrap();
        let headers: HeaderMap = [(AUTHORIZATION, value)].into_iter().collect();
        self.tokens.authenticate(&headers)
    }

    async fn opens(&self, token: &str) -> Arc<Caller> {
        until(PATIENCE, "the token is taken", async || {
            self.asked(token).ok()
        })
        .await
    }

    fn refuses(&self, token: &str, reason: &str) {
        let refused = self.asked(token).expect_err(reason);
        assert_eq!(refused.code(), Code::Unauthenticated, "{reason}");
        let details = refused.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, reason);
        assert!(!refused.message().contains(token), "{reason}");
    }

    /// Neither yes nor no before the issuer can be asked, and nobody else is touched.
    fn waits(&self, token: &str) {
        let refused = self.asked(token).unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        assert_eq!(self.asked(STATIC).unwrap().name(), "operator");
        assert!(self.health.report().ready);
    }

    async fn has_trouble(&self, why: &str) {
        until(PATIENCE, "the trouble is shown", async || {
            let report = serde_json::to_string(&self.health.report()).unwrap();
            report.contains(why).then_some(())
        })
        .await;
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn trusting(office: &Office) -> IssuerSettings {
    settings(&office.address)
}

fn settings(issuer: &str) -> IssuerSettings {
    let scopes = ["catalog:read", "order:submit", "order:read"];
    IssuerSettings {
        name: "company".into(),
        issuer: issuer.to_owned(),
        audience: "millrace".into(),
        algorithms: usual_algorithms(),
        jwks: None,
        channels: ["furniture".to_owned()].into(),
        scopes: scopes.map(str::to_owned).into(),
        channel_claim: channel_claim(),
        scope_claim: scope_claim(),
        leeway: leeway(),
        longest_life: longest_life(),
        refresh_every: refresh_every(),
        unknown_key_every: Duration::from_millis(50),
    }
}

/// Row 123.
#[tokio::test]
async fn a_token_of_an_issuer_says_channel_and_scopes_within_what_the_settings_grant() {
    let signers = [
        Signer::elliptic("one"),
        Signer::edwards("two"),
        Signer::rsa("three"),
    ];
    let published = signers.iter().map(Signer::published).collect();
    let office = Office::open(Mood::Answers(published)).await;
    let door = Door::of(trusting(&office));
    for signer in &signers {
        let caller = door.opens(&signer.signs(&door.claims())).await;
        assert_eq!(caller.name(), "company:shop-1");
        assert_eq!(caller.channel(), Some("furniture"));
        assert!(caller.may("catalog:read", "furniture").is_ok());
        let elsewhere = caller.may("catalog:read", "garden").unwrap_err();
        assert_eq!(elsewhere.code(), Code::PermissionDenied);
        let missing = caller.may("order:read", "furniture").unwrap_err();
        assert_eq!(missing.code(), Code::PermissionDenied);
        let everywhere = caller.may_everywhere("catalog:read").unwrap_err();
        assert_eq!(everywhere.code(), Code::PermissionDenied);
    }
    let signer = &signers[0];
    // The issuer may not grant every scope, so its token cannot have every scope.
    let greedy = door.with("scope", json!(["*", "operations:admin", "order:read"]));
    let caller = door.opens(&signer.signs(&greedy)).await;
    assert!(caller.has("order:read") && !caller.has("operations:admin"));
    let caller = door.opens(&signer.signs(&door.without("scope"))).await;
    assert!(!caller.has("catalog:read"));
}

/// Row 123.
#[tokio::test]
async fn a_bad_token_is_refused_by_name() {
    let (signer, second) = (Signer::elliptic("one"), Signer::rsa("two"));
    let stranger = Signer::elliptic("one");
    let published = vec![signer.published(), second.published()];
    let office = Office::open(Mood::Answers(published.clone())).await;
    let door = Door::of(trusting(&office));
    let good = signer.signs(&door.claims());
    door.opens(&good).await;
    let now = door.clock.now().as_second();
    let cases = [
        ("exp", json!(now - 31), "TOKEN_EXPIRED"),
        ("exp", json!(now + 86_401), "TOKEN_LIVES_TOO_LONG"),
        ("exp", json!(253_402_300_799_i64), "TOKEN_LIVES_TOO_LONG"),
        ("nbf", json!(now + 31), "TOKEN_NOT_YET_VALID"),
        ("aud", json!("somebody"), "WRONG_AUDIENCE"),
        ("iss", json!("https://another.example"), "UNKNOWN_ISSUER"),
        ("channel", json!("garden"), "CHANNEL_OF_ANOTHER"),
        ("channel", json!("*"), "CHANNEL_OF_ANOTHER"),
        ("channel", json!(""), "TOKEN_WITHOUT_CHANNEL"),
        ("channel", json!(["furniture"]), "TOKEN_WITHOUT_CHANNEL"),
        ("exp", json!("tomorrow"), "MISSING_CLAIM"),
        ("nbf", json!("tomorrow"), "MALFORMED_TOKEN"),
    ];
    for (claim, value, reason) in cases {
        door.refuses(&signer.signs(&door.with(claim, value)), reason);
    }
    door.refuses(&signer.signs(&door.without("exp")), "MISSING_CLAIM");
    door.refuses(&signer.signs(&door.without("aud")), "MISSING_CLAIM");
    let no_channel = signer.signs(&door.without("channel"));
    door.refuses(&no_channel, "TOKEN_WITHOUT_CHANNEL");
    // Within the leeway.
    let just = signer.signs(&door.with("exp", json!(now - 29)));
    assert!(door.asked(&just).is_ok());

    door.refuses(&stranger.signs(&door.claims()), "FORGED_TOKEN");
    let (head, _) = good.rsplit_once('.').unwrap();
    door.refuses(&format!("{head}."), "FORGED_TOKEN");
    let mut swapped = second.clone();
    swapped.id = "one";
    door.refuses(&swapped.signs(&door.claims()), "FORGED_TOKEN");

    // The public key, which everybody knows, as the secret of an algorithm with one.
    let point = format!("{}{}", published[0]["x"], published[0]["y"]);
    for secret in [point, published[0].to_string(), String::new()] {
        let confused = Signer {
            id: "one",
            algorithm: Algorithm::HS256,
            key: EncodingKey::from_secret(secret.as_bytes()),
        };
        door.refuses(&confused.signs(&door.claims()), "ALGORITHM_NOT_ALLOWED");
    }
    let written = |header: Value| {
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        let claims = URL_SAFE_NO_PAD.encode(door.claims().to_string());
        format!("{header}.{claims}.")
    };
    for header in [
        json!({ "alg": "none", "kid": "one" }),
        json!({ "alg": "None", "kid": "one" }),
        json!({ "alg": "ES256" }),
        json!({ "alg": "ES256", "kid": "one", "crit": ["exp"] }),
        json!([]),
    ] {
        door.refuses(&written(header), "MALFORMED_TOKEN");
    }
    door.refuses("a.b.c", "MALFORMED_TOKEN");
    door.refuses("no-jwt-at-all-but-long", "UNKNOWN_TOKEN");
    assert!(
        door.asked(&good).is_ok(),
        "the good one is good all the same"
    );
}

#[tokio::test]
async fn a_token_that_was_taken_expires_all_the_same() {
    let signer = Signer::elliptic("one");
    let office = Office::open(Mood::Answers(vec![signer.published()])).await;
    let door = Door::of(trusting(&office));
    let token = signer.signs(&door.claims());
    door.opens(&token).await;
    door.clock.advance(SignedDuration::from_secs(631));
    door.refuses(&token, "TOKEN_EXPIRED");
}

/// Row 123.
#[tokio::test]
async fn a_new_key_is_learnt_from_the_first_token_it_signs_and_a_revoked_one_forgotten() {
    let (old, new) = (Signer::elliptic("old"), Signer::elliptic("new"));
    let office = Office::open(Mood::Answers(vec![old.published()])).await;
    let door = Door::of(trusting(&office));
    let signed_before = old.signs(&door.claims());
    door.opens(&signed_before).await;
    office.becomes(Mood::Answers(vec![new.published()]));
    door.opens(&new.signs(&door.claims())).await;
    until(PATIENCE, "the old key is refused", async || {
        door.asked(&signed_before)
            .err()
            .filter(|refused| refused.code() == Code::Unauthenticated)
    })
    .await;
}

#[tokio::test]
async fn invented_keys_do_not_make_us_ask_more_often() {
    let signer = Signer::elliptic("one");
    let office = Office::open(Mood::Answers(vec![signer.published()])).await;
    let door = Door::of(IssuerSettings {
        unknown_key_every: Duration::from_secs(3600),
        ..trusting(&office)
    });
    door.opens(&signer.signs(&door.claims())).await;
    let mut invented = Signer::elliptic("invented");
    for id in ["a", "b", "c"].repeat(50) {
        invented.id = id;
        door.refuses(&invented.signs(&door.claims()), "UNKNOWN_KEY");
    }
    assert!(office.asked() <= 2, "asked {} times", office.asked());
}

/// Row 123.
#[tokio::test]
async fn an_issuer_that_is_away_breaks_neither_other_tokens_nor_known_keys() {
    let signer = Signer::elliptic("one");
    let office = Office::open(Mood::Breaks).await;
    let door = Door::of(IssuerSettings {
        refresh_every: Duration::from_millis(20),
        ..trusting(&office)
    });
    let token = signer.signs(&door.claims());
    door.has_trouble("answers 500").await;
    door.waits(&token);
    office.becomes(Mood::Answers(vec![signer.published()]));
    door.opens(&token).await;
    office.becomes(Mood::Breaks);
    door.has_trouble("answers 500").await;
    assert!(door.asked(&token).is_ok());
    let text = door.metrics.text();
    assert!(
        text.contains("millrace_auth_issuer_keys{issuer=\"company\"} 1"),
        "{text}"
    );
    assert!(
        text.contains("millrace_auth_issuer_failures_total{issuer=\"company\"}"),
        "{text}"
    );
}

#[tokio::test]
async fn an_answer_without_end_and_one_from_elsewhere_are_not_taken() {
    let signer = Signer::elliptic("one");
    for (mood, why) in [
        (Mood::Floods, "answers more than"),
        (Mood::Redirects, "answers 303"),
    ] {
        let office = Office::open(mood).await;
        let door = Door::of(trusting(&office));
        door.has_trouble(why).await;
        door.waits(&signer.signs(&door.claims()));
        office.becomes(Mood::Answers(vec![signer.published()]));
        door.opens(&signer.signs(&door.claims())).await;
    }
}

/// Row 123.
#[tokio::test]
async fn an_issuer_that_revoked_all_its_keys_is_believed() {
    let signer = Signer::elliptic("one");
    let secret = json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "one", "alg": "HS256" });
    for nothing in [vec![], vec![secret]] {
        let office = Office::open(Mood::Answers(vec![signer.published()])).await;
        let door = Door::of(IssuerSettings {
            refresh_every: Duration::from_millis(20),
            ..trusting(&office)
        });
        let token = signer.signs(&door.claims());
        door.opens(&token).await;
        office.becomes(Mood::Answers(nothing));
        door.has_trouble("has no key that signs").await;
        assert!(door.asked(&token).is_err());
        office.becomes(Mood::Answers(vec![signer.published()]));
        door.opens(&token).await;
    }
}

/// Row 123.
#[tokio::test]
async fn people_behind_one_program_are_told_apart_and_not_named() {
    let signer = Signer::elliptic("one");
    let office = Office::open(Mood::Answers(vec![signer.published()])).await;
    let door = Door::of(trusting(&office));
    let mut names = BTreeSet::new();
    for person in ["ann@example.com", "bob@example.com"] {
        let mut claims = door.with("azp", json!("back-office"));
        claims["sub"] = json!(person);
        let caller = door.opens(&signer.signs(&claims)).await;
        assert!(caller.name().starts_with("company:back-office/"));
        assert!(!caller.name().contains(person));
        names.insert(caller.name().to_owned());
    }
    assert_eq!(names.len(), 2, "{names:?}");
    let itself = door.with("client_id", json!("shop-1"));
    let caller = door.opens(&signer.signs(&itself)).await;
    assert_eq!(caller.name(), "company:shop-1");
}

#[tokio::test]
async fn a_key_for_something_else_signs_nothing() {
    let signer = Signer::rsa("one");
    let mut published = signer.published();
    published["use"] = json!("enc");
    let another = Signer::elliptic("two");
    let mut for_another = signer.published();
    for_another["alg"] = json!("RS512");
    for_another["kid"] = json!("three");
    let keys = vec![published, another.published(), for_another];
    let office = Office::open(Mood::Answers(keys)).await;
    let door = Door::of(IssuerSettings {
        unknown_key_every: Duration::from_secs(3600),
        ..trusting(&office)
    });
    door.opens(&another.signs(&door.claims())).await;
    door.refuses(&signer.signs(&door.claims()), "UNKNOWN_KEY");
    let mut third = signer.clone();
    third.id = "three";
    door.refuses(&third.signs(&door.claims()), "FORGED_TOKEN");
}

#[test]
fn an_issuer_that_cannot_be_trusted_is_named() {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
    let refused = |change: &dyn Fn(&mut IssuerSettings)| {
        let mut wrong = settings("https://login.example.com");
        change(&mut wrong);
        Issuers::new([wrong], &clock).unwrap_err().to_string()
    };
    let clear = refused(&|issuer| issuer.issuer = "http://login.example.com".into());
    assert!(
        clear.starts_with("issuer company: http://login.example.com/"),
        "{clear}"
    );
    let clear = refused(&|issuer| issuer.jwks = Some("http://10.0.0.1/keys".into()));
    assert!(clear.contains("no address with https://"), "{clear}");
    let nobody = refused(&|issuer| issuer.channels.clear());
    assert_eq!(nobody, "issuer company: channels is empty");
    let same = settings("https://login.example.com");
    let twice = Issuers::new([same.clone(), same], &clock).unwrap_err();
    assert_eq!(twice.to_string(), "issuer company is there twice");
    let secret: Result<SigningAlgorithm, _> = serde_json::from_value(json!("HS256"));
    assert!(secret.unwrap_err().to_string().contains("unknown variant"));
}
