//! What customers write is sealed, shown to whoever may see it, told to the ERP, and nowhere else.

use std::sync::{Arc, Mutex};

use millrace_contract::returns::v1::{GetReturnRequest, ReturnState};
use millrace_erp_simulator::faults::{Kind, Rule};
use serde_json::json;
use tonic::Code;
use tracing_subscriber::EnvFilter;

use crate::instance::{SERVICE_DESK, config};
use crate::sale::{CHANNEL, commented, goods};
use crate::world::{World, knows, migrated};

/// Stands in what is written here, and nowhere else.
const CANARY: &str = "My canary Erika sat on it";

#[tokio::test]
async fn remarks_are_shown_only_with_the_scope_and_compared_when_they_come_again() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 2).await;
    let instance = world.instance_that_knows("S-1").await;
    let wanted = || commented(goods("R-1", "S-1", &customer, 1), CANARY);
    instance.submit_with(wanted()).await.unwrap();
    assert!(
        instance
            .submit_with(wanted())
            .await
            .unwrap()
            .repeated_submission
    );
    let mut photographed = wanted();
    photographed.remarks.as_mut().unwrap().lines[0].photos[0].push('x');
    for other in [
        commented(goods("R-1", "S-1", &customer, 1), "something else"),
        photographed,
    ] {
        let refused = instance.submit_with(other).await.unwrap_err();
        assert_eq!(refused.code(), Code::AlreadyExists);
    }
    let silent = instance.submit(goods("R-1", "S-1", &customer, 1)).await;
    assert_eq!(silent.unwrap_err().code(), Code::AlreadyExists);
    let request = GetReturnRequest {
        channel: CHANNEL.into(),
        return_number: "R-1".into(),
        include_personal: true,
    };
    let shop = instance.returns.clone().get_return(request.clone()).await;
    assert_eq!(shop.unwrap_err().code(), Code::PermissionDenied);
    let mut desk = instance.as_caller(SERVICE_DESK).await;
    let shown = desk.get_return(request).await.unwrap().into_inner();
    let remarks = shown.shop_return.unwrap().remarks.unwrap();
    assert_eq!(remarks.lines[0].comment, CANARY);
    instance.until_state("R-1", ReturnState::Posted).await;
    let told = world.simulator.read(|tables| {
        let order = tables.returns.iter().find(|order| order.number == "R-1");
        order.map(|order| order.content.to_string())
    });
    let told = told.unwrap();
    assert!(told.contains(CANARY) && told.contains("https://photos.example.com/1.jpg"));
    instance.stop().await;
}

/// Everything that is logged.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_a_customer_wrote_is_neither_logged_nor_kept_in_the_clear() {
    let written = Written::default();
    let sink = written.clone();
    // Of all tests in this process, at every level of ours.
    let filter = "millrace_returns=trace,millrace_erp=trace,millrace_erp_poster=trace,millrace_event_store=trace,\
                  millrace_event_bus=trace,millrace_service_kit=trace,millrace_erp_reader=trace";
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(false)
        .with_writer(move || sink.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 5).await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().display());
    let database = migrated(&url).await;
    let instance = world.instance_on(database.clone(), config()).await;
    knows(&database, "S-1").await;
    world
        .simulator
        .fault(Rule::new(Kind::LostAnswer).on("POST", "returnOrders"));
    for (number, count) in [("R-1", 1), ("R-2", 9)] {
        let wanted = commented(goods(number, "S-1", &customer, count), CANARY);
        instance.submit_with(wanted).await.unwrap();
    }
    instance.until_state("R-1", ReturnState::Posted).await;
    world.office("receive-return", "R-1", json!({})).await;
    instance.until_state("R-1", ReturnState::Received).await;
    instance.stop().await;
    drop(database);
    let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("return R-1 is"));
    assert!(!log.contains("canary") && !log.contains("photos.example"));
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("canary") && !text.contains("photos.example"));
    }
}
