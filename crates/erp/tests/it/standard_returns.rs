//! Goods that come back to a standard tenant: a draft of a credit memo, which a person posts.

use std::time::Duration;

use millrace_erp::return_order::{NewReturn, ReturnObserved, ReturnState};
use millrace_erp::{Erp, ErpError, Flow};
use millrace_erp_simulator::Config;
use millrace_erp_simulator::database::{Document, DocumentKind};
use millrace_erp_simulator::faults::{Kind, Rule, When};
use millrace_values::{CustomerNumber, LocationCode, Quantity, Sku, VariantCode};
use serde_json::json;

use crate::mirror::Mirror;
use crate::returns::{goods, key, states};
use crate::world::{World, adapter, eventually, settings, standard_world_with, world_with};

/// A write whose outcome is unknown may still happen for so long.
const LIMIT: Duration = Duration::from_secs(1);

/// A standard tenant where freight can be paid back, with the item that is sent back.
async fn desk() -> World {
    let world = standard_world_with(|settings| {
        settings.freight_account = Some("8120".into());
        settings.limits.operation_limit = LIMIT;
        settings.limits.write_timeout = LIMIT;
    })
    .await;
    let item = json!({ "number": "SOLD-1", "name": "Sold", "unitPrice": 100 });
    world.simulator.office("create-item", item).await.unwrap();
    world
}

/// A German customer whose prices include tax, or not.
fn customer(world: &World, with_tax: bool) -> CustomerNumber {
    world.simulator.read(|tables| {
        let mut customers = tables.customers.iter();
        let found = customers.find(|customer| {
            customer.address.country == "DE" && customer.prices_include_tax == with_tax
        });
        CustomerNumber::parse(&found.unwrap().number).unwrap()
    })
}

fn memos(world: &World) -> Vec<Document> {
    world.simulator.read(|tables| {
        let memos = tables.documents.iter();
        memos
            .filter(|document| document.kind == DocumentKind::CreditMemo)
            .map(|document| (**document).clone())
            .collect()
    })
}

fn texts(memo: &Document) -> Vec<&str> {
    let lines = memo.lines.iter().filter(|line| line.item.is_none());
    lines.map(|line| line.description.as_str()).collect()
}

async fn placed(world: &World, goods: &NewReturn) -> ReturnObserved {
    let placed = world.erp.place_return(goods).await.unwrap();
    assert!(!placed.existed);
    placed.observed
}

/// What somebody else writes over Microsoft's API.
pub async fn write_by_hand(world: &World, memo: &serde_json::Value) {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "millrace-demo"),
        ("client_secret", "millrace-demo"),
        ("scope", "https://api.businesscentral.dynamics.com/.default"),
    ];
    let http = reqwest::Client::new();
    let token = http.post(world.simulator.token_url()).form(&form);
    let token: serde_json::Value = token.send().await.unwrap().json().await.unwrap();
    let url = format!(
        "{}/api/v2.0/companies({})/salesCreditMemos",
        world.simulator.base_url(),
        world.simulator.company_id()
    );
    let request = http
        .post(url)
        .bearer_auth(token["access_token"].as_str().unwrap());
    let answer = request.json(memo).send().await.unwrap();
    assert_eq!(answer.status(), 201);
}

async fn post(world: &World, number: &str) {
    let body = json!({ "number": number });
    world
        .simulator
        .office("post-credit-memo", body)
        .await
        .unwrap();
}

#[tokio::test]
async fn reasons_are_told_where_microsofts_analytics_can_be_read() {
    let world = desk().await;
    let capabilities = world.erp.capabilities().await.unwrap();
    assert!(capabilities.return_reasons && !capabilities.return_orders);
    let reasons = world.erp.return_reasons().await.unwrap();
    let defect = reasons
        .iter()
        .find(|reason| reason.code.as_str() == "DEFECT")
        .unwrap();
    assert_eq!(defect.description, "Does not work");
    assert!(defect.translations.is_empty());

    let bare = Config {
        companion: false,
        analytics: false,
        ..Config::default()
    };
    let world = world_with(bare, |_| {}).await;
    assert!(!world.erp.capabilities().await.unwrap().return_reasons);
    let error = world.erp.return_reasons().await.unwrap_err();
    assert!(matches!(error, ErpError::Unsupported(_)), "{error}");
}

