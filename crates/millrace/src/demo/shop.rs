//! The scripted shop: a client of the public calls, nothing more.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use millrace_contract::catalog::v1::catalog_service_client::CatalogServiceClient;
use millrace_contract::catalog::v1::{ExportItemsRequest, ListPricesRequest};
use millrace_contract::changes::v1::change_feed_service_client::ChangeFeedServiceClient;
use millrace_contract::changes::v1::doorbell_service_client::DoorbellServiceClient;
use millrace_contract::order::v1::order_admin_service_client::OrderAdminServiceClient;
use millrace_contract::order::v1::order_service_client::OrderServiceClient;
use millrace_contract::order::v1::{OrderState, OrderView, SubmitOrderRequest, WatchOrdersRequest};
use millrace_contract::personal::v1::{Address, Personal};
use millrace_contract::reservation::v1::reservation_service_client::ReservationServiceClient;
use millrace_contract::returns::v1::return_service_client::ReturnServiceClient;
use millrace_contract::stock::v1::stock_service_client::StockServiceClient;
use millrace_contract::stock::v1::{
    Availability, BatchGetAvailabilityRequest, GetAvailabilityRequest, Sku,
    StreamAvailabilityRequest, WatchAvailabilityRequest, WatchAvailabilityResponse,
};
use millrace_contract::values::v1::{Decimal, Money, Quantity};
use millrace_contract::webshop_orders::v1::{Buyer, Order, OrderLine, OrderTotals};
use millrace_service_kit::{Clock, Secret, SystemClock};
use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal as Number, RoundingStrategy};
use tonic::Streaming;

use super::assortment::{Assortment, Price, PriceLine, Thing};
use super::places::Places;
use crate::client::{Authorized, connect_to};
use crate::system::ServiceName;

pub const CHANNEL: &str = "furniture";
pub const SHOP_TOKEN: &str = "demo-furniture-shop-token";
pub const OPERATOR_TOKEN: &str = "demo-operator-token";
/// Whoever buys in this shop.
pub const BUYER: &str = "Frieda Beispiel";

pub struct Shop {
    pub catalog: CatalogServiceClient<Authorized>,
    pub stock: StockServiceClient<Authorized>,
    pub orders: OrderServiceClient<Authorized>,
    pub admin: OrderAdminServiceClient<Authorized>,
    pub feed: ChangeFeedServiceClient<Authorized>,
    /// Of its operators.
    pub doorbells: DoorbellServiceClient<Authorized>,
    pub reservations: ReservationServiceClient<Authorized>,
    pub returns: ReturnServiceClient<Authorized>,
    /// In the stores.
    pub staff: ReservationServiceClient<Authorized>,
}

/// What the shop puts on an order line; the price is what it saw in the catalogue.
pub struct Wish {
    pub item: &'static str,
    pub variant: &'static str,
    pub pieces: i64,
}

impl Shop {
    pub async fn open(places: &Places) -> Result<Self> {
        let connect =
            async |service, token| connect_to(places.of(service)?, &Secret::new(token)).await;
        let orders = ServiceName::OrderIntake;
        let stores = ServiceName::Reservation;
        Ok(Self {
            catalog: CatalogServiceClient::new(
                connect(ServiceName::CatalogSync, SHOP_TOKEN).await?,
            ),
            stock: StockServiceClient::new(
                connect(ServiceName::StockAvailability, SHOP_TOKEN).await?,
            ),
            orders: OrderServiceClient::new(connect(orders, SHOP_TOKEN).await?),
            admin: OrderAdminServiceClient::new(connect(orders, OPERATOR_TOKEN).await?),
            reservations: ReservationServiceClient::new(connect(stores, SHOP_TOKEN).await?),
            returns: ReturnServiceClient::new(connect(ServiceName::Returns, SHOP_TOKEN).await?),
            staff: ReservationServiceClient::new(connect(stores, OPERATOR_TOKEN).await?),
            doorbells: DoorbellServiceClient::new(
                connect(ServiceName::ShopDelivery, OPERATOR_TOKEN).await?,
            ),
            feed: ChangeFeedServiceClient::new(
                connect(ServiceName::ShopDelivery, SHOP_TOKEN).await?,
            )
            .max_decoding_message_size(16 * 1024 * 1024),
        })
    }

    /// Everything this shop sees, and the figures of `things` that it knows.
    pub async fn assortment(&mut self, things: &[Thing]) -> Result<Assortment> {
        let stock = things.iter().cloned().zip(self.figures(things).await?);
        Ok(Assortment {
            names: self.names().await?,
            prices: self.prices().await?,
            stock: stock
                .filter_map(|(thing, figure)| Some((thing, figure?)))
                .collect(),
        })
    }

