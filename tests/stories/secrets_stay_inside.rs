//! Secrets and personal data that were planted are found nowhere: not in a log, a metric, a readiness report or an error, while
//! services do their work and while it goes wrong.

use millrace_contract::order::v1::{OrderState, SubmitOrderRequest};
use millrace_contract::personal::v1::{Address, Personal};
use millrace_test_rig::until;
use serde_json::json;
use tonic::{Code, Status};

use crate::any_call::every_call;
use crate::shop::order;
use crate::world::{
    ALMIGHTY_SHOP_TOKEN, CHANNEL, OPERATOR_TOKEN, OTHER_SHOP_TOKEN, PATIENCE, POWERLESS_SHOP_TOKEN,
    Plan, SHOP_TOKEN, World,
};

const CLIENT_SECRET: &str = "canary-client-secret";
const DATABASE_PASSWORD: &str = "canary-database-password";
const SIGNING_SECRET: &str = "whsec_Y2FuYXJ5LXNlY3JldC1vZi1hLWRvb3JiZWxs";
const DOORBELL_HEADER: &str = "canary-header-of-a-doorbell";
const INVENTED_TOKEN: &str = "canary-token-that-nobody-gave-out";

/// Of the customer, at every place of an order where there is room for persons.
const PERSONAL: [&str; 6] = [
    "Kanarina Vogelsang",
    "Kanarienweg 77",
    "Kanarienstadt",
    "D-99177-K",
    "kanarina@vogelsang.example",
    "+49 555 0147741",
];

/// As the stories' world has them.
const OF_THE_WORLD: [&str; 7] = [
    SHOP_TOKEN,
    ALMIGHTY_SHOP_TOKEN,
    POWERLESS_SHOP_TOKEN,
    OTHER_SHOP_TOKEN,
    OPERATOR_TOKEN,
    "story-token-between-services",
    "c3RvcnktcGVyc29uYWwta2V5LW9mLTMyLWJ5dGVzISE=",
];

fn plan() -> Plan {
    let doorbell = format!(
        "[[shop_delivery.channels]]\nchannel = \"{CHANNEL}\"\n[[shop_delivery.channels.doorbells]]\nname = \"shop\"\n\
         url = \"http://127.0.0.1:1/hooks\"\nallow_internal = [\"127.0.0.0/8\"]\nsecrets = [\"{SIGNING_SECRET}\"]\n\
         headers = {{ authorization = \"Bearer {DOORBELL_HEADER}\" }}\n"
    );
    Plan {
        client_secret: CLIENT_SECRET.into(),
        // Of our own code everything that a person looking for a fault would switch on.
        filter: "info,millrace=debug".into(),
        more_settings: doorbell,
        ..Plan::default()
    }
}

fn personal() -> Personal {
    let [name, street, city, postal_code, email, phone] = PERSONAL.map(str::to_owned);
    let address = Address {
        name,
        address_line1: street,
        city,
        postal_code,
        country_code: "DE".into(),
        ..Default::default()
    };
    Personal {
        sell_to: Some(address.clone()),
        ship_to: Some(address),
        email,
        phone,
        ..Default::default()
    }
}

fn order_of(number: &str, customer: &str) -> SubmitOrderRequest {
    SubmitOrderRequest {
        personal: Some(personal()),
        ..order(number, customer, &[("1004", 1, 10690)])
    }
}

/// What the processes said, by who said it.
async fn said(world: &World, errors: &[Status]) -> Vec<(String, String)> {
    let mut said = Vec::new();
    for process in &world.processes {
        let service = &process.service;
        said.push((format!("log of {service}"), world.log(service)));
        for page in ["metrics", "ready"] {
            let url = format!("http://{}/{page}", process.monitoring);
            let text = reqwest::get(url).await.unwrap().text().await.unwrap();
            said.push((format!("{page} of {service}"), text));
        }
    }
    for error in errors {
        let details = String::from_utf8_lossy(error.details());
        said.push(("an error".into(), format!("{error:?} {details}")));
    }
    said
}

