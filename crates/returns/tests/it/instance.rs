//! One running service with its clients.

use std::time::Duration;

use millrace_contract::returns::v1 as proto;
use millrace_contract::returns::v1::return_admin_service_client::ReturnAdminServiceClient;
use millrace_contract::returns::v1::return_service_client::ReturnServiceClient;
use millrace_returns::{Config, Ports, Service};
use millrace_service_kit::auth::{TokenSettings, Tokens};
use millrace_service_kit::grpc::{Entrance, Limits, serve};
use millrace_service_kit::health::Health;
use millrace_service_kit::{Secret, Shutdown};
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
        reasons_every: Duration::from_millis(200),
        ..Config::default()
    }
}

/// One running service.
pub struct Instance {
    pub returns: ReturnServiceClient<Authorized>,
    pub admin: ReturnAdminServiceClient<Authorized>,
    pub address: String,
    pub health: Health,
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
            metrics,
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
        let channel = connect(&address).await;
        Self {
            returns: ReturnServiceClient::with_interceptor(channel.clone(), Bearer(SHOP)),
            admin: ReturnAdminServiceClient::with_interceptor(channel, Bearer(OPERATOR)),
            address,
            health,
            shutdown,
            running,
        }
    }

    /// The shop's client with another token.
    pub async fn as_caller(&self, secret: &'static str) -> ReturnServiceClient<Authorized> {
        let channel = connect(&self.address).await;
        ReturnServiceClient::with_interceptor(channel, Bearer(secret))
    }

    pub async fn submit(
        &self,
        goods: proto::Return,
    ) -> Result<proto::SubmitReturnResponse, Status> {
        self.submit_with(proto::SubmitReturnRequest {
            shop_return: Some(goods),
            remarks: None,
        })
        .await
    }

    pub async fn submit_with(
        &self,
        request: proto::SubmitReturnRequest,
    ) -> Result<proto::SubmitReturnResponse, Status> {
        let answer = self.returns.clone().submit_return(request).await;
        answer.map(Response::into_inner)
    }

    /// The return as it stands after it was taken.
    pub async fn taken(&self, goods: proto::Return) -> proto::ReturnView {
        let answer = self.submit(goods).await.unwrap();
        assert!(!answer.repeated_submission);
        answer.shop_return.unwrap()
    }

    pub async fn answer(&self, number: &str) -> Result<proto::GetReturnResponse, Status> {
        let request = proto::GetReturnRequest {
            channel: CHANNEL.into(),
            return_number: number.into(),
            include_personal: false,
        };
        let answer = self.returns.clone().get_return(request).await?;
        Ok(answer.into_inner())
    }

    pub async fn get(&self, number: &str) -> proto::ReturnView {
        self.answer(number).await.unwrap().shop_return.unwrap()
    }

    /// The return once `holds` of it.
    pub async fn until(
        &self,
        number: &str,
        what: &str,
        holds: impl Fn(&proto::ReturnView) -> bool,
    ) -> proto::ReturnView {
        millrace_test_rig::until(PATIENCE, what, async || {
            Some(self.get(number).await).filter(&holds)
        })
        .await
    }

    pub async fn until_state(&self, number: &str, state: proto::ReturnState) -> proto::ReturnView {
        self.until(number, &format!("return {number} is {state:?}"), |view| {
            view.state() == state
        })
        .await
    }

    pub async fn cancel(&self, number: &str) -> Result<proto::ReturnView, Status> {
        let request = proto::CancelReturnRequest {
            channel: CHANNEL.into(),
            return_number: number.into(),
            note: "kept it".into(),
        };
        let answer = self.returns.clone().cancel_return(request).await?;
        Ok(answer.into_inner().shop_return.unwrap())
    }

    pub async fn receive(
        &self,
        number: &str,
        lines: Vec<proto::ReceivedLine>,
    ) -> Result<proto::ReturnView, Status> {
        let request = proto::ReceiveReturnRequest {
            channel: CHANNEL.into(),
            return_number: number.into(),
            lines,
        };
        let answer = self.returns.clone().receive_return(request).await?;
        Ok(answer.into_inner().shop_return.unwrap())
    }

    /// Gone in the middle of its work, nothing drained.
    pub fn kill(self) {
        self.running.abort();
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        // A connection that stays open would keep the server from draining.
        drop((self.returns, self.admin));
        self.running.await.unwrap();
    }
}

async fn connect(address: &str) -> Channel {
    let endpoint = Endpoint::from_shared(address.to_owned()).unwrap();
    endpoint.connect().await.unwrap()
}

/// Kinds of the reasons a return is held for.
pub fn kinds(view: &proto::ReturnView) -> Vec<proto::HoldKind> {
    let reasons = view.hold_reasons.iter();
    reasons.map(proto::HoldReason::kind).collect()
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
    let shop = ["return:submit", "return:read", "return:receive"];
    Tokens::new([
        token("shop", SHOP, Some(CHANNEL), &shop),
        token("other-shop", OTHER_SHOP, Some("toys-fr"), &shop),
        token("reader", READER, Some(CHANNEL), &["return:read"]),
        token(
            "service-desk",
            SERVICE_DESK,
            Some(CHANNEL),
            &["return:read", "return:personal"],
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
        let bearer = format!("Bearer {}", self.0).parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        Ok(request)
    }
}
