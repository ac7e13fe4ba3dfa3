//! The dialect's traps.

use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::{Rig, answer};

#[tokio::test]
async fn pages_follow_the_next_link_until_there_is_none_and_show_every_row_once() {
    let rig = Rig::start().await;
    for base in [
        rig.standard("items"),
        rig.standard("items?$orderby=displayName desc"),
        rig.companion("stockFigures"),
    ] {
        let whole = rig.rows(&base).await;
        let mark = if base.contains('?') { '&' } else { '?' };
        let base = format!("{base}{mark}$count=true");
        let (mut url, mut seen, mut pages) = (base.clone(), Vec::new(), 0);
        loop {
            let request = rig
                .request(Method::GET, &url)
                .header("prefer", "odata.maxpagesize=7");
            let (status, body) = answer(request).await;
            assert_eq!(status, 200, "{body}");
            let rows = body["value"].as_array().expect("rows").clone();
            assert!(rows.len() <= 7);
            assert_eq!(body["@odata.count"], json!(whole.len()));
            seen.extend(rows);
            pages += 1;
            match body["@odata.nextLink"].as_str() {
                Some(next) => url = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(seen.len(), whole.len(), "{base}");
        let strip = |rows: &[Value]| {
            rows.iter()
                .map(|row| row["@odata.etag"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(strip(&seen), strip(&whole), "{base}");
        assert_eq!(pages, whole.len().div_ceil(7), "{base}");
    }
}

#[tokio::test]
async fn top_gives_no_next_link_though_there_is_more() {
    let rig = Rig::start().await;
    let (_, body) = rig.get(&rig.standard("items?$top=3")).await;
    assert_eq!(body["value"].as_array().map(Vec::len), Some(3));
    assert!(body.get("@odata.nextLink").is_none());
}

#[tokio::test]
async fn or_is_refused_across_fields_and_works_within_one() {
    let rig = Rig::start().await;
    let (status, body) = rig
        .get(&rig.standard("items?$filter=number eq '1000' or displayName eq 'x'"))
        .await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (400, &json!("BadRequest"))
    );
    let rows = rig
        .rows(&rig.standard("items?$filter=number eq '1000' or number eq '1001'"))
        .await;
    assert_eq!(rows.len(), 2);
}

#[tokio::test]
async fn lambdas_are_ignored_without_a_word() {
    let rig = Rig::start().await;
    let all = rig.rows(&rig.standard("items")).await;
    let filtered = rig
        .rows(&rig.standard("items?$filter=itemVariants/any(v: v/code eq 'NOPE')"))
        .await;
    assert_eq!(filtered.len(), all.len());
}

#[tokio::test]
async fn filters_compare_texts_numbers_dates_and_flags() {
    let rig = Rig::start().await;
    let count = async |filter: &str| {
        rig.rows(&rig.standard(&format!("items?$filter={filter}")))
            .await
            .len()
    };
    assert_eq!(count("unitPrice lt 10 and type eq 'Inventory'").await, 2);
    assert_eq!(
        count("startswith(number,'9') and blocked eq false").await,
        2
    );
    assert_eq!(count("not startswith(number,'1')").await, 2);
    assert_eq!(count("contains(displayName,'kontor')").await, 2);
    assert_eq!(
        count("lastModifiedDateTime ge 2026-11-22T10:00:00.000Z").await,
        49
    );
    assert_eq!(
        count("lastModifiedDateTime gt 2026-11-22T10:00:00.000Z").await,
        0
    );
}

#[tokio::test]
async fn unknown_names_and_wrong_types_are_refused() {
    let rig = Rig::start().await;
    for query in [
        "$filter=colour eq 'red'",
        "$select=colour",
        "$orderby=colour",
        "$expand=colour",
        "$filter=unitPrice eq 'cheap'",
        "$filter=number eq 5",
        "$filter=number eq",
        "$search=chair",
        &format!("$filter={}", "(".repeat(5000)),
    ] {
        let (status, body) = rig.get(&rig.standard(&format!("items?{query}"))).await;
        assert_eq!(status, 400, "{query}: {body}");
        assert!(
            body["error"]["message"]
                .as_str()
                .is_some_and(|text| text.contains("CorrelationId:")),
            "{body}"
        );
    }
    let (status, _) = rig.get(&rig.standard("unicorns")).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn select_and_expand_give_what_was_asked_for() {
    let rig = Rig::start().await;
    let query = "items?$filter=number eq '1000'&$select=number,displayName&$expand=itemVariants($select=code;$orderby=code desc),itemCategory";
    let rows = rig.rows(&rig.standard(query)).await;
    let codes: Vec<&str> = rows[0]["itemVariants"]
        .as_array()
        .expect("variants")
        .iter()
        .filter_map(|row| row["code"].as_str())
        .collect();
    assert_eq!(codes, ["WEISS", "NATUR", "ANTHRA"]);
    assert_eq!(rows[0]["itemCategory"]["code"], "CHAIRS");
    assert!(rows[0].get("unitPrice").is_none());
    assert!(rows[0].get("@odata.etag").is_some());
}

#[tokio::test]
async fn a_write_needs_the_etag_that_was_read() {
    let rig = Rig::start().await;
    let item = &rig
        .rows(&rig.standard("items?$filter=number eq '1000'"))
        .await[0];
    let url = rig.standard(&format!("items({})", item["id"].as_str().expect("an id")));
    let patch = |tag: Option<String>| {
        let request = rig
            .request(Method::PATCH, &url)
            .json(&json!({ "displayName": "Neu" }));
        match tag {
            Some(tag) => answer(request.header("if-match", tag)),
            None => answer(request),
        }
    };
    assert_eq!(patch(None).await.0, 400);
    let tag = item["@odata.etag"].as_str().expect("a tag").to_owned();
    let (status, changed) = patch(Some(tag.clone())).await;
    assert_eq!((status, &changed["displayName"]), (200, &json!("Neu")));
    let (status, error) = patch(Some(tag)).await;
    assert_eq!(
        (status, &error["error"]["code"]),
        (409, &json!("Request_EntityChanged"))
    );
    assert_eq!(patch(Some("*".to_owned())).await.0, 200);
}

#[tokio::test]
async fn read_only_and_unknown_properties_cannot_be_written() {
    let rig = Rig::start().await;
    for (body, code) in [
        (
            json!({ "number": "X1", "inventory": 5 }),
            "Application_ReadOnlyField",
        ),
        (
            json!({ "number": "X1", "lastModifiedDateTime": "2026-01-01T00:00:00Z" }),
            "Application_ReadOnlyField",
        ),
        (json!({ "number": "X1", "colour": "red" }), "BadRequest"),
        (
            json!({ "number": "X1", "displayName": "x".repeat(101) }),
            "BadRequest",
        ),
        (json!({ "number": "X1", "unitPrice": "12" }), "BadRequest"),
        (json!({ "number": "X1", "unitPrice": 1e27 }), "BadRequest"),
        (
            json!({ "number": "X1", "itemCategoryCode": "NOPE" }),
            "Application_FieldValidationException",
        ),
    ] {
        let (status, error) = rig.post(&rig.standard("items"), &body).await;
        assert_eq!(
            (status, error["error"]["code"].as_str()),
            (400, Some(code)),
            "{body}"
        );
    }
}

#[tokio::test]
async fn rows_are_counted_with_and_without_them() {
    let rig = Rig::start().await;
    let (_, body) = rig
        .get(&rig.standard("items?$count=true&$top=1&$filter=startswith(number,'10')"))
        .await;
    assert_eq!(
        (
            &body["@odata.count"],
            body["value"].as_array().map(Vec::len)
        ),
        (&json!(10), Some(1))
    );
    assert_eq!(
        rig.get(&rig.standard("items/$count")).await,
        (200, json!(49))
    );
}

#[tokio::test]
async fn a_batch_runs_its_operations_one_by_one_and_has_at_most_a_hundred() {
    let rig = Rig::start().await;
    let url = format!("{}/api/v2.0/$batch", rig.simulator.base_url());
    let company = format!("companies({})", rig.company);
    let make = |id: &str, number: &str| {
        json!({ "id": id, "method": "POST", "url": format!("{company}/items"), "headers": { "Content-Type": "application/json" },
                "body": { "number": number } })
    };
    let read = json!({ "method": "GET", "url": format!("{company}/items?$filter=number eq 'B1'&$select=number") });
    let (status, done) = rig
        .post(&url, &json!({ "requests": [make("a", "B1"), read] }))
        .await;
    assert_eq!(
        (status, &done["responses"][0]["status"]),
        (200, &json!(201)),
        "{done}"
    );
    assert_eq!(done["responses"][1]["body"]["value"][0]["number"], "B1");
    assert_eq!(
        (&done["responses"][0]["id"], &done["responses"][1]["id"]),
        (&json!("a"), &Value::Null)
    );

    let requests = json!({ "requests": [make("a", "B1"), make("b", "B2")] });
    let (_, ended) = rig.post(&url, &requests).await;
    assert_eq!(
        ended["responses"].as_array().map(Vec::len),
        Some(1),
        "the first fails: {ended}"
    );
    let (_, went_on) = answer(
        rig.request(Method::POST, &url)
            .header("prefer", "odata.continue-on-error")
            .json(&requests),
    )
    .await;
    assert_eq!(
        (
            &went_on["responses"][0]["status"],
            &went_on["responses"][1]["status"]
        ),
        (&json!(409), &json!(201))
    );

    let many: Vec<Value> = (0..101).map(|nth| make("x", &format!("M{nth}"))).collect();
    assert_eq!(rig.post(&url, &json!({ "requests": many })).await.0, 400);
}