#[tokio::test]
async fn a_return_is_a_draft_that_says_what_it_is_and_credits_what_was_sold() {
    let world = desk().await;
    let mut wanted = goods("T-1", &customer(&world, false));
    wanted.gift = true;
    wanted.lines[0].comment = "Leider wackelt ein Bein. ".repeat(6);
    let opened = placed(&world, &wanted).await;
    assert_eq!(opened.state, ReturnState::Open);
    assert_eq!(opened.lines.len(), 1);
    assert_eq!(
        (opened.lines[0].line_number, opened.lines[0].requested),
        (1, Quantity::from(2))
    );
    let memo = &memos(&world)[0];
    assert!(memo.draft, "a person posts it");
    assert_eq!(memo.external_number, "MR/FURNITURE-DE/T-1");
    assert_eq!(memo.reason, "DAMAGED");
    let texts = texts(memo);
    for expected in [
        "Return furniture-de/T-1",
        "Order 1042",
        "As sold: net 210.00, tax 39.90, gross 249.90 EUR",
        "Refund in money",
        "Sent back by who was given it",
        "Line 1, order line 1: DAMAGED, scratched",
    ] {
        assert!(texts.contains(&expected), "{expected}: {texts:?}");
    }
    assert!(texts.iter().all(|text| text.chars().count() <= 100));
    let gross: millrace_values::Decimal = memo.lines.iter().map(|line| line.net + line.tax).sum();
    assert_eq!(gross, "249.90".parse().unwrap());
    let found = world.erp.find_return(&wanted.key).await.unwrap();
    assert_eq!(found, Some(opened.clone()));
    let again = world.erp.place_return(&wanted).await.unwrap();
    assert!(again.existed);
    assert_eq!(again.observed, opened);
    assert_eq!(memos(&world).len(), 1);
}

#[tokio::test]
async fn the_customers_way_to_write_prices_does_not_change_what_is_credited() {
    let world = desk().await;
    let wanted = goods("T-1", &customer(&world, true));
    placed(&world, &wanted).await;
    let memo = &memos(&world)[0];
    assert!(memo.prices_include_tax && !wanted.prices_include_tax);
    assert_eq!(memos(&world).len(), 1, "the one in the wrong mode is gone");
    let gross: millrace_values::Decimal = memo.lines.iter().map(|line| line.net + line.tax).sum();
    assert_eq!(gross, wanted.gross.value());
}

#[tokio::test]
async fn posting_is_seen_and_tells_what_was_credited() {
    let world = desk().await;
    let mut mirror = Mirror::default();
    mirror.catch_up(&*world.erp, Flow::Returns).await;
    let opened = placed(&world, &goods("T-1", &customer(&world, false))).await;
    // Somebody else's credit memo is none of ours.
    let other = memos(&world)[0].clone();
    mirror.catch_up(&*world.erp, Flow::Returns).await;
    post(&world, &opened.document_number).await;
    mirror.catch_up(&*world.erp, Flow::Returns).await;
    assert_eq!(mirror.unreadable, Vec::<String>::new());
    assert_eq!(states(&mirror), [ReturnState::Open, ReturnState::Credited]);
    let credited = mirror.returns.last().unwrap();
    assert_eq!(credited.system_id.0, other.id);
    assert_eq!(credited.credit_memo_numbers.len(), 1);
    assert_ne!(credited.credit_memo_numbers[0], opened.document_number);
    assert_eq!(
        credited.credited_gross.unwrap().value(),
        "249.90".parse().unwrap()
    );
    assert_eq!(credited.lines[0].credited, Quantity::from(2));
    assert_eq!(credited.row_version, None);
    let found = world.erp.find_return(&opened.key).await.unwrap();
    assert_eq!(found.as_ref(), Some(credited));
    // Nothing new, nothing told.
    let told = mirror.told;
    mirror.catch_up(&*world.erp, Flow::Returns).await;
    assert_eq!(mirror.told, told);
}

