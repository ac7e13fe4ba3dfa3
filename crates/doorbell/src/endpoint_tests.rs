//! Settings that cannot be meant are refused by name, before anything rings.

use crate::names::SystemNames;

use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn wishes(url: &str) -> Wishes {
    Wishes {
        method: "POST".into(),
        url: Secret::new(url),
        headers: vec![],
        body: None,
        full_payload: false,
        secrets: vec![Secret::new(SECRET)],
        allow_internal: vec![],
        timeout: Duration::from_secs(15),
    }
}

fn new(wishes: Wishes) -> Result<Endpoint, EndpointError> {
    Endpoint::new(wishes, Arc::new(SystemNames))
}

fn refused(wishes: Wishes) -> String {
    new(wishes).unwrap_err().to_string()
}

/// Row 97.
#[test]
fn what_cannot_be_meant_is_refused_by_name() {
    let good = || wishes("https://shop.example/hooks/{{kind}}?key={{key}}");
    assert_eq!(new(good()).unwrap().origin(), "https://shop.example");
    let header = |name: &str, value: &str| (name.to_owned(), Secret::new(value));
    let cases = [
        (
            Wishes {
                method: "DELETE".into(),
                ..good()
            },
            "method: is none of POST, PUT, PATCH, GET",
        ),
        (
            Wishes {
                method: "GET".into(),
                body: Some(Secret::new("x")),
                ..good()
            },
            "body: a GET has none",
        ),
        (
            Wishes {
                body: Some(Secret::new("{\"a\": {{keys}}}")),
                ..good()
            },
            "body: the placeholder at character 7 is none of id, channel, doorbell, type, kind, key",
        ),
        (
            Wishes {
                body: Some(Secret::new("{{key")),
                ..good()
            },
            "body: the placeholder that begins at character 1 has no end (}})",
        ),
        (
            Wishes {
                body: Some(Secret::new("{\"a\": {{key}}}")),
                ..good()
            },
            "body: is no JSON when it is filled in, at line 1",
        ),
        (
            Wishes {
                body: Some(Secret::new("{\"a\": {{payload}}}")),
                ..good()
            },
            "body: has {{payload}}, which is there with payload = \"full\" only",
        ),
        (
            Wishes {
                headers: vec![header("webhook-id", "mine")],
                ..good()
            },
            "headers.webhook-id: is set by Millrace itself",
        ),
        (
            Wishes {
                headers: vec![header("x y", "z")],
                ..good()
            },
            "headers.x y: is no name of a header",
        ),
        (
            Wishes {
                headers: vec![header("x", "a\nb")],
                ..good()
            },
            "headers.x: has characters a header cannot have",
        ),
        (
            Wishes {
                headers: vec![header("content-type", "{{kind}}")],
                ..good()
            },
            "headers.content-type: has no placeholders",
        ),
        (
            Wishes {
                secrets: vec![],
                ..good()
            },
            "secrets: at least one is needed",
        ),
        (
            Wishes {
                secrets: vec![Secret::new(SECRET), Secret::new("whsec_!")],
                ..good()
            },
            "secrets: number 2 is not Base64 behind whsec_",
        ),
        (
            Wishes {
                allow_internal: vec!["10.0.0.0/40".into()],
                ..good()
            },
            "allow_internal: \"10.0.0.0/40\" is no address",
        ),
        (
            Wishes {
                timeout: Duration::ZERO,
                ..good()
            },
            "timeout: more than nothing",
        ),
    ];
    for (wishes, says) in cases {
        let said = refused(wishes);
        assert!(said.starts_with(says), "{said:?} instead of {says:?}");
    }
}

#[test]
fn an_address_that_may_not_be_rung_is_refused_as_soon_as_it_is_read() {
    for (url, says) in [
        ("shop.example/hook", "relative URL"),
        ("ftp://shop.example", "neither https:// nor http://"),
        ("https://{{key}}.example/", "url"),
        ("https://shop.example{{key}}", "url"),
        (
            "https://shop.example:{{position}}/",
            "has placeholders before its path",
        ),
        ("https://me:secret@shop.example/", "names a user"),
        ("http://shop.example/", "use https"),
        (
            "https://127.0.0.1/",
            "127.0.0.1 is an address inside the network",
        ),
        ("https://2130706433/", "127.0.0.1 is an address inside"),
        ("https://0x7f.1/", "127.0.0.1 is an address inside"),
        ("https://[::1]/", "::1 is an address inside"),
        ("https://[::ffff:169.254.169.254]/", "is an address inside"),
        (
            "http://1.1.1.1/",
            "1.1.1.1 is an address outside the network, which is rung over https only",
        ),
    ] {
        let said = refused(wishes(url));
        assert!(
            said.starts_with("url: ") && said.contains(says),
            "{url}: {said:?} instead of {says:?}"
        );
    }
    let allowed = Wishes {
        allow_internal: vec!["127.0.0.0/8".into()],
        ..wishes("http://127.0.0.1:8080/")
    };
    assert_eq!(new(allowed).unwrap().origin(), "http://127.0.0.1:8080");
}

#[test]
fn nothing_secret_is_said() {
    let canary = "https://shop.example/canary?canary={{nothing}}";
    assert!(!refused(wishes(canary)).contains("canary"));
    let good = new(wishes("https://shop.example/canary")).unwrap();
    let shown = format!("{good:?}");
    assert!(
        shown.contains("shop.example") && !shown.contains("canary"),
        "{shown}"
    );
}

#[test]
fn what_a_shop_asks_to_wait_is_read_as_seconds_or_as_a_moment() {
    let now: Timestamp = "2026-11-27T08:00:00Z".parse().unwrap();
    let of = |text| retry_after_of(text, now);
    assert_eq!(of("120"), Some(Duration::from_secs(120)));
    assert_eq!(
        of("Fri, 27 Nov 2026 08:01:00 GMT"),
        Some(Duration::from_secs(60))
    );
    for nothing in ["", "-5", "soon", "Fri, 27 Nov 2026 07:59:00 GMT"] {
        assert_eq!(of(nothing), None, "{nothing}");
    }
}
