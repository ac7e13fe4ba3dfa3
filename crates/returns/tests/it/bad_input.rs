//! What is malformed is refused by name, and nothing of it is stored.

use millrace_contract::returns::v1 as proto;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::instance::{Instance, OPERATOR, OTHER_SHOP, READER};
use crate::sale::{CHANNEL, commented, goods, line, pieces};
use crate::world::World;

fn fields(status: &Status) -> Vec<String> {
    let details = status.get_details_bad_request();
    let violations = details
        .map(|details| details.field_violations)
        .unwrap_or_default();
    violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

async fn refused(instance: &Instance, change: impl FnOnce(&mut proto::Return)) -> Vec<String> {
    let mut wanted = goods("R-1", "S-1", "10000", 1);
    change(&mut wanted);
    let status = instance.submit(wanted).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    fields(&status)
}

async fn remark_refused(
    instance: &Instance,
    change: impl FnOnce(&mut proto::LineRemarks),
) -> Vec<String> {
    let mut wanted = commented(goods("R-1", "S-1", "10000", 1), "broken");
    change(&mut wanted.remarks.as_mut().unwrap().lines[0]);
    let status = instance.submit_with(wanted).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(!status.message().contains("secret"), "it may be personal");
    fields(&status)
}

async fn nothing_is_stored(instance: &Instance) {
    let status = instance.answer("R-1").await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let request = proto::ListReturnsRequest {
        channel: CHANNEL.into(),
        ..Default::default()
    };
    let listed = instance.returns.clone().list_returns(request).await;
    assert_eq!(listed.unwrap().into_inner().returns, []);
}

#[tokio::test]
async fn each_malformed_field_is_named() {
    let world = World::new().await;
    let instance = world.instance().await;
    let instance = &instance;
    let quantity = |units: i64, nanos: i32| {
        move |goods: &mut proto::Return| {
            let quantity = goods.lines[0].quantity.as_mut().unwrap();
            (quantity.units, quantity.nanos) = (units, nanos);
        }
    };
    let of_goods = "shop_return";
    let of_line = "shop_return.lines[0]";
    for (found, field) in [
        (
            refused(instance, |goods| goods.return_number.clear()).await,
            format!("{of_goods}.return_number"),
        ),
        (
            refused(instance, |goods| goods.return_number = "9".repeat(36)).await,
            format!("{of_goods}.return_number"),
        ),
        (
            refused(instance, |goods| goods.return_number = "a\0b".into()).await,
            format!("{of_goods}.return_number"),
        ),
        (
            refused(instance, |goods| goods.order_number.clear()).await,
            format!("{of_goods}.order_number"),
        ),
        (
            refused(instance, |goods| goods.submitted_at = None).await,
            format!("{of_goods}.submitted_at"),
        ),
        (
            refused(instance, |goods| goods.customer_number = "9".repeat(51)).await,
            format!("{of_goods}.customer_number"),
        ),
        (
            refused(instance, |goods| {
                goods.shop_customer_number = "9".repeat(51)
            })
            .await,
            format!("{of_goods}.shop_customer_number"),
        ),
        (
            refused(instance, |goods| {
                goods.exchange_order_number = "9".repeat(36)
            })
            .await,
            format!("{of_goods}.exchange_order_number"),
        ),
        (
            refused(instance, |goods| goods.lines.clear()).await,
            format!("{of_goods}.lines"),
        ),
        (
            refused(instance, quantity(0, 0)).await,
            format!("{of_line}.quantity"),
        ),
        (
            refused(instance, quantity(-1, 0)).await,
            format!("{of_line}.quantity"),
        ),
        (
            refused(instance, quantity(0, 1)).await,
            format!("{of_line}.quantity"),
        ),
        (
            refused(instance, quantity(i64::MAX, 0)).await,
            format!("{of_line}.quantity"),
        ),
        (
            refused(instance, |goods| goods.lines[0].quantity = None).await,
            format!("{of_line}.quantity"),
        ),
        (
            refused(instance, |goods| goods.lines[0].line_number = 0).await,
            format!("{of_line}.line_number"),
        ),
        (
            refused(instance, |goods| goods.lines[0].order_line = 0).await,
            format!("{of_line}.order_line"),
        ),
        (
            refused(instance, |goods| goods.lines[0].reason_code.clear()).await,
            format!("{of_line}.reason_code"),
        ),
        (
            refused(instance, |goods| goods.lines[0].condition = "x".repeat(51)).await,
            format!("{of_line}.condition"),
        ),
        (
            refused(instance, |goods| goods.lines = vec![line(1, 1), line(1, 1)]).await,
            "shop_return.lines[1].line_number".to_owned(),
        ),
        (
            refused(instance, |goods| {
                goods.lines = (1..=1001).map(|number| line(number, 1)).collect()
            })
            .await,
            format!("{of_goods}.lines"),
        ),
    ] {
        assert_eq!(found, [field]);
    }
    nothing_is_stored(instance).await;
}

/// A photo link to an internal address, among others.
#[tokio::test]
async fn remarks_that_are_too_long_or_lead_inside_are_refused_without_being_repeated() {
    let world = World::new().await;
    let instance = world.instance().await;
    let instance = &instance;
    let of_line = "remarks.lines[0]";
    let long = remark_refused(instance, |remark| remark.comment = "secret".repeat(42)).await;
    assert_eq!(long, [format!("{of_line}.comment")]);
    let odd = remark_refused(instance, |remark| remark.comment = "secret\0".into()).await;
    assert_eq!(odd, [format!("{of_line}.comment")]);
    let elsewhere = remark_refused(instance, |remark| remark.line_number = 7).await;
    assert_eq!(elsewhere, [format!("{of_line}.line_number")]);
    let many = remark_refused(instance, |remark| {
        remark.photos = vec!["https://photos.example.com/1".into(); 11];
    })
    .await;
    assert_eq!(many, [format!("{of_line}.photos")]);
    for link in [
        "http://photos.example.com/secret",
        "https://localhost/secret",
        "https://10.1.2.3/secret",
        "https://[::1]/secret",
        "https://user:secret@photos.example.com/1",
        "https://2130706433/secret",
        "secret",
    ] {
        let found = remark_refused(instance, |remark| remark.photos = vec![link.into()]).await;
        assert_eq!(found, [format!("{of_line}.photos[0]")], "{link}");
    }
    nothing_is_stored(instance).await;
}

#[tokio::test]
async fn wrong_channels_scopes_and_tokens_are_refused() {
    let world = World::new().await;
    let instance = world.instance().await;
    let wanted = || proto::SubmitReturnRequest {
        shop_return: Some(goods("R-1", "S-1", "10000", 1)),
        remarks: None,
    };
    for (secret, code) in [
        (OTHER_SHOP, Code::PermissionDenied),
        (READER, Code::PermissionDenied),
        ("no-token-anybody-knows", Code::Unauthenticated),
    ] {
        let mut caller = instance.as_caller(secret).await;
        let status = caller.submit_return(wanted()).await.unwrap_err();
        assert_eq!(status.code(), code, "{secret}");
    }
    let mut unknown = wanted();
    unknown.shop_return.as_mut().unwrap().channel = "no-such-channel".into();
    let mut operator = instance.as_caller(OPERATOR).await;
    let status = operator.submit_return(unknown).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let mut reader = instance.as_caller(READER).await;
    let receive = proto::ReceiveReturnRequest {
        channel: CHANNEL.into(),
        return_number: "R-1".into(),
        lines: vec![],
    };
    let status = reader.receive_return(receive).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let missing = proto::SubmitReturnRequest::default();
    let status = instance.submit_with(missing).await.unwrap_err();
    assert_eq!(fields(&status), ["shop_return"]);
    nothing_is_stored(&instance).await;
}

#[tokio::test]
async fn operators_and_takers_in_are_checked_as_well() {
    let world = World::new().await;
    let instance = world.instance().await;
    let mut admin = instance.admin.clone();
    let refuse = proto::RefuseReturnRequest {
        channel: CHANNEL.into(),
        return_number: "R-9".into(),
        text: " ".into(),
    };
    let status = admin.refuse_return(refuse.clone()).await.unwrap_err();
    assert_eq!(fields(&status), ["text"]);
    let refuse = proto::RefuseReturnRequest {
        text: "worn".into(),
        ..refuse
    };
    let status = admin.refuse_return(refuse).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let mend = proto::MendReturnRequest {
        channel: CHANNEL.into(),
        return_number: "R-9".into(),
        shop_return: Some(goods("R-8", "S-1", "10000", 1)),
        note: "why".into(),
        ..proto::MendReturnRequest::default()
    };
    let status = admin.mend_return(mend.clone()).await.unwrap_err();
    assert_eq!(fields(&status), ["shop_return"], "another number");
    let noteless = proto::MendReturnRequest {
        note: String::new(),
        ..mend
    };
    let status = admin.mend_return(noteless).await.unwrap_err();
    assert_eq!(fields(&status), ["note"]);
    let retry = proto::RetryReturnsRequest {
        channel: CHANNEL.into(),
        return_numbers: vec!["R-9".into()],
    };
    let status = admin.retry_returns(retry).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let twice = proto::ReceivedLine {
        line_number: 1,
        quantity: pieces(1),
        disposition: 0,
    };
    let status = instance.receive("R-9", vec![twice.clone(), twice]).await;
    assert_eq!(
        fields(&status.unwrap_err()),
        ["lines[1].line_number"],
        "looked at before the return is"
    );
    let odd = proto::ReceivedLine {
        line_number: 1,
        quantity: None,
        disposition: 9,
    };
    let status = instance.receive("R-9", vec![odd]).await.unwrap_err();
    assert_eq!(
        fields(&status),
        ["lines[0].disposition", "lines[0].quantity"]
    );
    let reasons = proto::ListReturnReasonsRequest {
        channel: CHANNEL.into(),
        language: "no language!".into(),
    };
    let status = instance.returns.clone().list_return_reasons(reasons).await;
    assert_eq!(fields(&status.unwrap_err()), ["language"]);
}
