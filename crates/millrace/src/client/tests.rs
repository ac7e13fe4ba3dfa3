//! Client commands as far as they go without a server: what can be said, how answers look, and what is said when nobody answers.

use clap::Parser;
use clap::error::ErrorKind;
use millrace_contract::changes::v1::Change;
use millrace_contract::events::v1::Envelope;
use millrace_contract::operations::v1::{
    DropParkedResponse, ParkedRecord, ParkedState, RetryParkedResponse, StalledPartition,
};
use millrace_contract::order::v1::{OrderState, OrderView, RetryOrdersResponse};
use millrace_contract::returns::v1::{
    Credit, HoldReason, Refund, RefundWay, RetryReturnsResponse, ReturnReason, ReturnState,
    ReturnView,
};
use millrace_contract::stock::v1::{Availability, Sku};
use millrace_contract::values::v1::{Decimal, Money};
use prost::Message;
use serde_json::{Value, json};

use super::{feed, order, parked, print, reservation, returns, stock};
use crate::cli::{Cli, Command, ServerArgs};
use crate::exit;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("millrace").chain(line.split_whitespace()))
}

#[test]
fn what_an_operator_says_is_understood() {
    for line in [
        "parked list",
        "parked list --service order-intake -o json",
        "parked retry --service order-intake",
        "parked retry --service order-intake 3 4",
        "parked drop --service catalog-sync --note known -1 7",
        "parked restart --service order-intake --group order-intake --topic webshop-orders --from here",
        "parked restart --service s --group g --topic t --partition 0 --partition 3 --from beginning --dry-run",
        "order show W-1 --channel furniture",
        "order list --channel furniture --limit 5 --output json",
        "order submit order.json",
        "order held",
        "order mend order.json",
        "order retry --channel furniture W-1 W-2",
        "order drop W-1 --channel furniture --note twice --dry-run",
        "reservation show R-1 --channel furniture",
        "reservation list --channel furniture --store STORE-HH --state picked-up",
        "reservation pick-list --channel furniture --store STORE-HH",
        "reservation create reservation.json",
        "reservation post R-1 --channel furniture --found 1=2 --found 2=0",
        "reservation pick-up TR000001 --channel furniture --store STORE-HH --customer C00001",
        "reservation cancel R-1 --channel furniture --note twice --dry-run",
        "return reasons --channel furniture --language de-AT",
        "return submit return.json",
        "return show R-1 --channel furniture -o json",
        "return list --channel furniture --order W-1 --limit 5",
        "return held",
        "return mend return.json",
        "return retry --channel furniture R-1",
        "return refuse R-1 --channel furniture --text used --dry-run",
        "return receive R-1 --channel furniture",
        "return receive --file receipt.json",
        "return cancel R-1 --channel furniture --note sold --dry-run",
        "stock 1896-S/BLUE 1000 --channel furniture --by-location",
        "stock 1000 --channel furniture --watch",
        "feed --channel furniture --kinds items,prices --once",
        "feed --channel furniture --acknowledge --consumer mine",
        "doorbell list --channel furniture -o json",
        "doorbell open --channel furniture",
        "doorbell test shop --channel furniture",
        "doorbell replay shop --channel furniture --from 7 --to 9",
        "doorbell on shop --channel furniture",
        "doorbell on shop --channel furniture --pass-over --note moved",
        "doorbell off shop --channel furniture --note moving",
    ] {
        if let Err(error) = parse(line) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn what_cannot_be_meant_is_refused_by_name() {
    for (line, kind, names) in [
        (
            "parked",
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
            "list",
        ),
        (
            "parked retry 3",
            ErrorKind::MissingRequiredArgument,
            "--service",
        ),
        (
            "parked retry --service s three",
            ErrorKind::ValueValidation,
            "three",
        ),
        (
            "parked drop --service s --note why",
            ErrorKind::MissingRequiredArgument,
            "IDS",
        ),
        (
            "parked drop --service s 3",
            ErrorKind::MissingRequiredArgument,
            "--note",
        ),
        (
            "parked restart --service s --group g --topic t",
            ErrorKind::MissingRequiredArgument,
            "--from",
        ),
        (
            "parked restart --service s --group g --topic t --from now",
            ErrorKind::InvalidValue,
            "beginning",
        ),
        (
            "parked restart --service s --group g --topic t --from here --partition x",
            ErrorKind::ValueValidation,
            "--partition",
        ),
        (
            "order show W-1",
            ErrorKind::MissingRequiredArgument,
            "--channel",
        ),
        (
            "order list --channel c --limit -1",
            ErrorKind::UnknownArgument,
            "-1",
        ),
        (
            "reservation post R-1 --channel c --found 1",
            ErrorKind::ValueValidation,
            "1=2",
        ),
        (
            "order drop W-1 --channel c",
            ErrorKind::MissingRequiredArgument,
            "--note",
        ),
        (
            "return refuse R-1 --channel c",
            ErrorKind::MissingRequiredArgument,
            "--text",
        ),
        (
            "return receive --channel c",
            ErrorKind::MissingRequiredArgument,
            "NUMBER",
        ),
        (
            "return receive R-1 --file receipt.json",
            ErrorKind::ArgumentConflict,
            "--file",
        ),
        (
            "stock --channel c",
            ErrorKind::MissingRequiredArgument,
            "ITEMS",
        ),
        (
            "stock 1000 --channel c --watch --live",
            ErrorKind::ArgumentConflict,
            "--live",
        ),
        (
            "feed --channel c --after t --acknowledge",
            ErrorKind::ArgumentConflict,
            "--acknowledge",
        ),
        ("feed -o yaml --channel c", ErrorKind::InvalidValue, "json"),
    ] {
        let error = parse(line).expect_err(line);
        assert_eq!(error.kind(), kind, "{line}: {error}");
        assert!(
            error.to_string().contains(names),
            "{line}: {names} is not in {error}"
        );
    }
}

async fn run(line: &str, server: &str) -> anyhow::Error {
    let cli = parse(&format!(
        "{line} --server {server} --token a-long-enough-token"
    ));
    called(cli.expect("a call")).await
}

async fn called(cli: Cli) -> anyhow::Error {
    let server: ServerArgs = cli.server;
    let ended = match cli.command {
        Command::Parked(command) => parked::run(command, &server).await,
        Command::Order(command) => order::run(command, &server).await,
        Command::Reservation(command) => reservation::run(command, &server).await,
        Command::Return(command) => returns::run(command, &server).await,
        Command::Stock(command) => stock::run(command, &server).await,
        Command::Feed(command) => feed::run(command, &server).await,
        other => panic!("{other:?} calls nobody"),
    };
    ended.expect_err("nobody answers")
}

const CALLS: [&str; 9] = [
    "parked list",
    "parked restart --service s --group g --topic t --from here --dry-run",
    "order held",
    "order list --channel furniture",
    "reservation pick-list --channel furniture --store STORE-HH",
    "return held",
    "return receive R-1 --channel furniture",
    "stock 1000 --channel furniture",
    "feed --channel furniture --once",
];

#[tokio::test]
async fn a_server_that_is_away_is_named_in_one_line_with_a_code_of_its_own() {
    // Taken and given back: nobody listens there.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = format!("http://{}", taken.local_addr().expect("bound"));
    drop(taken);
    for line in CALLS {
        let error = run(line, &server).await;
        let said = exit::line(&error);
        let start = format!("could not reach {server}; is `millrace run all` running?");
        assert!(said.starts_with(&start), "{line}: {said}");
        assert!(!said.contains('\n'), "{line}: {said}");
        assert_eq!(exit::code(&error), exit::UNAVAILABLE, "{line}");
    }
}

#[tokio::test]
async fn an_address_that_is_none_and_a_token_that_is_missing_are_wrong_calls() {
    for line in CALLS {
        let error = run(line, "nowhere:at:all").await;
        assert_eq!(exit::code(&error), exit::SETTINGS, "{}", exit::line(&error));
        assert!(exit::line(&error).contains("nowhere:at:all"));
        let mut cli = parse(line).expect("a call");
        cli.server.token = None;
        let error = called(cli).await;
        assert_eq!(exit::code(&error), exit::SETTINGS, "{line}");
        assert!(exit::line(&error).contains("MILLRACE_TOKEN"), "{line}");
    }
}

#[tokio::test]
async fn an_order_that_cannot_be_read_is_said_before_anybody_is_called() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("order.json");
    std::fs::write(
        &file,
        r#"{"order": {"lines": [{"quantity": {"units": "two"}}]}}"#,
    )
    .expect("written");
    let line = format!("order submit {}", file.display());
    let error = run(&line, "http://127.0.0.1:1").await;
    assert!(exit::line(&error).contains("order.lines[0].quantity.units"));
    assert_eq!(exit::code(&error), exit::SETTINGS);
}

#[tokio::test]
async fn a_receipt_that_cannot_be_read_is_said_before_anybody_is_called() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("receipt.json");
    std::fs::write(&file, r#"{"lines": [{"disposition": "EATEN"}]}"#).expect("written");
    let line = format!("return receive --file {}", file.display());
    let error = run(&line, "http://127.0.0.1:1").await;
    assert!(exit::line(&error).contains("lines[0].disposition"));
    assert_eq!(exit::code(&error), exit::SETTINGS);
}

/// As `-o json` prints it.
fn printed(kind: &str, message: &impl Message) -> Value {
    print::to_json(kind, &message.encode_to_vec()).expect("the type is known")
}

#[test]
fn answers_about_parked_records_keep_the_fields_of_the_protos() {
    let record = ParkedRecord {
        id: -4,
        service: "catalog-sync".into(),
        source: "erp".into(),
        group: "bc-main".into(),
        topic: "items".into(),
        key: "k".into(),
        r#type: "item".into(),
        state: ParkedState::Parked.into(),
        reason: "it has no number".into(),
        attempts: 3,
        ..ParkedRecord::default()
    };
    assert_eq!(
        printed("millrace.operations.v1.ParkedRecord", &record),
        json!({
            "id": "-4", "service": "catalog-sync", "source": "erp", "group": "bc-main", "topic": "items", "key": "k",
            "type": "item", "state": "PARKED_STATE_PARKED", "reason": "it has no number", "attempts": 3,
        })
    );
    let row = parked::parked_row(&record);
    assert!(
        row.contains("-4 catalog-sync") && row.ends_with("items/k unreadable: it has no number"),
        "{row}"
    );
    let row = parked::parked_row(&ParkedRecord {
        source: "bus".into(),
        ..record
    });
    assert!(row.ends_with("items/k parked: it has no number"), "{row}");

    let stalled = StalledPartition {
        service: "order-intake".into(),
        group: "order-intake".into(),
        topic: "items".into(),
        partition: 3,
        reason: "its log was rebuilt".into(),
        ..StalledPartition::default()
    };
    assert_eq!(
        printed("millrace.operations.v1.StalledPartition", &stalled),
        json!({
            "service": "order-intake", "group": "order-intake", "topic": "items", "partition": 3, "reason": "its log was rebuilt",
        })
    );
    let row = parked::stalled_row(&stalled, "would go on");
    assert!(
        row.ends_with("items 3 would go on: its log was rebuilt"),
        "{row}"
    );
    assert_eq!(
        printed(
            "millrace.operations.v1.RetryParkedResponse",
            &RetryParkedResponse { retried: 2 }
        ),
        json!({ "retried": 2 })
    );
    assert_eq!(
        printed(
            "millrace.operations.v1.DropParkedResponse",
            &DropParkedResponse { dropped: 1 }
        ),
        json!({ "dropped": 1 })
    );
}

#[test]
fn answers_about_returns_keep_the_fields_of_the_protos_and_tell_people_all() {
    let euro = |units| {
        Some(Money {
            currency_code: "EUR".into(),
            units,
            nanos: 0,
        })
    };
    let view = ReturnView {
        state: ReturnState::Held.into(),
        hold_reasons: vec![HoldReason {
            line_number: 2,
            message: "the order has no line 7".into(),
            ..HoldReason::default()
        }],
        credit_memo_numbers: vec!["CM-1".into()],
        credited: Some(Credit {
            net: euro(100),
            tax: euro(19),
            gross: euro(119),
        }),
        refunds: vec![
            Refund {
                way: RefundWay::Voucher.into(),
                amount: euro(119),
            },
            Refund {
                way: RefundWay::Nothing.into(),
                amount: None,
            },
        ],
        ..ReturnView::default()
    };
    let money = |units: &str| json!({ "currency_code": "EUR", "units": units });
    assert_eq!(
        printed("millrace.returns.v1.ReturnView", &view),
        json!({
            "state": "RETURN_STATE_HELD",
            "hold_reasons": [{ "line_number": 2, "message": "the order has no line 7" }],
            "credit_memo_numbers": ["CM-1"],
            "credited": { "net": money("100"), "tax": money("19"), "gross": money("119") },
            "refunds": [
                { "way": "REFUND_WAY_VOUCHER", "amount": money("119") },
                { "way": "REFUND_WAY_NOTHING" },
            ],
        })
    );
    assert_eq!(
        returns::details(&view),
        [
            "held, line 2: the order has no line 7",
            "credit memo CM-1",
            "paid back, voucher: 119.00 EUR",
            "nothing is paid back",
        ]
    );
    let reason = ReturnReason {
        code: "DEFECT".into(),
        ..ReturnReason::default()
    };
    assert_eq!(
        printed("millrace.returns.v1.ReturnReason", &reason),
        json!({ "code": "DEFECT" })
    );
    assert_eq!(
        printed(
            "millrace.returns.v1.RetryReturnsResponse",
            &RetryReturnsResponse { retried: 2 }
        ),
        json!({ "retried": 2 })
    );
}

#[test]
fn answers_about_orders_and_stock_keep_the_fields_of_the_protos() {
    let view = OrderView {
        state: OrderState::Held.into(),
        ..OrderView::default()
    };
    assert_eq!(
        printed("millrace.order.v1.OrderView", &view),
        json!({ "state": "ORDER_STATE_HELD" })
    );
    assert_eq!(
        printed(
            "millrace.order.v1.RetryOrdersResponse",
            &RetryOrdersResponse { retried: 2 }
        ),
        json!({ "retried": 2 })
    );
    let availability = Availability {
        sku: Some(Sku {
            item_number: "1896-S".into(),
            variant_code: "BLUE".into(),
        }),
        known: true,
        available: Some(Decimal {
            units: 3,
            nanos: 500_000_000,
        }),
        ..Availability::default()
    };
    assert_eq!(
        printed("millrace.stock.v1.Availability", &availability),
        json!({
            "sku": { "item_number": "1896-S", "variant_code": "BLUE" }, "known": true,
            "available": { "units": "3", "nanos": 500_000_000 },
        })
    );
}

#[test]
fn a_change_of_the_feed_is_one_document_with_envelope_and_payload() {
    let mut change = Change {
        envelope: Some(Envelope {
            r#type: "millrace.values.v1.Decimal".into(),
            key: "item/bc-main/1".into(),
            position: 7,
            ..Envelope::default()
        }),
        payload: Decimal { units: 2, nanos: 0 }.encode_to_vec().into(),
        token: "t-7".into(),
        ..Change::default()
    };
    let expected = |payload: Value, deleted: bool| {
        json!({
            "envelope": { "type": "millrace.values.v1.Decimal", "key": "item/bc-main/1", "position": "7" },
            "payload": payload, "deleted": deleted, "token": "t-7",
        })
    };
    assert_eq!(
        feed::document(&change).expect("readable"),
        expected(json!({ "units": "2" }), false)
    );
    let row = feed::row(&change).expect("readable");
    assert!(
        row.contains("Decimal") && row.ends_with(r#"item/bc-main/1  {"units":"2"}"#),
        "{row}"
    );
    change.deleted = true;
    assert_eq!(
        feed::document(&change).expect("readable"),
        expected(Value::Null, true)
    );
    change.deleted = false;
    change.envelope.as_mut().expect("there").r#type = "millrace.unheard.v1.Of".into();
    let error = feed::document(&change).expect_err("unknown");
    assert!(exit::line(&error).contains("millrace.unheard.v1.Of is not known to this binary"));
}
