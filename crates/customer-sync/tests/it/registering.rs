//! A shop's new customer becomes one customer of the ERP, whatever becomes of the answer.

use millrace_contract::customer::v1::get_customer_request::By;
use millrace_contract::customer::v1::{RegisterCustomerRequest, RegisterCustomerResponse};
use millrace_erp_simulator::Simulator;
use millrace_erp_simulator::faults::{Kind, Rule, When};
use tonic::{Code, Status};

use crate::harness::{Client, SERVICE, SHOP, personal, running, simulator};

fn request(number: &str, name: &str) -> RegisterCustomerRequest {
    RegisterCustomerRequest {
        channel: "furniture".into(),
        shop_customer_number: number.into(),
        personal: Some(personal(name)),
        currency_code: String::new(),
        language: String::new(),
    }
}

async fn register(
    client: &mut Client,
    number: &str,
    name: &str,
) -> Result<RegisterCustomerResponse, Status> {
    Ok(client
        .register_customer(request(number, name))
        .await?
        .into_inner())
}

fn customers(simulator: &Simulator) -> usize {
    simulator.read(|tables| tables.customers.len())
}

/// Rows 32 and 33.
#[tokio::test]
async fn a_new_customer_is_created_once_and_found_by_its_number() {
    let simulator = simulator().await;
    let running = running(&simulator).await;
    let before = customers(&simulator);
    let mut client = running.client(Some(SERVICE)).await;
    let created = register(&mut client, "S-1", "Erika Mustermann")
        .await
        .unwrap();
    assert!(!created.existed);
    let again = register(&mut client, "S-1", "Erika Mustermann")
        .await
        .unwrap();
    assert!(again.existed);
    assert_eq!(
        (&again.number, &again.system_id),
        (&created.number, &created.system_id)
    );
    assert_eq!(customers(&simulator), before + 1);
    let found = running
        .until_customer(By::ShopCustomerNumber("S-1".into()), |_| true)
        .await;
    let customer = found.customer.unwrap();
    assert_eq!(customer.number, created.number);
    assert_eq!(customer.channel, "furniture");
    assert_eq!(
        found.personal.unwrap().sell_to.unwrap().name,
        "Erika Mustermann"
    );
    running.stop().await;
}

/// Row 33.
#[tokio::test]
async fn another_person_under_the_same_number_is_refused() {
    let simulator = simulator().await;
    let running = running(&simulator).await;
    let mut client = running.client(Some(SERVICE)).await;
    register(&mut client, "S-2", "Erika Mustermann")
        .await
        .unwrap();
    let before = customers(&simulator);
    let refused = register(&mut client, "S-2", "Max Mustermann")
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert_eq!(customers(&simulator), before);
    running.stop().await;
}

#[tokio::test]
async fn two_channels_may_use_the_same_number() {
    let simulator = simulator().await;
    let running = running(&simulator).await;
    let mut client = running.client(Some(SERVICE)).await;
    let furniture = register(&mut client, "S-3", "Erika Mustermann")
        .await
        .unwrap();
    let toys = RegisterCustomerRequest {
        channel: "toys".into(),
        ..request("S-3", "Max Mustermann")
    };
    let toys = client.register_customer(toys).await.unwrap().into_inner();
    assert_ne!(furniture.number, toys.number);
    running.stop().await;
}

/// F2, F3: the ERP acts and its answer is lost, or it never hears of it.
#[tokio::test]
async fn a_lost_answer_makes_no_second_customer() {
    let simulator = simulator().await;
    let running = running(&simulator).await;
    let mut client = running.client(Some(SERVICE)).await;
    let faults = [
        Rule::new(Kind::LostAnswer)
            .on("POST", "customers")
            .when(When::After),
        Rule::new(Kind::LostAnswer)
            .on("POST", "customers")
            .when(When::Before),
        Rule::new(Kind::GatewayTimeout)
            .on("POST", "customers")
            .when(When::After),
        Rule::new(Kind::Unavailable).on("POST", "customers"),
    ];
    for (index, fault) in faults.into_iter().enumerate() {
        let number = format!("LOST-{index}");
        let before = customers(&simulator);
        simulator.fault(fault);
        let away = register(&mut client, &number, "Erika Mustermann")
            .await
            .unwrap_err();
        assert_eq!(away.code(), Code::Unavailable);
        register(&mut client, &number, "Erika Mustermann")
            .await
            .unwrap();
        register(&mut client, &number, "Erika Mustermann")
            .await
            .unwrap();
        assert_eq!(customers(&simulator), before + 1);
    }
    running.stop().await;
}

#[tokio::test]
async fn many_at_once_create_one() {
    let simulator = simulator().await;
    let running = running(&simulator).await;
    let before = customers(&simulator);
    let client = running.client(Some(SERVICE)).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mut client = client.clone();
        tasks.spawn(async move {
            register(&mut client, "S-4", "Erika Mustermann")
                .await
                .unwrap()
                .number
        });
    }
    let mut numbers = tasks.join_all().await;
    numbers.dedup();
    assert_eq!(numbers.len(), 1);
    assert_eq!(customers(&simulator), before + 1);
    running.stop().await;
}

#[tokio::test]
async fn a_shop_registers_its_own_customers_and_sees_no_personal_data() {
    let simulator = simulator().await;
    let running = running(&simulator).await;
    let mut shop = running.client(Some(SHOP)).await;
    register(&mut shop, "S-5", "Erika Mustermann")
        .await
        .unwrap();
    running
        .until_customer(By::ShopCustomerNumber("S-5".into()), |_| true)
        .await;
    let answer = crate::harness::got(&mut shop, By::ShopCustomerNumber("S-5".into()))
        .await
        .unwrap();
    assert!(answer.personal.is_none());
    assert!(answer.customer.unwrap().personal.is_none());
    running.stop().await;
}
