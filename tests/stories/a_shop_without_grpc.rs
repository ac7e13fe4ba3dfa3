//! A shop that speaks JSON over HTTP and nothing else sells all the same; and gets nothing that gRPC would refuse.

use millrace_contract::order::v1::{OrderState, SubmitOrderRequest};
use millrace_test_rig::until;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use reqwest::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::any_call::every_call;
use crate::shop::order;
use crate::world::{
    CHANNEL, OPERATOR_TOKEN, OTHER_SHOP_TOKEN, PATIENCE, POWERLESS_SHOP_TOKEN, Plan, SHOP_TOKEN,
    World,
};

const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";
const PROBLEM: &str = "application/problem+json";

const SUBMIT: &str = "millrace.order.v1.OrderService/SubmitOrder";
const GET_ORDER: &str = "millrace.order.v1.OrderService/GetOrder";
const STREAM_STOCK: &str = "millrace.stock.v1.StockService/StreamAvailability";

/// The shop's HTTP client.
struct Http {
    client: Client,
    address: String,
}

impl Http {
    fn of(world: &World) -> Self {
        Self {
            client: Client::new(),
            address: format!("http://{}", world.process("all").http),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}/{path}", self.address))
    }

    /// One call, with the shop's token.
    fn call(&self, path: &str) -> RequestBuilder {
        let request = self.request(Method::POST, path);
        request.bearer_auth(SHOP_TOKEN).header(CONTENT_TYPE, JSON)
    }

    /// What the shop is answered, whatever it is.
    async fn ask(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.call(path).body(body.to_string()).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap())
    }
}

/// A refusal: its status and what it says.
async fn problem(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, told(answer).await)
}

async fn told(answer: Response) -> Value {
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()[CONTENT_TYPE], PROBLEM);
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["status"], status, "{problem}");
    for member in ["type", "title", "detail"] {
        assert!(problem[member].is_string(), "{problem}");
    }
    problem
}

/// As any generator of clients writes it: with the names that JSON has for the fields.
fn written(order: &SubmitOrderRequest) -> Value {
    let pool = DescriptorPool::decode(millrace_contract::DESCRIPTORS).unwrap();
    let kind = pool
        .get_message_by_name("millrace.order.v1.SubmitOrderRequest")
        .unwrap();
    let message = DynamicMessage::decode(kind, order.encode_to_vec().as_slice()).unwrap();
    serde_json::to_value(message).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Row 131.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_in_json_is_the_same_order_in_grpc() {
    let world = World::in_one_process(Plan::default()).await;
    let (http, mut shop) = (Http::of(&world), world.shop().await);
    until(PATIENCE, "stock is known", async || {
        shop.available("1004").await
    })
    .await;

    let sold = written(&order("WEB-JSON", "S-1", &[("1004", 2, 10690)]));
    let (status, answer) = http.ask(SUBMIT, &sold).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["repeated_submission"], false);
    assert_eq!(answer["order"]["order"]["order_number"], "WEB-JSON");
    let (_, again) = http.ask(SUBMIT, &sold).await;
    assert_eq!(again["repeated_submission"], true);
    let in_grpc = shop.reaches("WEB-JSON", OrderState::Posted).await;
    let lines = in_grpc.order.unwrap().lines;
    assert_eq!(lines[0].quantity.as_ref().unwrap().units, 2);
    let asked = json!({ "channel": CHANNEL, "order_number": "WEB-JSON" });
    let (_, answer) = http.ask(GET_ORDER, &asked).await;
    let line = &answer["order"]["order"]["lines"][0];
    assert_eq!(line["quantity"]["units"], "2", "64 bits are text");
    assert_eq!(answer["order"]["state"], "ORDER_STATE_POSTED");

    let held = written(&order("WEB-HELD", "S-1", &[("no-such-item", 1, 100)]));
    let (status, answer) = http.ask(SUBMIT, &held).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["order"]["state"], "ORDER_STATE_HELD");
    let reasons = answer["order"]["hold_reasons"].as_array().unwrap();
    assert!(!reasons.is_empty(), "{answer}");

    let other = written(&order("WEB-JSON", "S-1", &[("1004", 3, 10690)]));
    let (status, answer) = http.ask(SUBMIT, &other).await;
    assert_eq!((status, &answer["code"]), (409, &json!("ALREADY_EXISTS")));
    assert_eq!(answer["reason"], "OTHER_CONTENT");
    let (status, answer) = http
        .ask(
            GET_ORDER,
            &json!({ "channel": CHANNEL, "order_number": "WEB-0" }),
        )
        .await;
    assert_eq!((status, &answer["code"]), (404, &json!("NOT_FOUND")));
    assert_eq!(answer["resource"]["name"], "WEB-0");
}

