//! What is looked at before going live: each trouble has its own name and mend, and nothing is written.

use millrace_erp::business_central::{BusinessCentral, Level, Settings};
use millrace_erp_simulator::Config;
use millrace_erp_simulator::faults::{Kind, Rule};
use millrace_service_kit::Secret;
use millrace_service_kit::checkup::{Finding, Verdict};
use serde_json::json;

use crate::world::{World, adapter, settings, standard_world, world, world_with};

async fn examined(erp: &BusinessCentral) -> Vec<Finding> {
    let mut findings = Vec::new();
    erp.examine_setup(&mut findings).await;
    findings
}

/// The only trouble found.
async fn trouble(erp: &BusinessCentral) -> Finding {
    let findings = examined(erp).await;
    let mut wrong: Vec<Finding> = findings.into_iter().filter(Finding::is_wrong).collect();
    assert_eq!(wrong.len(), 1, "{wrong:#?}");
    wrong.remove(0)
}

async fn trouble_with(change: impl FnOnce(&mut Settings)) -> Finding {
    let World { simulator, .. } = world().await;
    let mut settings = settings(&simulator);
    change(&mut settings);
    trouble(&adapter(settings)).await
}

/// Rows 109, 134.
#[tokio::test]
async fn an_erp_that_is_ready_has_nothing_wrong_on_either_level() {
    for world in [world().await, standard_world().await] {
        let before = world.simulator.read(|tables| tables.queue.len());
        let findings = examined(&world.erp).await;
        let wrong: Vec<_> = findings.iter().filter(|found| found.is_wrong()).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(findings.len() > 8, "{findings:#?}");
        let writing = findings.iter().find(|found| found.check == "erp.writing");
        assert_eq!(
            writing.map(|found| found.verdict),
            Some(Verdict::Skipped),
            "reading says nothing of writing"
        );
        assert_eq!(world.simulator.read(|tables| tables.queue.len()), before);
    }
}

/// Row 134.
#[tokio::test]
async fn credentials_environment_and_company_are_told_apart() {
    let secret =
        trouble_with(|settings| settings.client_secret = Secret::new("canary-wrong")).await;
    assert_eq!(secret.check, "erp.sign-in");
    assert!(!format!("{secret:?}").contains("canary"), "{secret:?}");
    let company = trouble_with(|settings| settings.company = "NOBODY".to_owned()).await;
    assert_eq!(company.check, "erp.company");
    assert!(company.mend.unwrap().contains("erp.company"));
    let away =
        trouble_with(|settings| settings.address = "http://127.0.0.1:9/v2.0".to_owned()).await;
    assert_eq!(away.check, "erp.reachable");
}

/// Row 134.
#[tokio::test]
async fn an_application_that_nobody_let_in_is_told_where_to_be_let_in() {
    let world = world().await;
    let refusing = Rule::new(Kind::TokenExpired)
        .on("GET", "companies")
        .times(0);
    world.simulator.fault(refusing);
    let found = trouble(&world.erp).await;
    assert_eq!(found.check, "erp.sign-in");
    assert!(found.mend.unwrap().contains("Microsoft Entra Applications"));
}

/// Rows 109, 134.
#[tokio::test]
async fn a_page_that_may_not_be_read_is_named() {
    let world = world().await;
    let refusing = Rule::new(Kind::PermissionMissing)
        .on("GET", "stockFigures")
        .times(0);
    world.simulator.fault(refusing);
    let found = trouble(&world.erp).await;
    assert_eq!(found.check, "erp.page.stockFigures");
    assert!(
        found.found.contains("current permissions prevented"),
        "{found:?}"
    );
    assert!(found.mend.unwrap().contains("permission sets"));
}

/// Row 134.
#[tokio::test]
async fn an_api_that_is_off_is_told_how_to_be_switched_on() {
    let world = world().await;
    world.simulator.fault(Rule::new(Kind::ApiOff).times(0));
    let found = trouble(&world.erp).await;
    assert_eq!(found.check, "erp.api");
    assert!(found.mend.unwrap().contains("ApiServicesEnabled"));
}

/// Row 134.
#[tokio::test]
async fn a_missing_companion_is_a_trouble_only_where_it_is_needed() {
    let without = || Config {
        companion: false,
        ..Config::default()
    };
    let world = world_with(without(), |settings| settings.level = Level::Companion).await;
    assert_eq!(trouble(&world.erp).await.check, "erp.companion");
    let world = world_with(without(), |_| {}).await;
    let findings = examined(&world.erp).await;
    assert!(!findings.iter().any(Finding::is_wrong), "{findings:#?}");
}

/// Row 134.
#[tokio::test]
async fn what_a_standard_tenant_does_not_tell_has_to_be_set() {
    let config = Config {
        companion: false,
        ..Config::default()
    };
    let world = world_with(config, |settings| settings.local_currency = None).await;
    let found = trouble(&world.erp).await;
    assert_eq!(found.check, "erp.local_currency");
    let said = examined(&world.erp).await;
    let by_hand = said
        .iter()
        .find(|found| found.check == "erp.setup")
        .unwrap();
    assert_eq!(by_hand.verdict, Verdict::Skipped);
    assert!(by_hand.found.contains("Credit Memo Nos."));
}

/// Row 134.
#[tokio::test]
async fn a_number_series_that_nobody_set_up_is_named_and_holds_documents_back() {
    let world = world().await;
    let taken_away = json!({ "series": "orders", "isSet": false });
    world
        .simulator
        .office("set-number-series", taken_away)
        .await
        .unwrap();
    let found = trouble(&world.erp).await;
    assert_eq!(found.check, "erp.setup.number-series.orders");
    assert!(found.mend.unwrap().contains("Order Nos."));
}

/// Row 134.
#[tokio::test]
async fn an_item_without_a_posting_group_is_named_on_either_level() {
    for world in [world().await, standard_world().await] {
        let nameless = json!({ "number": "NEW-1", "name": "New", "kind": "Service" });
        world
            .simulator
            .office("create-item", nameless)
            .await
            .unwrap();
        world
            .simulator
            .office(
                "change-item",
                json!({ "number": "NEW-1", "productGroup": "" }),
            )
            .await
            .unwrap();
        let found = trouble(&world.erp).await;
        assert_eq!(found.check, "erp.setup.posting-groups.general");
        assert!(found.found.contains("NEW-1"), "{found:?}");
    }
}
