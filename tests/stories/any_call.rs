//! Every call there is, from the contract's own descriptors: whoever adds one has it tried without writing a line here.

use bytes::Bytes;
use futures::stream;
use http::uri::PathAndQuery;
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, Kind, MessageDescriptor, ReflectMessage, Value,
};
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::raw::Raw;
use crate::world::World;

/// One call of one service.
pub struct Call {
    /// `millrace.catalog.v1.CatalogService/GetItem`
    pub name: String,
    /// Which process serves it.
    server: &'static str,
    input: MessageDescriptor,
    /// Whether it takes any number of requests.
    pub takes_stream: bool,
}

/// Who serves what; `operations` stands for every service, any of them will do.
const SERVERS: [(&str, &str); 8] = [
    ("millrace.catalog.", "catalog-sync"),
    ("millrace.customer.", "customer-sync"),
    ("millrace.order.", "order-intake"),
    ("millrace.stock.", "stock-availability"),
    ("millrace.reservation.", "reservation"),
    ("millrace.returns.", "returns"),
    ("millrace.changes.", "shop-delivery"),
    ("millrace.operations.", "order-intake"),
];

pub fn every_call() -> Vec<Call> {
    let pool = DescriptorPool::decode(millrace_contract::DESCRIPTORS).unwrap();
    let mut calls = Vec::new();
    for service in pool.services() {
        let name = service.full_name();
        let serves = SERVERS
            .iter()
            .find(|(package, _)| name.starts_with(package));
        let (_, server) = serves.unwrap_or_else(|| panic!("who serves {name}?"));
        calls.extend(service.methods().map(|method| Call {
            name: format!("{name}/{}", method.name()),
            server,
            input: method.input(),
            takes_stream: method.is_client_streaming(),
        }));
    }
    calls
}

impl Call {
    /// Whether the request says which channel it is about.
    pub fn has_channel(&self) -> bool {
        self.request("").is_some()
    }

    /// Makes the call with nothing in it but the channel, where it has one. `Ok`: it was let in.
    pub async fn about(
        &self,
        world: &World,
        token: Option<&str>,
        channel: &str,
    ) -> Result<(), Status> {
        let body = self.request(channel).unwrap_or_default();
        self.with_bytes(world, token, body).await
    }

    /// Makes the call with these bytes as its one message.
    pub async fn with_bytes(
        &self,
        world: &World,
        token: Option<&str>,
        body: impl Into<Bytes>,
    ) -> Result<(), Status> {
        let address = format!("http://{}", world.process(self.server).grpc);
        let channel = Channel::from_shared(address).unwrap().connect_lazy();
        let mut client = Grpc::new(channel);
        client
            .ready()
            .await
            .map_err(|error| Status::unknown(error.to_string()))?;
        let mut request = Request::new(stream::iter([body.into()]));
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        let path: PathAndQuery = format!("/{}", self.name).parse().unwrap();
        let mut answers = client.streaming(request, path, Raw).await?.into_inner();
        // A stream may be let in before its first question is looked at. One that is silent is let in.
        let first = tokio::time::timeout(std::time::Duration::from_secs(2), answers.message());
        match first.await {
            Ok(answer) => answer.map(drop),
            Err(_) => Ok(()),
        }
    }

    /// The request with this channel; `None`: it speaks of none.
    fn request(&self, channel: &str) -> Option<Vec<u8>> {
        let mut message = DynamicMessage::new(self.input.clone());
        fill(&mut message, channel).then(|| message.encode_to_vec())
    }

    /// The request with nothing in it but the channel, where it has one, as JSON.
    pub fn json(&self, channel: &str) -> serde_json::Value {
        let mut message = DynamicMessage::new(self.input.clone());
        fill(&mut message, channel);
        serde_json::to_value(message).unwrap()
    }
}

/// Writes the channel at its place: in the request, or in the order, reservation or return it carries.
fn fill(message: &mut DynamicMessage, channel: &str) -> bool {
    if message.descriptor().get_field_by_name("channel").is_some() {
        message.set_field_by_name("channel", Value::String(channel.to_owned()));
        return true;
    }
    let carried = ["order", "reservation", "shop_return"];
    let field = carried.map(|name| message.descriptor().get_field_by_name(name));
    let Some(field) = field.into_iter().flatten().next() else {
        return false;
    };
    let Kind::Message(order) = field.kind() else {
        return false;
    };
    let mut order = DynamicMessage::new(order);
    let filled = fill(&mut order, channel);
    message.set_field(&field, Value::Message(order));
    filled
}

/// Let in or not; what the call then thinks of an empty request is its own business.
pub fn was_let_in(answer: &Result<(), Status>) -> bool {
    answer.as_ref().err().is_none_or(|refused| {
        !matches!(
            refused.code(),
            Code::Unauthenticated
                | Code::PermissionDenied
                | Code::Unimplemented
                | Code::Unknown
                | Code::Unavailable
                | Code::Internal
        )
    })
}