    async fn names(&mut self) -> Result<BTreeMap<String, String>> {
        let request = ExportItemsRequest {
            channel: CHANNEL.into(),
            include_unreleased: true,
        };
        let mut export = self.catalog.export_items(request).await?.into_inner();
        let mut names = BTreeMap::new();
        while let Some(answer) = export.message().await? {
            let item = answer.item.and_then(|item| item.item);
            let item = item.context("an answer without an item")?;
            names.insert(item.number, item.display_name);
        }
        Ok(names)
    }

    async fn prices(&mut self) -> Result<BTreeMap<PriceLine, Price>> {
        let (mut prices, mut page_token) = (BTreeMap::new(), String::new());
        loop {
            let request = ListPricesRequest {
                channel: CHANNEL.into(),
                item_number: String::new(),
                page_size: 1000,
                page_token,
            };
            let page = self.catalog.list_prices(request).await?.into_inner();
            for price in page.prices {
                let key = price.key.context("a price without a key")?;
                for tier in price.tiers {
                    let unit_price = tier.unit_price.context("a price without an amount")?;
                    let line = PriceLine {
                        thing: (key.item_number.clone(), key.variant_code.clone()),
                        group: key.price_group.clone(),
                        list: tier.price_list_code,
                        currency: unit_price.currency_code.clone(),
                        minimum: decimal(tier.minimum_quantity.as_ref()),
                        from: tier.valid_from,
                    };
                    let price = Price {
                        amount: number(&unit_price),
                        includes_tax: tier.price_includes_tax,
                        discount: decimal(tier.line_discount_percent.as_ref()),
                    };
                    prices.insert(line, price);
                }
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(prices);
            }
        }
    }

    /// How many may be sold of each; `None` where it is unknown.
    pub async fn figures(&mut self, things: &[Thing]) -> Result<Vec<Option<Number>>> {
        let mut figures = Vec::with_capacity(things.len());
        for some in things.chunks(1000) {
            let request = BatchGetAvailabilityRequest {
                channel: CHANNEL.into(),
                skus: some.iter().map(sku).collect(),
                ..Default::default()
            };
            let answer = self
                .stock
                .batch_get_availability(request)
                .await?
                .into_inner();
            let answers = answer.availabilities.iter();
            figures.extend(answers.map(|availability| Self::figure(Some(availability))));
        }
        Ok(figures)
    }

    /// The same over one stream of questions and answers.
    pub async fn streamed(&mut self, things: &[Thing]) -> Result<Vec<Option<Number>>> {
        let questions: Vec<_> = things
            .iter()
            .map(|thing| StreamAvailabilityRequest {
                channel: CHANNEL.into(),
                sku: Some(sku(thing)),
                by_location: false,
            })
            .collect();
        let mut answers = self
            .stock
            .stream_availability(tokio_stream::iter(questions))
            .await?
            .into_inner();
        let mut figures = Vec::with_capacity(things.len());
        while let Some(answer) = answers.message().await? {
            figures.push(Self::figure(answer.availability.as_ref()));
        }
        Ok(figures)
    }

    pub async fn available(&mut self, item: &str, variant: &str) -> Result<Number> {
        let sku = Some(sku(&(item.to_owned(), variant.to_owned())));
        let request = GetAvailabilityRequest {
            channel: CHANNEL.into(),
            sku,
            ..Default::default()
        };
        let answer = self.stock.get_availability(request).await?.into_inner();
        Self::figure(answer.availability.as_ref())
            .with_context(|| format!("stock of item {item} is unknown"))
    }

    pub async fn watch_stock(
        &mut self,
        item: &str,
    ) -> Result<Streaming<WatchAvailabilityResponse>> {
        let skus = vec![sku(&(item.to_owned(), String::new()))];
        let request = WatchAvailabilityRequest {
            channel: CHANNEL.into(),
            skus,
            by_location: false,
        };
        Ok(self.stock.watch_availability(request).await?.into_inner())
    }

    /// The figure of an answer; `None` where it is unknown.
    pub fn figure(availability: Option<&Availability>) -> Option<Number> {
        let availability = availability.filter(|availability| availability.known)?;
        Some(decimal(Some(availability.available.as_ref()?)))
    }

    /// The price with tax that this shop's customers pay for one piece.
    pub async fn price(&mut self, item: &str) -> Result<Number> {
        let request = ListPricesRequest {
            channel: CHANNEL.into(),
            item_number: item.into(),
            ..Default::default()
        };
        let prices = self.catalog.list_prices(request).await?.into_inner().prices;
        let tier = prices
            .iter()
            .filter(|price| {
                price
                    .key
                    .as_ref()
                    .is_some_and(|key| key.price_group == "RETAIL" && key.variant_code.is_empty())
            })
            .flat_map(|price| &price.tiers)
            .find(|tier| tier.price_includes_tax)
            .with_context(|| format!("item {item} has no retail price"))?;
        let money = tier
            .unit_price
            .as_ref()
            .context("price without an amount")?;
        Ok((Number::from(money.units) + Number::new(money.nanos.into(), 9)).normalize())
    }