/// FAULTS, secrets and personal data. Row 122.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_planted_is_found_nowhere() {
    let postgres = millrace_test_rig::postgres().await;
    let url = postgres.create_database("canary").await.unwrap();
    let url = url.replacen("postgres@", &format!("postgres:{DATABASE_PASSWORD}@"), 1);
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let world = World::distributed(plan(), &url, &bootstrap).await;
    let mut shop = world.shop().await;
    until(PATIENCE, "stock is known", async || {
        shop.available("1004").await
    })
    .await;
    let delivery = format!("http://{}", world.process("shop-delivery").grpc);
    let operator = [
        ("MILLRACE_SERVER".to_owned(), delivery),
        ("MILLRACE_TOKEN".to_owned(), OPERATOR_TOKEN.to_owned()),
    ];
    world.runs(&["doorbell", "open", "--channel", CHANNEL], &operator);

    // A new customer, all the way into the ERP.
    shop.orders
        .submit_order(order_of("WEB-CANARY", "S-CANARY"))
        .await
        .unwrap();
    shop.reaches("WEB-CANARY", OrderState::Posted).await;

    let mut errors = Vec::new();
    // The same number with other content, a malformed line, a customer the ERP does not take.
    errors.push(
        shop.orders
            .submit_order(order_of("WEB-CANARY", "S-OTHER"))
            .await
            .unwrap_err(),
    );
    let mut malformed = order_of("WEB-MALFORMED", "S-CANARY");
    malformed.order.as_mut().unwrap().lines[0].quantity = None;
    errors.push(shop.orders.submit_order(malformed).await.unwrap_err());
    let mut long = order_of("WEB-LONG", "S-LONG");
    let sell_to = long.personal.as_mut().unwrap().sell_to.as_mut().unwrap();
    sell_to.name = PERSONAL[0].repeat(12);
    sell_to.country_code = "Kanarienstadt".into();
    errors.extend(shop.orders.submit_order(long).await.err());
    // An ERP that refuses Millrace itself, then goes on.
    let refuses = json!({ "kind": "tokenRefused", "times": 3 });
    let expires = json!({ "kind": "tokenExpired", "times": 1 });
    for rule in [refuses, expires] {
        let faults = format!("{}/_faults", world.simulator.url());
        let set = reqwest::Client::new().post(faults).json(&rule).send().await;
        assert!(set.unwrap().status().is_success(), "{rule}");
    }
    shop.orders
        .submit_order(order_of("WEB-LATER", "S-LATER"))
        .await
        .unwrap();
    shop.reaches("WEB-LATER", OrderState::Posted).await;
    // Nobody, and somebody without a right, at every call.
    for call in every_call() {
        for token in [INVENTED_TOKEN, POWERLESS_SHOP_TOKEN] {
            let refused = call.about(&world, Some(token), CHANNEL).await.unwrap_err();
            assert!(matches!(
                refused.code(),
                Code::Unauthenticated | Code::PermissionDenied
            ));
            errors.push(refused);
        }
    }
    // Bytes that are no message, with a person in them.
    let submit = every_call();
    let submit = submit
        .iter()
        .find(|call| call.name.ends_with("/SubmitOrder"));
    let garbage = [b"\x0a\xff\xff\x03", PERSONAL[4].as_bytes()].concat();
    let refused = submit
        .unwrap()
        .with_bytes(&world, Some(SHOP_TOKEN), garbage);
    errors.push(refused.await.unwrap_err());
    until(PATIENCE, "the doorbell has failed", async || {
        let text = said(&world, &[]).await;
        let failed = |line: &str| {
            line.starts_with("millrace_doorbell_failures_total{") && !line.ends_with(" 0")
        };
        let mut lines = text.iter().flat_map(|(_, text)| text.lines());
        lines.any(failed).then_some(())
    })
    .await;

    let secrets = [
        CLIENT_SECRET,
        DATABASE_PASSWORD,
        SIGNING_SECRET.trim_start_matches("whsec_"),
        DOORBELL_HEADER,
        INVENTED_TOKEN,
    ];
    let said = said(&world, &errors).await;
    let logged: usize = said.iter().map(|(_, text)| text.len()).sum();
    assert!(logged > 10_000, "the processes say what they do");
    for canary in secrets.iter().chain(&PERSONAL).chain(&OF_THE_WORLD) {
        for (who, text) in &said {
            let line = text.lines().find(|line| line.contains(canary));
            assert!(line.is_none(), "{canary} stands in the {who}: {line:?}");
        }
    }
}
