//! A shop that speaks gRPC and nothing else.

use millrace_contract::catalog::v1::catalog_service_client::CatalogServiceClient;
use millrace_contract::catalog::v1::{CatalogItem, ExportItemsRequest, ListPricesRequest};
use millrace_contract::changes::v1::change_feed_service_client::ChangeFeedServiceClient;
use millrace_contract::order::v1::order_service_client::OrderServiceClient;
use millrace_contract::order::v1::{GetOrderRequest, OrderState, OrderView, SubmitOrderRequest};
use millrace_contract::personal::v1::{Address, Personal};
use millrace_contract::prices::v1::Price;
use millrace_contract::returns::v1::return_service_client::ReturnServiceClient;
use millrace_contract::stock::v1::stock_service_client::StockServiceClient;
use millrace_contract::stock::v1::{Availability, BatchGetAvailabilityRequest, Sku};
use millrace_contract::values::v1::{Decimal, Money, Quantity};
use millrace_contract::webshop_orders::v1::{Buyer, Order, OrderLine, OrderTotals};
use millrace_test_rig::until;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::world::{CHANNEL, PATIENCE};

pub type Connection = InterceptedService<Channel, Bearer>;

#[derive(Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl Bearer {
    pub fn of(token: &str) -> Self {
        Self(format!("Bearer {token}").parse().unwrap())
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

#[derive(Clone)]
pub struct Shop {
    pub catalog: CatalogServiceClient<Connection>,
    pub orders: OrderServiceClient<Connection>,
    pub returns: ReturnServiceClient<Connection>,
    pub stock: StockServiceClient<Connection>,
    pub feed: ChangeFeedServiceClient<Connection>,
}

impl Shop {
    /// Connects when it first calls, and again after a restart.
    pub async fn open(address: impl Fn(&str) -> String, token: &str) -> Self {
        let connect = |service: &str| {
            Endpoint::from_shared(address(service))
                .unwrap()
                .connect_lazy()
        };
        Self::at(connect, token)
    }

    /// Over one connection to a process with every service.
    pub fn over(channel: Channel, token: &str) -> Self {
        Self::at(|_| channel.clone(), token)
    }

    fn at(connect: impl Fn(&str) -> Channel, token: &str) -> Self {
        let connect = |service: &str| InterceptedService::new(connect(service), Bearer::of(token));
        Self {
            catalog: CatalogServiceClient::new(connect("catalog-sync")),
            orders: OrderServiceClient::new(connect("order-intake")),
            returns: ReturnServiceClient::new(connect("returns")),
            stock: StockServiceClient::new(connect("stock-availability")),
            feed: ChangeFeedServiceClient::new(connect("shop-delivery"))
                .max_decoding_message_size(16 << 20),
        }
    }

    pub async fn items(&mut self) -> Result<Vec<CatalogItem>, Status> {
        let request = ExportItemsRequest {
            channel: CHANNEL.into(),
            include_unreleased: false,
        };
        let mut export = self.catalog.export_items(request).await?.into_inner();
        let mut items = Vec::new();
        while let Some(answer) = export.message().await? {
            items.extend(answer.item);
        }
        Ok(items)
    }

    pub async fn prices(&mut self) -> Result<Vec<Price>, Status> {
        let (mut prices, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ListPricesRequest {
                channel: CHANNEL.into(),
                item_number: String::new(),
                page_size: 1000,
                page_token,
            };
            let page = self.catalog.list_prices(request).await?.into_inner();
            prices.extend(page.prices);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(prices);
            }
        }
    }

    pub async fn availabilities(
        &mut self,
        keys: &[(String, String)],
    ) -> Result<Vec<Availability>, Status> {
        let mut answers = Vec::new();
        for some in keys.chunks(1000) {
            let skus = some.iter().map(|(item, variant)| Sku {
                item_number: item.clone(),
                variant_code: variant.clone(),
            });
            let request = BatchGetAvailabilityRequest {
                channel: CHANNEL.into(),
                skus: skus.collect(),
                by_location: true,
                ..Default::default()
            };
            answers.extend(
                self.stock
                    .batch_get_availability(request)
                    .await?
                    .into_inner()
                    .availabilities,
            );
        }
        Ok(answers)
    }

    pub async fn available(&mut self, item: &str) -> Option<i64> {
        let keys = [(item.to_owned(), String::new())];
        let answers = self.availabilities(&keys).await.ok()?;
        answers
            .first()
            .filter(|answer| answer.known)?
            .available
            .as_ref()
            .map(|available| available.units)
    }

    pub async fn view(&mut self, number: &str) -> Result<OrderView, Status> {
        let request = GetOrderRequest {
            channel: CHANNEL.into(),
            order_number: number.into(),
            include_personal: false,
        };
        Ok(self
            .orders
            .get_order(request)
            .await?
            .into_inner()
            .order
            .expect("an answer has an order"))
    }

    /// Waits until the order stands in this state.
    pub async fn reaches(&mut self, number: &str, state: OrderState) -> OrderView {
        let what = format!("order {number} is {state:?}");
        until(PATIENCE, &what, async || {
            self.view(number)
                .await
                .ok()
                .filter(|order| order.state() == state)
        })
        .await
    }
}

/// An order of a new customer: `lines` are item, pieces and gross price of one piece in cents, VAT 19 % inside.
pub fn order(number: &str, customer: &str, lines: &[(&str, i64, i64)]) -> SubmitOrderRequest {
    let (mut net_total, mut gross_total) = (0, 0);
    let mut written = Vec::new();
    for (place, (item, pieces, cents)) in lines.iter().enumerate() {
        let gross = pieces * cents;
        // Half away from zero: the halves of 119ths never meet.
        let net = (gross * 200 + 119) / 238;
        net_total += net;
        gross_total += gross;
        written.push(OrderLine {
            line_number: u32::try_from(place + 1).unwrap(),
            item_number: (*item).into(),
            quantity: Some(Quantity {
                units: *pieces,
                nanos: 0,
                unit: String::new(),
            }),
            unit_price: Some(euro(*cents)),
            tax_percent: Some(Decimal {
                units: 19,
                nanos: 0,
            }),
            net: Some(euro(net)),
            gross: Some(euro(gross)),
            ..Default::default()
        });
    }
    let totals = OrderTotals {
        net: Some(euro(net_total)),
        tax: Some(euro(gross_total - net_total)),
        gross: Some(euro(gross_total)),
    };
    let order = Order {
        channel: CHANNEL.into(),
        order_number: number.into(),
        placed_at: Some(prost_types::Timestamp {
            seconds: 1_795_000_000,
            nanos: 0,
        }),
        currency_code: "EUR".into(),
        prices_include_tax: true,
        buyer: Some(Buyer {
            customer_number: String::new(),
            shop_customer_number: customer.into(),
        }),
        lines: written,
        totals: Some(totals),
        payment_method: "paypal".into(),
        shipment_method: "standard".into(),
        ..Default::default()
    };
    let address = Address {
        name: "Frieda Beispiel".into(),
        address_line1: "Musterweg 8".into(),
        postal_code: "26121".into(),
        city: "Oldenburg".into(),
        country_code: "DE".into(),
        ..Default::default()
    };
    let personal = Personal {
        sell_to: Some(address),
        email: "frieda@example.com".into(),
        ..Default::default()
    };
    SubmitOrderRequest {
        order: Some(order),
        personal: Some(personal),
    }
}

fn euro(cents: i64) -> Money {
    let nanos = i32::try_from(cents % 100 * 10_000_000).unwrap();
    Money {
        currency_code: "EUR".into(),
        units: cents / 100,
        nanos,
    }
}