    /// An order as a shop makes it: tax rounded per line, totals the sums of the lines.
    pub async fn order(
        &mut self,
        number: &str,
        customer: &str,
        wishes: &[Wish],
    ) -> Result<SubmitOrderRequest> {
        let tax_percent = Number::from(19);
        let mut lines = Vec::new();
        let (mut net_total, mut gross_total) = (Number::ZERO, Number::ZERO);
        for (place, wish) in wishes.iter().enumerate() {
            let price = self.price(wish.item).await.unwrap_or(Number::from(100));
            let gross = cents(price * Number::from(wish.pieces));
            let net = cents(gross * Number::ONE_HUNDRED / (Number::ONE_HUNDRED + tax_percent));
            net_total += net;
            gross_total += gross;
            lines.push(OrderLine {
                line_number: u32::try_from(place + 1)?,
                item_number: wish.item.into(),
                variant_code: wish.variant.into(),
                quantity: Some(Quantity {
                    units: wish.pieces,
                    nanos: 0,
                    unit: String::new(),
                }),
                unit_price: Some(euro(price)),
                discount: None,
                tax_percent: Some(Decimal {
                    units: 19,
                    nanos: 0,
                }),
                net: Some(euro(net)),
                gross: Some(euro(gross)),
                location_code: String::new(),
            });
        }
        let order = Order {
            channel: CHANNEL.into(),
            order_number: number.into(),
            placed_at: Some(prost_types::Timestamp {
                seconds: SystemClock.now().as_second(),
                nanos: 0,
            }),
            currency_code: "EUR".into(),
            prices_include_tax: true,
            buyer: Some(Buyer {
                customer_number: String::new(),
                shop_customer_number: customer.into(),
            }),
            lines,
            totals: Some(OrderTotals {
                net: Some(euro(net_total)),
                tax: Some(euro(gross_total - net_total)),
                gross: Some(euro(gross_total)),
            }),
            payment_method: "paypal".into(),
            shipment_method: "standard".into(),
            ..Default::default()
        };
        Ok(SubmitOrderRequest {
            order: Some(order),
            personal: Some(person(customer)),
        })
    }

    /// Watches the order until `enough` says so.
    pub async fn watch(
        &mut self,
        number: &str,
        enough: impl Fn(&OrderView) -> bool,
    ) -> Result<OrderView> {
        let request = WatchOrdersRequest {
            channel: CHANNEL.into(),
            order_numbers: vec![number.into()],
        };
        let mut answers = self.orders.watch_orders(request).await?.into_inner();
        while let Some(answer) = answers.message().await? {
            if let Some(order) = answer.order.filter(&enough) {
                return Ok(order);
            }
        }
        bail!("the watch of order {number} ended")
    }

    pub async fn posted(&mut self, number: &str) -> Result<OrderView> {
        self.watch(number, |order| {
            matches!(order.state(), OrderState::Posted | OrderState::Completed)
        })
        .await
    }
}

fn sku((item, variant): &Thing) -> Sku {
    Sku {
        item_number: item.clone(),
        variant_code: variant.clone(),
    }
}

/// Rounds half away from zero to cents.
fn cents(value: Number) -> Number {
    value.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
}

pub fn euro(value: Number) -> Money {
    let units = value.trunc();
    let nanos = ((value - units) * Number::from(1_000_000_000)).trunc();
    Money {
        currency_code: "EUR".into(),
        units: units.to_i64().unwrap_or_default(),
        nanos: nanos.to_i32().unwrap_or_default(),
    }
}

pub fn number(money: &Money) -> Number {
    (Number::from(money.units) + Number::new(money.nanos.into(), 9)).normalize()
}

/// Absent means zero, as everywhere in the protos.
fn decimal(decimal: Option<&Decimal>) -> Number {
    let number = |decimal: &Decimal| {
        (Number::from(decimal.units) + Number::new(decimal.nanos.into(), 9)).normalize()
    };
    decimal.map(number).unwrap_or_default()
}

fn person(customer: &str) -> Personal {
    let address = Address {
        name: BUYER.into(),
        address_line1: "Musterweg 8".into(),
        postal_code: "26121".into(),
        city: "Oldenburg".into(),
        country_code: "DE".into(),
        ..Default::default()
    };
    Personal {
        sell_to: Some(address),
        email: format!("{}@example.com", customer.to_lowercase()),
        phone: "+49 441 5550".into(),
        ..Default::default()
    }
}