#[tokio::test]
async fn credit_memos_of_others_are_not_told() {
    let world = desk().await;
    placed(&world, &goods("T-1", &customer(&world, false))).await;
    let customer = customer(&world, false);
    let strangers = [
        ("4711", ""),
        ("MR/SOMETHING", ""),
        ("MR-4", "Return to sender"),
    ];
    for (number, text) in strangers {
        let memo = json!({ "externalDocumentNumber": number, "customerNumber": customer.as_str(),
            "salesCreditMemoLines": [{ "lineType": "Comment", "description": text }] });
        write_by_hand(&world, &memo).await;
    }
    assert_eq!(memos(&world).len(), 1 + strangers.len());
    let mut mirror = Mirror::default();
    mirror.catch_up(&*world.erp, Flow::Returns).await;
    assert_eq!(states(&mirror), [ReturnState::Open]);
}

#[tokio::test]
async fn a_draft_is_given_up_and_a_posted_one_is_not() {
    let world = desk().await;
    let customer = customer(&world, false);
    let opened = placed(&world, &goods("T-1", &customer)).await;
    let cancelled = world.erp.cancel_return(&opened.key).await.unwrap();
    assert_eq!(
        (cancelled.state, cancelled.system_id),
        (ReturnState::Cancelled, opened.system_id)
    );
    assert_eq!(memos(&world).len(), 0);
    let error = world.erp.cancel_return(&opened.key).await.unwrap_err();
    assert!(
        matches!(&error, ErpError::Refused { code, .. } if code == "Internal_RecordNotFound"),
        "{error}"
    );
    let other = placed(&world, &goods("T-2", &customer)).await;
    post(&world, &other.document_number).await;
    let error = world.erp.cancel_return(&other.key).await.unwrap_err();
    assert!(
        matches!(&error, ErpError::Refused { code, .. } if code == "Application_DialogException"),
        "{error}"
    );
}

#[tokio::test]
async fn what_the_erp_does_not_know_is_refused_by_name() {
    let world = desk().await;
    let customer = customer(&world, false);
    let line = |change: fn(&mut NewReturn)| {
        let mut wanted = goods("T-1", &customer);
        change(&mut wanted);
        wanted
    };
    let cases = [
        (
            line(|wanted| wanted.lines[0].item = Sku::parse("NOPE").unwrap()),
            "ITEM",
        ),
        (
            line(|wanted| {
                wanted.lines[0].variant = VariantCode::parse_optional("NOPE").unwrap();
            }),
            "VARIANT",
        ),
        (
            line(|wanted| {
                wanted.lines[0].location = LocationCode::parse_optional("NOPE").unwrap();
            }),
            "LOCATION",
        ),
        (
            line(|wanted| wanted.customer = CustomerNumber::parse("NOPE").unwrap()),
            "Application_FieldValidationException",
        ),
    ];
    for (wanted, expected) in cases {
        let error = world.erp.place_return(&wanted).await.unwrap_err();
        assert!(
            matches!(&error, ErpError::Refused { code, .. } if code == expected),
            "{expected}: {error}"
        );
    }
    assert_eq!(memos(&world).len(), 0);
    // A refusal keeps nobody waiting.
    placed(&world, &goods("T-1", &customer)).await;
    // Freight needs an account.
    let bare = adapter({
        let mut settings = settings(&world.simulator);
        settings.level = millrace_erp::business_central::Level::Standard;
        settings
    });
    let error = bare.place_return(&goods("T-2", &customer)).await;
    assert!(matches!(error.unwrap_err(), ErpError::Denied(_)));
}

