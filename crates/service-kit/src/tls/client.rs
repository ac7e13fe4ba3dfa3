//! The client's side: a server of ours, reached in the clear, over TLS, or inside the process.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::Uri;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use tonic::transport::{Channel, Endpoint};
use tower::Service;

use super::files::{File, Identity, TlsError};
use super::{HTTP2, provider};
use crate::grpc::inside::Inside;

/// Paths of PEM files; empty: none. They are read at every connection, so that new ones need no restart.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsClientSettings {
    /// Authorities one of which has to have signed the server's certificate; empty: those this machine trusts.
    pub ca: PathBuf,
    /// What the client shows to servers that ask for a certificate.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Debug, Error)]
pub enum ServerError {
    #[error("{0:?} is not an address like http://127.0.0.1:50051 or https://millrace.example.com")]
    Address(String),
    /// A certificate to check, and an address that shows none: whoever says this does not want to speak in the clear.
    #[error("{setting} is for an address with https://, not {address}")]
    Clear {
        setting: &'static str,
        address: String,
    },
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Where a server is and how to get there.
#[derive(Debug, Clone)]
pub struct Server {
    endpoint: Endpoint,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    Clear,
    Tls(Connector),
    Inside(Inside),
}

impl Server {
    /// # Errors
    /// What is no address; files that cannot be used; files for an address without TLS.
    pub fn new(address: &str, settings: &TlsClientSettings) -> Result<Self, ServerError> {
        let wrong = || ServerError::Address(address.to_owned());
        let uri: Uri = address.parse().map_err(|_| wrong())?;
        let host = uri.host().ok_or_else(wrong)?;
        let files = Files::named(settings)?;
        match (uri.scheme_str(), files.first()) {
            (Some("http"), None) => Ok(Self::from(Endpoint::from(uri))),
            (Some("http"), Some(setting)) => Err(ServerError::Clear {
                setting,
                address: address.to_owned(),
            }),
            (Some("https"), _) => {
                let connector = Connector::new(host, uri.port_u16().unwrap_or(443), files)?;
                // The transport is ours: what is built into tonic refuses https without its own.
                let clear = address.replacen("https://", "http://", 1);
                let endpoint = Endpoint::from_shared(clear).map_err(|_| wrong())?;
                Ok(Self {
                    endpoint: endpoint.origin(uri.clone()),
                    way: Way::Tls(connector),
                })
            }
            _ => Err(wrong()),
        }
    }

    /// The server of this process.
    #[must_use]
    pub fn inside(inside: Inside) -> Self {
        Self {
            endpoint: Endpoint::from_static("http://inside"),
            way: Way::Inside(inside),
        }
    }

    #[must_use]
    pub fn with(self, change: impl FnOnce(Endpoint) -> Endpoint) -> Self {
        Self {
            endpoint: change(self.endpoint),
            ..self
        }
    }

    /// # Errors
    /// Nobody answers there, or it is not whom it should be.
    pub async fn connect(&self) -> Result<Channel, tonic::transport::Error> {
        match &self.way {
            Way::Clear => self.endpoint.connect().await,
            Way::Tls(connector) => {
                let connector = connector.clone();
                self.endpoint.connect_with_connector(connector).await
            }
            Way::Inside(inside) => self.endpoint.connect_with_connector(inside.clone()).await,
        }
    }

    /// Connects at the first call, and again after a failure.
    #[must_use]
    pub fn connect_lazy(&self) -> Channel {
        match &self.way {
            Way::Clear => self.endpoint.connect_lazy(),
            Way::Tls(connector) => self.endpoint.connect_with_connector_lazy(connector.clone()),
            Way::Inside(inside) => self.endpoint.connect_with_connector_lazy(inside.clone()),
        }
    }
}

impl From<Endpoint> for Server {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            way: Way::Clear,
        }
    }
}

/// Opens connections to one server over TLS.
#[derive(Debug, Clone)]
struct Connector {
    host: String,
    port: u16,
    name: ServerName<'static>,
    files: Files,
}

impl Connector {
    fn new(host: &str, port: u16, files: Files) -> Result<Self, ServerError> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| ServerError::Address(host.to_owned()))?;
        // Broken files are found now, not at the first call.
        files.config()?;
        Ok(Self {
            host: host.to_owned(),
            port,
            name,
            files,
        })
    }

    async fn open(self) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
        let Self {
            host,
            port,
            name,
            files,
        } = self;
        let config = tokio::task::spawn_blocking(move || files.config());
        let config = config.await?.map_err(io::Error::other)?;
        let connection = TcpStream::connect((host.as_str(), port)).await?;
        connection.set_nodelay(true)?;
        let connector = TlsConnector::from(Arc::new(config));
        Ok(TokioIo::new(connector.connect(name, connection).await?))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(self.clone().open())
    }
}

#[derive(Debug, Clone)]
struct Files {
    ca: Option<File>,
    identity: Option<Identity>,
}

impl Files {
    fn named(settings: &TlsClientSettings) -> Result<Self, TlsError> {
        Ok(Self {
            ca: File::named("ca", &settings.ca),
            identity: Identity::named(&settings.certificate, &settings.key)?,
        })
    }

    /// The setting of the first one.
    fn first(&self) -> Option<&'static str> {
        match self {
            Self { ca: Some(_), .. } => Some("ca"),
            Self {
                identity: Some(_), ..
            } => Some("certificate"),
            _ => None,
        }
    }

    fn config(&self) -> Result<ClientConfig, TlsError> {
        let authorities = match &self.ca {
            Some(file) => file.authorities(&file.read()?)?,
            None => trusted_here(),
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has what these versions need")
            .with_root_certificates(authorities);
        let mut config = match &self.identity {
            Some(identity) => {
                let (certificates, key) = identity.parsed(&identity.read()?)?;
                let shown = builder.with_client_auth_cert(certificates, key);
                shown.map_err(|error: rustls::Error| identity.unusable(error))?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![HTTP2.to_vec()];
        Ok(config)
    }
}

/// A certificate of the machine that cannot be read is one that is not trusted.
fn trusted_here() -> RootCertStore {
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    authorities
}
