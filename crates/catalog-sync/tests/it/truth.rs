//! A simulated Business Central, what it really holds, and what a shop finds in the catalog: they must be equal in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use millrace_contract::catalog::v1::{ListItemsRequest, ListPricesRequest};
use millrace_contract::values::v1::{Decimal as WireDecimal, Money};
use millrace_erp::business_central::{BusinessCentral, Settings};
use millrace_erp_simulator::database::PriceSource;
use millrace_erp_simulator::{Config, Simulator};
use millrace_service_kit::{Ids, SystemClock};
use millrace_values::{Decimal, Percentage, Quantity, UnitPrice};
use serde_json::json;
use tokio::net::TcpListener;

use crate::harness::{Client, PATIENCE, Running, SHOP};

/// Item number → name, released, variants with their block.
pub type Items = BTreeMap<String, (String, bool, BTreeSet<(String, bool)>)>;
/// Item number, variant, group, unit, minimum quantity, price, discount.
pub type Prices = BTreeSet<(String, String, String, String, Decimal, Decimal, Decimal)>;

pub async fn simulator() -> Simulator {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Simulator::start(Config::default(), listener).await.unwrap()
}

pub fn adapter(simulator: &Simulator) -> Arc<BusinessCentral> {
    let settings: Settings = serde_json::from_value(json!({
        "code": "bc-main",
        "address": format!("{}/v2.0", simulator.url()),
        "sign_in_address": simulator.url(),
        "tenant": "demo",
        "environment": "production",
        "client_id": "millrace-demo",
        "client_secret": "millrace-demo",
        "limits": { "timeout": "2s", "patience": "2s" },
        "reading": { "page_size": 7, "queue_interval": "50ms" },
    }))
    .unwrap();
    Arc::new(BusinessCentral::connect(settings, Arc::new(SystemClock), Ids::random()).unwrap())
}

/// What the ERP holds, as a shop may see it.
pub fn truth(simulator: &Simulator) -> (Items, Prices) {
    simulator.read(|tables| {
        let (mut items, mut prices) = (Items::new(), Prices::new());
        for item in tables.items.iter() {
            let variants = tables.variants.children(item.id);
            let variants = variants.map(|variant| (variant.code.clone(), variant.blocked));
            let released = !item.blocked && !item.sales_blocked;
            items.insert(
                item.number.clone(),
                (item.name.clone(), released, variants.collect()),
            );
            if !released {
                continue;
            }
            for line in tables.price_lines.children(item.id) {
                let group = match &line.source {
                    PriceSource::All => String::new(),
                    PriceSource::Group(group) => group.clone(),
                    PriceSource::Customer(_) => continue,
                };
                prices.insert((
                    item.number.clone(),
                    line.variant.clone(),
                    group,
                    line.unit.clone(),
                    line.minimum.normalize(),
                    line.price.normalize(),
                    line.discount_percent.normalize(),
                ));
            }
            if !item.unit_price.is_zero() {
                let own_unit = item.sales_unit == item.base_unit;
                let unit = if own_unit {
                    String::new()
                } else {
                    item.sales_unit.clone()
                };
                let price = item.unit_price.normalize();
                let number = item.number.clone();
                prices.insert((
                    number,
                    String::new(),
                    String::new(),
                    unit,
                    Decimal::ZERO,
                    price,
                    Decimal::ZERO,
                ));
            }
        }
        (items, prices)
    })
}

/// What a shop finds.
pub async fn found(client: &mut Client) -> (Items, Prices) {
    let (mut items, mut prices) = (Items::new(), Prices::new());
    let mut page_token = String::new();
    loop {
        let request = ListItemsRequest {
            channel: "furniture".into(),
            page_size: 20,
            page_token,
            include_unreleased: true,
        };
        let answer = client.list_items(request).await.unwrap().into_inner();
        for found in answer.items {
            let item = found.item.unwrap();
            let variants = item
                .variants
                .into_iter()
                .map(|variant| (variant.code, variant.blocked));
            items.insert(
                item.number,
                (item.display_name, found.released, variants.collect()),
            );
        }
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    loop {
        let request = ListPricesRequest {
            channel: "furniture".into(),
            page_size: 50,
            page_token,
            ..ListPricesRequest::default()
        };
        let answer = client.list_prices(request).await.unwrap().into_inner();
        for price in answer.prices {
            let key = price.key.unwrap();
            prices.extend(price.tiers.into_iter().map(|tier| {
                let key = key.clone();
                let discount = tier.line_discount_percent.unwrap_or_default();
                (
                    key.item_number,
                    key.variant_code,
                    key.price_group,
                    key.unit,
                    quantity(tier.minimum_quantity.unwrap_or_default()),
                    unit_price(tier.unit_price.unwrap()),
                    Percentage::try_from(discount).unwrap().value().normalize(),
                )
            }));
        }
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return (items, prices);
        }
    }
}

/// Waits until a shop finds what the ERP holds.
pub async fn until_equal(running: &Running, simulator: &Simulator) {
    let mut client = running.client(Some(SHOP)).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let (found, truth) = (found(&mut client).await, truth(simulator));
        if found == truth {
            return;
        }
        if tokio::time::Instant::now() > deadline {
            assert_eq!(found.0, truth.0, "items");
            assert_eq!(found.1, truth.1, "prices");
        }
        tokio::time::timeout(
            Duration::from_millis(50),
            running.database.log().await.unwrap().moved().changed(),
        )
        .await
        .ok();
    }
}

fn quantity(decimal: WireDecimal) -> Decimal {
    Quantity::try_from(decimal).unwrap().value().normalize()
}

fn unit_price(money: Money) -> Decimal {
    UnitPrice::try_from(money).unwrap().value().normalize()
}
