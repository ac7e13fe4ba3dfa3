//! One running service with its clients.

use std::time::Duration;

use millrace_contract::order::v1 as proto;
use millrace_contract::order::v1::order_admin_service_client::OrderAdminServiceClient;
use millrace_contract::order::v1::order_service_client::OrderServiceClient;
use millrace_order_intake::{Config, Ports, Service};
use millrace_service_kit::auth::{TokenSettings, Tokens};
use millrace_service_kit::grpc::{Entrance, Limits, serve};
use millrace_service_kit::health::Health;
use millrace_service_kit::metrics::Metrics;
use millrace_service_kit::{Secret, Shutdown};
use millrace_values::{Channel as WebShop, Channels};
use serde_json::json;
use tokio::task::JoinHandle;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

use crate::sale::CHANNEL;
use crate::world::{PATIENCE, listener};

/// Short pauses: tests wait for nothing but the service.
pub fn config() -> Config {
    Config {
        first_pause: Duration::from_millis(50),
        longest_pause: Duration::from_millis(500),
        ..Config::default()
    }
}

/// One running service.
pub struct Instance {
    pub orders: OrderServiceClient<Authorized>,
    pub admin: OrderAdminServiceClient<Authorized>,
    pub address: String,
    pub health: Health,
    pub metrics: Metrics,
    pub shutdown: Shutdown,
    running: JoinHandle<()>,
}

impl Instance {
    pub async fn start(config: Config, ports: Ports, shutdown: Shutdown) -> Self {
        let (health, metrics) = (ports.health.clone(), ports.metrics.clone());
        let service = Service::build(config, ports).await.unwrap();
        let listener = listener().await;
        let address = format!("http://{}", listener.local_addr().unwrap());
        let mut routes = tonic::service::Routes::builder();
        routes
            .add_service(service.grpc())
            .add_service(service.admin_grpc());
        let entrance = Entrance {
            tokens: tokens(),
            limits: Limits::default(),
            health: health.clone(),
            metrics: metrics.clone(),
            descriptors: millrace_contract::DESCRIPTORS,
            quick: &[],
        };
        let stop = shutdown.clone();
        let served = tokio::spawn(serve(listener, routes.routes(), entrance, stop));
        let stop = shutdown.clone();
        let running = tokio::spawn(async move {
            service.run(stop).await.unwrap();
            served.await.unwrap().unwrap();
        });
        let channel = Endpoint::from_shared(address.clone())
            .unwrap()
            .connect()
            .await
            .unwrap();
        let orders = OrderServiceClient::with_interceptor(channel.clone(), token(SHOP));
        let admin = OrderAdminServiceClient::with_interceptor(channel, token(OPERATOR));
        Self {
            orders,
            admin,
            address,
            health,
            metrics,
            shutdown,
            running,
        }
    }

    /// The shop's client with another token.
    pub async fn as_caller(&self, secret: &'static str) -> OrderServiceClient<Authorized> {
        let channel = Endpoint::from_shared(self.address.clone())
            .unwrap()
            .connect()
            .await
            .unwrap();
        OrderServiceClient::with_interceptor(channel, token(secret))
    }

    pub async fn submit(
        &self,
        order: proto::SubmitOrderRequest,
    ) -> Result<proto::SubmitOrderResponse, Status> {
        self.orders
            .clone()
            .submit_order(order)
            .await
            .map(Response::into_inner)
    }

    pub async fn get(&self, number: &str) -> proto::OrderView {
        self.try_get(number).await.unwrap()
    }

    pub async fn try_get(&self, number: &str) -> Result<proto::OrderView, Status> {
        let request = proto::GetOrderRequest {
            channel: CHANNEL.into(),
            order_number: number.into(),
            include_personal: false,
        };
        let answer = self.orders.clone().get_order(request).await?;
        Ok(answer.into_inner().order.unwrap())
    }

    /// The order once `holds` of it.
    pub async fn until(
        &self,
        number: &str,
        what: &str,
        holds: impl Fn(&proto::OrderView) -> bool,
    ) -> proto::OrderView {
        millrace_test_rig::until(PATIENCE, what, async || {
            Some(self.get(number).await).filter(&holds)
        })
        .await
    }

    pub async fn until_state(&self, number: &str, state: proto::OrderState) -> proto::OrderView {
        self.until(number, &format!("order {number} is {state:?}"), |view| {
            view.state() == state
        })
        .await
    }

    /// The value of a metric without labels.
    pub fn count(&self, metric: &str) -> u64 {
        let text = self.metrics.text();
        let line = text.lines().find_map(|line| {
            line.strip_prefix(&format!("millrace_{metric}_total "))
                .map(str::to_owned)
        });
        line.and_then(|value| value.trim().parse().ok())
            .unwrap_or_default()
    }

    /// Gone in the middle of its work, nothing drained.
    pub fn kill(self) {
        self.running.abort();
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        // A connection that stays open would keep the server from draining.
        drop((self.orders, self.admin));
        self.running.await.unwrap();
    }
}

pub const SHOP: &str = "the-shop-of-furniture-de";
pub const OTHER_SHOP: &str = "the-shop-of-another-channel";
pub const READER: &str = "somebody-who-may-only-read";
pub const SERVICE_DESK: &str = "somebody-who-may-see-people";
pub const OPERATOR: &str = "the-operator-of-everything";

fn tokens() -> Tokens {
    let token = |name: &str, secret: &str, channel: Option<&str>, scopes: &[&str]| TokenSettings {
        name: name.into(),
        token: Some(Secret::new(secret)),
        sha256: None,
        channel: channel.map(Into::into),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    };
    Tokens::new([
        token("shop", SHOP, Some(CHANNEL), &["order:submit", "order:read"]),
        token(
            "other-shop",
            OTHER_SHOP,
            Some("toys-fr"),
            &["order:submit", "order:read"],
        ),
        token("reader", READER, Some(CHANNEL), &["order:read"]),
        token(
            "service-desk",
            SERVICE_DESK,
            Some(CHANNEL),
            &["order:read", "order:personal"],
        ),
        token("operator", OPERATOR, None, &["*"]),
    ])
    .unwrap()
}

pub type Authorized = InterceptedService<Channel, Bearer>;

#[derive(Clone)]
pub struct Bearer(&'static str);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert(
            "authorization",
            format!("Bearer {}", self.0).parse().unwrap(),
        );
        Ok(request)
    }
}

fn token(secret: &'static str) -> Bearer {
    Bearer(secret)
}

pub fn channels() -> Channels {
    channels_with(&[("card", "CARD")])
}

/// Two shops that map these payment methods.
pub fn channels_with(payment_methods: &[(&str, &str)]) -> Channels {
    let payment_methods: std::collections::BTreeMap<_, _> =
        payment_methods.iter().copied().collect();
    let shop = |code: &str, currency: &str| -> WebShop {
        serde_json::from_value(json!({
            "code": code,
            "erp": "bc-main",
            "languages": ["de"],
            "location_group": ["MAIN", "SOUTH"],
            "currency": currency,
            "prices_include_tax": false,
            "payment_methods": payment_methods,
        }))
        .unwrap()
    };
    Channels::new([shop(CHANNEL, "EUR"), shop("toys-fr", "EUR")]).unwrap()
}
