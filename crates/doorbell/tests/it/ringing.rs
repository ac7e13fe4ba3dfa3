//! One ring each.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use millrace_doorbell::{Answer, Endpoint, Message, Names, Wishes};
use millrace_service_kit::Secret;

use crate::shop::{Manner, Shop};

const SECRETS: [&str; 2] = [
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
];

/// Answers in turn, the last for ever.
struct Turns(Vec<Vec<&'static str>>, AtomicUsize);

#[async_trait]
impl Names for Turns {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        assert_eq!(name, "shop.example");
        let turn = self.1.fetch_add(1, Ordering::Relaxed).min(self.0.len() - 1);
        Ok(self.0[turn]
            .iter()
            .map(|address| address.parse().unwrap())
            .collect())
    }
}

fn names(turns: &[&[&'static str]]) -> Arc<Turns> {
    let turns = turns.iter().map(|turn| turn.to_vec()).collect();
    Arc::new(Turns(turns, AtomicUsize::new(0)))
}

fn wishes(url: String) -> Wishes {
    Wishes {
        method: "POST".into(),
        url: Secret::new(url),
        headers: vec![],
        body: None,
        full_payload: false,
        secrets: SECRETS.map(Secret::new).to_vec(),
        allow_internal: vec!["127.0.0.1".into()],
        timeout: Duration::from_millis(500),
    }
}

fn message() -> Message {
    Message {
        id: "msg_1".into(),
        channel: "furniture".into(),
        doorbell: "shop".into(),
        event_type: "millrace.items.v1.ItemChanged".into(),
        kind: "items".into(),
        key: "item/bc-main/Größe \"1\"".into(),
        event_id: "0190".into(),
        position: 7,
        token: "t".into(),
        occurred_at: Timestamp::UNIX_EPOCH,
        deleted: false,
        count: 2,
        payload: None,
    }
}

async fn ring(wishes: Wishes, names: Arc<dyn Names>) -> Answer {
    let now = Timestamp::from_second(1_700_000_000).unwrap();
    let endpoint = Endpoint::new(wishes, names).unwrap();
    endpoint.ring(&message(), now).await
}

async fn ring_at(shop: &Shop) -> Answer {
    ring(wishes(format!("http://{}/", shop.address)), names(&[&[]])).await
}

fn failure(answer: Answer) -> String {
    match answer {
        Answer::Failed { reason, .. } => reason,
        other => panic!("{other:?} is no failure"),
    }
}

/// Rows 97 and 126: method, url, headers and body are the shop's own, and every secret signs.
#[tokio::test]
async fn a_ring_is_made_as_the_shop_wishes_and_signed_with_every_secret() {
    let shop = Shop::that(Manner::Says("HTTP/1.1 204 No Content\r\n\r\n")).await;
    let header = |name: &str, value: &str| (name.to_owned(), Secret::new(value));
    let url = format!("http://{}/hooks/{{{{kind}}}}?key={{{{key}}}}", shop.address);
    let own = Wishes {
        method: "PUT".into(),
        headers: vec![
            header("Content-Type", "application/xml"),
            header("x-about", "{{channel}}: {{key}}"),
        ],
        body: Some(Secret::new("<changed n='{{count}}'>{{key}}</changed>")),
        ..wishes(url)
    };
    assert_eq!(ring(own, names(&[&[]])).await, Answer::Taken);
    let asked = shop.asked().pop().unwrap();
    let (head, body) = asked.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        body,
        "<changed n='2'>item/bc-main/Größe &quot;1&quot;</changed>"
    );
    let mut lines = head.lines();
    assert_eq!(
        lines.next(),
        Some("PUT /hooks/items?key=item%2Fbc-main%2FGr%C3%B6%C3%9Fe%20%221%22 HTTP/1.1")
    );
    let headers: HashMap<String, &str> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value))
        .collect();
    assert_eq!(headers["content-type"], "application/xml");
    assert_eq!(
        headers["x-about"],
        "furniture: item/bc-main/Gr%C3%B6%C3%9Fe \"1\""
    );
    assert_eq!(headers["webhook-id"], "msg_1");
    assert_eq!(headers["webhook-timestamp"], "1700000000");
    // Read as a shop reads it: one signature per secret, over what was received.
    let signed = format!("msg_1.1700000000.{body}");
    let wanted = SECRETS.map(|secret| {
        let secret = STANDARD
            .decode(secret.trim_start_matches("whsec_"))
            .unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        format!(
            "v1,{}",
            STANDARD.encode(hmac::sign(&key, signed.as_bytes()))
        )
    });
    assert_eq!(headers["webhook-signature"], wanted.join(" "));
}