#[tokio::test]
async fn whatever_becomes_of_the_answer_a_credit_memo_is_written_once() {
    let world = desk().await;
    let customer = customer(&world, false);
    let rule = |kind, when| Rule::new(kind).on("POST", "salesCreditMemos").when(when);
    let troubles = [
        rule(Kind::GatewayTimeout, When::After),
        rule(Kind::GatewayTimeout, When::Before),
        rule(Kind::LostAnswer, When::After),
        rule(Kind::LostAnswer, When::Before),
        // The write comes when the caller has been told that nobody knows, and before BC gives up on it.
        rule(Kind::LostAnswer, When::Later).delay(LIMIT / 4),
    ];
    for (nth, trouble) in troubles.into_iter().enumerate() {
        let wanted = goods(&format!("T-{nth}"), &customer);
        world.simulator.fault(trouble);
        let error = world.erp.place_return(&wanted).await.unwrap_err();
        assert!(
            matches!(error, ErpError::InDoubt { wait } if wait == LIMIT),
            "{error}"
        );
        eventually("it is there", async || {
            match world.erp.place_return(&wanted).await {
                Ok(_) => true,
                Err(ErpError::InDoubt { wait }) => {
                    assert!(wait <= LIMIT);
                    false
                }
                Err(error) => panic!("{error}"),
            }
        })
        .await;
        assert_eq!(memos(&world).len(), nth + 1);
    }
}

#[tokio::test]
async fn two_who_hand_over_the_same_return_at_once_write_it_once() {
    let world = desk().await;
    let wanted = goods("T-1", &customer(&world, false));
    let hand_over = || async {
        loop {
            match world.erp.place_return(&wanted).await {
                Ok(placed) => return placed.observed,
                Err(ErpError::InDoubt { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    let (one, other) = tokio::join!(hand_over(), hand_over());
    assert_eq!(one, other);
    assert_eq!(memos(&world).len(), 1);
}

#[tokio::test]
async fn a_duplicate_that_happens_all_the_same_is_shown() {
    let world = desk().await;
    let wanted = goods("T-1", &customer(&world, false));
    world.simulator.fault(
        Rule::new(Kind::LostAnswer)
            .on("POST", "salesCreditMemos")
            .when(When::Later)
            .delay(LIMIT / 4),
    );
    let error = world.erp.place_return(&wanted).await.unwrap_err();
    assert!(
        matches!(error, ErpError::InDoubt { wait } if wait == LIMIT),
        "{error}"
    );
    // A process that began anew knows nothing of it.
    let restarted = adapter({
        let mut settings = settings(&world.simulator);
        settings.level = millrace_erp::business_central::Level::Standard;
        settings.freight_account = Some("8120".into());
        settings
    });
    assert!(!restarted.place_return(&wanted).await.unwrap().existed);
    eventually("the late one is there", async || memos(&world).len() == 2).await;
    let found = restarted.find_return(&wanted.key).await.unwrap().unwrap();
    assert_eq!(found.document_number.split(", ").count(), 2);
    let cancelled = restarted.cancel_return(&wanted.key).await.unwrap();
    assert_eq!(cancelled.state, ReturnState::Cancelled);
    assert_eq!(memos(&world).len(), 0, "both are given up");
}

#[tokio::test]
async fn a_long_key_is_found_again_and_not_mixed_up_with_one_in_capitals() {
    let world = desk().await;
    let customer = customer(&world, false);
    let long = "t".repeat(35);
    for number in ["t-1", "T-1", &long, &long.to_uppercase()] {
        placed(&world, &goods(number, &customer)).await;
        let found = world.erp.find_return(&key(number)).await.unwrap().unwrap();
        assert_eq!(found.key, key(number));
    }
    assert_eq!(memos(&world).len(), 4);
    let mut mirror = Mirror::default();
    mirror.catch_up(&*world.erp, Flow::Returns).await;
    assert_eq!(mirror.returns.len(), 4);
}