/// Row 131. No call is left out, and none lets in whom gRPC does not.
#[tokio::test(flavor = "multi_thread")]
async fn every_call_has_a_path_a_description_and_a_lock() {
    let world = World::in_one_process(Plan::default()).await;
    let http = Http::of(&world);
    // Whoever wants to know what there is needs no token.
    let description = http.request(Method::GET, "openapi.json").send().await;
    let description: Value = description.unwrap().json().await.unwrap();
    for call in every_call() {
        let path = &description["paths"][format!("/{}", call.name)]["post"];
        assert!(path["description"].is_string(), "{}", call.name);
        let media = if call.takes_stream { LINES } else { JSON };
        let body = call.json(CHANNEL).to_string();
        let request = |token: Option<&str>| {
            let request = http
                .request(Method::POST, &call.name)
                .header(CONTENT_TYPE, media)
                .header("grpc-timeout", "2S")
                .body(body.clone());
            match token {
                Some(token) => request.bearer_auth(token),
                None => request,
            }
        };
        let stranger = request(None).send().await.unwrap();
        assert_eq!(stranger.status(), 401, "{}", call.name);
        assert_eq!(stranger.headers()[WWW_AUTHENTICATE], "Bearer");
        assert_eq!(told(stranger).await["reason"], "MISSING_TOKEN");
        if !call.takes_stream {
            let (status, powerless) = problem(request(Some(POWERLESS_SHOP_TOKEN))).await;
            assert_eq!(status, 403, "{}: {powerless}", call.name);
            assert_eq!(powerless["reason"], "MISSING_SCOPE", "{}", call.name);
        }
        if call.has_channel() && !call.takes_stream {
            let (status, other) = problem(request(Some(OTHER_SHOP_TOKEN))).await;
            assert_eq!(status, 403, "{}: {other}", call.name);
            assert_eq!(other["reason"], "WRONG_CHANNEL", "{}", call.name);
        }
        let operator = request(Some(OPERATOR_TOKEN)).send().await.unwrap();
        let status = operator.status().as_u16();
        assert!(
            [200, 400, 404].contains(&status),
            "{}: {status} {}",
            call.name,
            operator.text().await.unwrap()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_refused_by_name_and_stores_nothing() {
    let world = World::in_one_process(Plan::default()).await;
    let http = Http::of(&world);
    let send = async |body: &str| problem(http.call(SUBMIT).body(body.to_owned())).await;

    let mut unknown = written(&order("WEB-WRONG", "S-1", &[("1004", 1, 10690)]));
    unknown["order"]["lines"][0]["colour"] = json!("red");
    let (status, refused) = send(&unknown.to_string()).await;
    assert_eq!(status, 400);
    let violation = &refused["violations"][0];
    assert_eq!(violation["field"], "order.lines[0].colour", "{refused}");
    let mut negative = written(&order("WEB-WRONG", "S-1", &[("1004", 1, 10690)]));
    negative["order"]["lines"][0]["quantity"]["units"] = json!("-1");
    let (status, refused) = send(&negative.to_string()).await;
    assert_eq!(status, 400);
    let field = refused["violations"][0]["field"].as_str().unwrap();
    assert!(field.contains("quantity"), "{refused}");
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in [
        "",
        "null",
        "[]",
        "{",
        "{}{}",
        r#"{"order":{},"order":{}}"#,
        &deep,
    ] {
        let (status, refused) = send(body).await;
        assert_eq!(status, 400, "{refused}");
        assert_eq!(refused["code"], "INVALID_ARGUMENT", "{refused}");
    }
    let asked = json!({ "channel": CHANNEL, "order_number": "WEB-WRONG" });
    assert_eq!(http.ask(GET_ORDER, &asked).await.0, 404);

    let form = http.call(SUBMIT).header(CONTENT_TYPE, "text/plain");
    assert_eq!(problem(form).await.0, 415, "two types are none");
    let form = http.request(Method::POST, SUBMIT).bearer_auth(SHOP_TOKEN);
    assert_eq!(problem(form.form(&[("order", "1")])).await.0, 415);
    // Whatever would come out of it: nothing is unpacked.
    let packed = http.call(SUBMIT).header("content-encoding", "gzip");
    assert_eq!(problem(packed.body(vec![0x1f, 0x8b, 8, 0])).await.0, 415);
    let picky = http.call(SUBMIT).header("accept", "text/html");
    assert_eq!(problem(picky.body("{}")).await.0, 406);
    let hasty = http.call(SUBMIT).header("grpc-timeout", "soon");
    assert_eq!(problem(hasty.body("{}")).await.0, 400);

    for method in [Method::GET, Method::PUT, Method::OPTIONS, Method::TRACE] {
        let answer = http.request(method, SUBMIT).send().await.unwrap();
        assert_eq!(answer.status(), 405);
        assert_eq!(answer.headers()[ALLOW], "POST");
    }
    let nowhere = "millrace.order.v1.OrderService/TeleportOrder";
    let (status, refused) = problem(http.call(nowhere).body("{}")).await;
    assert_eq!(status, 404);
    assert_eq!(refused["type"], "urn:millrace:problem:unknown-path");
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains("TeleportOrder")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_of_grpc_hold() {
    let plan = Plan {
        more_settings: "[grpc.limits]\nmessage = \"16KiB\"\nheaders = \"16KiB\"\n".into(),
        ..Plan::default()
    };
    let world = World::in_one_process(plan).await;
    let http = Http::of(&world);
    let large = format!(r#"{{"channel": "{}"}}"#, "x".repeat(17 << 10));
    let (status, refused) = problem(http.call(GET_ORDER).body(large.clone())).await;
    assert_eq!(
        (status, &refused["reason"]),
        (413, &json!("MESSAGE_TOO_LARGE"))
    );
    assert!(refused["detail"].as_str().unwrap().contains("16.0 KiB"));
    // A line of a stream, too; what came before it is answered.
    let question = json!({ "channel": CHANNEL, "sku": { "item_number": "1004" } });
    let asked = http
        .request(Method::POST, STREAM_STOCK)
        .bearer_auth(SHOP_TOKEN)
        .header(CONTENT_TYPE, LINES)
        .body(format!("{question}\n{large}\n{question}\n"));
    let answered = lines(&asked.send().await.unwrap().text().await.unwrap());
    assert_eq!(answered.len(), 2, "{answered:?}");
    assert!(answered[0]["message"]["availability"].is_object());
    assert_eq!(answered[1]["problem"]["status"], 413);
    // Of a stranger nothing is read, however much it is.
    let stranger = http.request(Method::POST, GET_ORDER);
    let stranger = stranger.header(CONTENT_TYPE, JSON).body(large);
    assert_eq!(problem(stranger).await.0, 401);
    let talkative = http.call(GET_ORDER).header("x-much", "x".repeat(20 << 10));
    let answer = talkative.body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 431);
    let asked = json!({ "channel": CHANNEL, "order_number": "WEB-1" });
    assert_eq!(http.ask(GET_ORDER, &asked).await.0, 404, "it lives on");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_lines_and_say_how_they_end() {
    let world = World::in_one_process(Plan::default()).await;
    let (http, mut shop) = (Http::of(&world), world.shop().await);
    until(PATIENCE, "stock is known", async || {
        shop.available("1004").await
    })
    .await;
    let export = http.call("millrace.catalog.v1.CatalogService/ExportItems");
    let answer = export.body(json!({ "channel": CHANNEL }).to_string());
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.headers()[CONTENT_TYPE], LINES);
    let exported = lines(&answer.text().await.unwrap());
    assert_eq!(exported.len(), shop.items().await.unwrap().len());
    assert!(
        exported[0]["message"]["item"].is_object(),
        "{}",
        exported[0]
    );

    let question = |item: &str| json!({ "channel": CHANNEL, "sku": { "item_number": item } });
    let malformed = json!({ "channel": CHANNEL, "sku": { "item": "1004" } });
    let stream = http
        .request(Method::POST, STREAM_STOCK)
        .bearer_auth(SHOP_TOKEN)
        .header(CONTENT_TYPE, LINES)
        .body(format!(
            "{}\n\n{}\n{malformed}",
            question("1004"),
            question("no-such-item")
        ));
    let answered = lines(&stream.send().await.unwrap().text().await.unwrap());
    assert_eq!(answered.len(), 3, "{answered:?}");
    assert_eq!(answered[0]["message"]["availability"]["known"], true);
    assert_eq!(answered[1]["message"]["availability"]["known"], false);
    let refused = &answered[2]["problem"];
    assert_eq!(refused["violations"][0]["field"], "sku.item", "{refused}");

    // An endless one ends when its caller said that he waits no longer.
    let order = written(&order("WEB-WATCHED", "S-1", &[("1004", 1, 10690)]));
    assert_eq!(http.ask(SUBMIT, &order).await.0, 200);
    let watched = json!({ "channel": CHANNEL, "order_numbers": ["WEB-WATCHED"] });
    let watch = http
        .call("millrace.order.v1.OrderService/WatchOrders")
        .header("grpc-timeout", "3S")
        .body(watched.to_string());
    let seen = lines(&watch.send().await.unwrap().text().await.unwrap());
    assert!(seen.len() >= 2, "{seen:?}");
    let number = &seen[0]["message"]["order"]["order"]["order_number"];
    assert_eq!(number, "WEB-WATCHED");
    let last = seen.last().unwrap();
    assert_eq!(last["problem"]["code"], "DEADLINE_EXCEEDED", "{last}");

    // One that is refused before it begins is a problem, not a line.
    let unknown = http.call("millrace.order.v1.OrderService/WatchOrders");
    let unknown = unknown.body(r#"{"channel": "toys"}"#);
    assert_eq!(problem(unknown).await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_counted_and_logged_with_its_caller_and_trace_and_nothing_personal() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let world = World::in_one_process(Plan::default()).await;
    let http = Http::of(&world);
    let mut wrong = written(&order("WEB-TRACED", "S-1", &[("1004", 1, 10690)]));
    wrong["personal"]["sellTo"] = json!("Frieda Beispiel, Musterweg 8");
    let request = http
        .call(SUBMIT)
        .header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"));
    let (status, refused) = problem(request.body(wrong.to_string())).await;
    assert_eq!(status, 400);
    assert_eq!(refused["violations"][0]["field"], "personal.sellTo");
    assert!(!refused.to_string().contains("Frieda"), "{refused}");
    let line = until(PATIENCE, "the refusal is in the log", async || {
        let log = world.log("all");
        let line = log.lines().find(|line| line.contains(" was refused to "))?;
        serde_json::from_str::<Value>(line).ok()
    })
    .await;
    assert_eq!(line["caller"], "furniture-shop");
    assert_eq!(line["code"], "InvalidArgument");
    assert_eq!(line["spans"][0]["trace_id"], TRACE);
    assert!(!world.log("all").contains("Frieda"));
    let figures = format!("http://{}/metrics", world.process("all").monitoring);
    let figures = reqwest::get(figures).await.unwrap().text().await.unwrap();
    let counted = format!(r#"millrace_grpc_calls_total{{method="/{SUBMIT}",code="3"}} 1"#);
    assert!(figures.contains(&counted), "{figures}");
}