#[tokio::test]
async fn a_ring_says_fetch_this_when_nothing_else_is_wished() {
    let shop = Shop::that(Manner::Says(
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ))
    .await;
    assert_eq!(ring_at(&shop).await, Answer::Taken);
    let asked = shop.asked().pop().unwrap();
    let (head, body) = asked.split_once("\r\n\r\n").unwrap();
    assert!(
        head.to_lowercase()
            .contains("content-type: application/json")
    );
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let wanted = serde_json::json!({
        "type": "millrace.items.v1.ItemChanged",
        "timestamp": "1970-01-01T00:00:00Z",
        "data": {
            "channel": "furniture", "kind": "items", "key": "item/bc-main/Größe \"1\"",
            "deleted": false, "position": 7, "token": "t", "count": 2,
        },
    });
    assert_eq!(body, wanted);
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_not_followed() {
    let inward = Shop::that(Manner::Says("HTTP/1.1 200 OK\r\n\r\n")).await;
    let answer = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{}/admin\r\ncontent-length: 0\r\n\r\n",
        inward.address
    );
    let shop = Shop::that(Manner::Says(Box::leak(answer.into_boxed_str()))).await;
    assert_eq!(
        failure(ring_at(&shop).await),
        "answered 307, and redirects are not followed"
    );
    assert!(inward.asked().is_empty());
}

#[tokio::test]
async fn a_shop_that_drips_its_head_or_is_silent_costs_the_timeout_and_no_more() {
    for manner in [Manner::DripsItsHead, Manner::IsSilent] {
        let shop = Shop::that(manner).await;
        let began = Instant::now();
        assert_eq!(failure(ring_at(&shop).await), "no answer within 500ms");
        assert!(began.elapsed() < Duration::from_secs(5), "{manner:?}");
    }
}

#[tokio::test]
async fn a_shop_that_drips_its_body_has_answered() {
    let shop = Shop::that(Manner::DripsItsBody).await;
    let began = Instant::now();
    assert_eq!(ring_at(&shop).await, Answer::Taken);
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn of_an_endless_answer_next_to_nothing_is_read() {
    let shop = Shop::that(Manner::NeverStops).await;
    assert_eq!(ring_at(&shop).await, Answer::Taken);
    // What fits into the machine's own buffers is out of anybody's hands.
    assert!(shop.sent() < 64 << 20, "{} bytes", shop.sent());
}

#[tokio::test]
async fn gone_busy_and_broken_are_told_apart() {
    let says = async |answer| ring_at(&Shop::that(Manner::Says(answer)).await).await;
    let gone = says("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(gone, Answer::Gone);
    let busy = says("HTTP/1.1 503 Busy\r\nretry-after: 90\r\ncontent-length: 0\r\n\r\n").await;
    let wanted = Answer::Failed {
        reason: "answered 503".into(),
        retry_after: Some(Duration::from_secs(90)),
    };
    assert_eq!(busy, wanted);
    assert!(failure(says("nonsense\r\n\r\n").await).starts_with("no whole answer"));
    assert!(failure(says("").await).starts_with("no whole answer"));
}

#[tokio::test]
async fn a_shop_that_is_not_there_could_not_be_reached() {
    let shop = Shop::that(Manner::IsSilent).await;
    let url = format!("http://{}/canary", shop.address);
    drop(shop);
    let answer = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            let answer = failure(ring(wishes(url.clone()), names(&[&[]])).await);
            if answer.starts_with("could not be reached") {
                return answer;
            }
        }
    });
    let answer = answer.await.unwrap();
    assert!(!answer.contains("canary"), "{answer}");
}

/// What a name resolves to is judged at every connection, whole.
#[tokio::test]
async fn a_name_that_points_inside_is_not_connected_to() {
    let url = "https://shop.example/".to_owned();
    for (addresses, says) in [
        (
            &["10.0.0.7"][..],
            "shop.example has 10.0.0.7, an address inside the network",
        ),
        (
            &["1.1.1.1", "fd00::1"],
            "shop.example has fd00::1, an address inside the network",
        ),
        (
            &["::ffff:169.254.169.254"],
            "shop.example has ::ffff:169.254.169.254, an address inside",
        ),
        (&[], "shop.example has no address"),
    ] {
        let said = failure(ring(wishes(url.clone()), names(&[addresses])).await);
        assert!(said.starts_with(says), "{said}");
    }
    // Without TLS not even to the internet.
    let said = failure(
        ring(
            wishes("http://shop.example/".into()),
            names(&[&["1.1.1.1"]]),
        )
        .await,
    );
    assert!(said.contains("rung over https only"), "{said}");
}

/// The name's owner answers the check well and everybody after it badly: nobody asks a second time.
#[tokio::test]
async fn a_connection_goes_to_the_address_that_was_checked() {
    let (checked, later) = (
        Shop::that(Manner::Says("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")).await,
        "127.0.0.2",
    );
    let rebinding = names(&[&["127.0.0.1"], &[later]]);
    let url = format!("http://shop.example:{}/", checked.address.port());
    let endpoint = Endpoint::new(wishes(url), rebinding.clone()).unwrap();
    let now = Timestamp::from_second(1_700_000_000).unwrap();
    assert_eq!(endpoint.ring(&message(), now).await, Answer::Taken);
    assert_eq!(rebinding.1.load(Ordering::Relaxed), 1, "asked once");
    assert_eq!(checked.asked().len(), 1);
    // The next connection is checked again, and refused.
    let second = Endpoint::new(
        wishes(format!("http://shop.example:{}/", checked.address.port())),
        rebinding,
    );
    let said = failure(second.unwrap().ring(&message(), now).await);
    assert!(said.contains("127.0.0.2, an address inside"), "{said}");
}
