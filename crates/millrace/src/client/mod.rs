//! Client commands: what an operator or a shop developer does from a shell, over the public gRPC calls.

mod document;
pub mod doorbell;
pub mod feed;
pub mod order;
pub mod parked;
pub mod print;
pub mod reservation;
pub mod returns;
pub mod stock;
#[cfg(test)]
mod tests;

use anyhow::{Context, Result};
use millrace_service_kit::tls::{Server, TlsClientSettings};
use millrace_service_kit::{Secret, health};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::cli::ServerArgs;
use crate::exit::WrongSettings;

/// A connection that carries the token on every call.
pub type Authorized = InterceptedService<Channel, Bearer>;

#[derive(Debug, Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

pub async fn connect(args: &ServerArgs) -> Result<Authorized> {
    let token = args
        .token
        .as_deref()
        .ok_or_else(|| WrongSettings("no token: give --token or MILLRACE_TOKEN".into()))?;
    let tls = TlsClientSettings {
        ca: args.ca.clone().unwrap_or_default(),
        certificate: args.certificate.clone().unwrap_or_default(),
        key: args.key.clone().unwrap_or_default(),
    };
    open(&args.server, &tls, &Secret::new(token)).await
}

/// In the clear, or as this machine trusts.
pub async fn connect_to(server: &str, token: &Secret) -> Result<Authorized> {
    open(server, &TlsClientSettings::default(), token).await
}

async fn open(server: &str, tls: &TlsClientSettings, token: &Secret) -> Result<Authorized> {
    let mut value: MetadataValue<Ascii> = format!("Bearer {}", token.expose())
        .parse()
        .map_err(|_| WrongSettings("token holds characters a header cannot carry".into()))?;
    value.set_sensitive(true);
    let way = Server::new(server, tls).map_err(|error| WrongSettings(health::chain(&error)))?;
    let channel = way
        .connect()
        .await
        .with_context(|| format!("could not reach {server}; is `millrace run all` running?"))?;
    Ok(InterceptedService::new(channel, Bearer(value)))
}
