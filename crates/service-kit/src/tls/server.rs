//! The server's side: what it shows, and whom it asks for a certificate.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::Stream;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::server::TlsStream;
use tracing::{error, info};

use super::files::{File, Identity, TlsError};
use super::{HTTP1, HTTP2, provider};
use crate::Shutdown;
use crate::grpc::arrivals;
use crate::health::{self, Component};
use crate::metrics::{Counter, Gauge, Metrics};

/// Whoever opens a connection has so long to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(3);

/// Paths of PEM files; empty: none.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsServerSettings {
    /// The server's certificate, then those between it and the authority. Empty: no TLS.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Authorities one of which has to have signed every client's certificate; empty: clients need none.
    pub client_ca: PathBuf,
    /// How often the files are looked at.
    #[serde(with = "humantime_serde")]
    pub look_every: Duration,
}

/// What a listener shows at the moment. Connections that stand keep what they began with.
#[derive(Debug, Clone)]
pub struct TlsServer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: Files,
    look_every: Duration,
    current: ArcSwap<Shown>,
    /// What `current` was made of.
    used: Mutex<Contents>,
    figures: Figures,
}

/// What is spoken over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

/// The same to whatever is spoken.
#[derive(Debug)]
struct Shown {
    http1: Arc<ServerConfig>,
    http2: Arc<ServerConfig>,
}

impl Shown {
    fn to(&self, protocol: Protocol) -> Arc<ServerConfig> {
        match protocol {
            Protocol::Http1 => self.http1.clone(),
            Protocol::Http2 => self.http2.clone(),
        }
    }
}

#[derive(Debug, Clone)]
struct Files {
    identity: Identity,
    client_ca: Option<File>,
}

#[derive(Debug, PartialEq, Eq)]
struct Contents {
    identity: (Vec<u8>, Vec<u8>),
    client_ca: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Figures {
    reloads: Counter,
    broken: Gauge,
    refused: Counter,
}

impl TlsServer {
    /// `None`: the settings want no TLS.
    ///
    /// # Errors
    /// A file that cannot be read or used; names the setting.
    pub fn load(settings: &TlsServerSettings) -> Result<Option<Self>, TlsError> {
        let client_ca = File::named("client_ca", &settings.client_ca);
        let Some(identity) = Identity::named(&settings.certificate, &settings.key)? else {
            // Whoever asks for certificates of clients would otherwise get a door that asks for nothing.
            return match client_ca {
                Some(_) => Err(TlsError::Half {
                    given: "client_ca",
                    missing: "certificate",
                }),
                None => Ok(None),
            };
        };
        let files = Files {
            identity,
            client_ca,
        };
        let contents = files.read()?;
        let current = files.config(&contents)?;
        Ok(Some(Self(Arc::new(Inner {
            files,
            look_every: settings.look_every,
            current: ArcSwap::from_pointee(current),
            used: Mutex::new(contents),
            figures: Figures::default(),
        }))))
    }

    /// Shows from now on how reloads and handshakes went.
    pub fn show(&self, metrics: &Metrics) {
        let figures = &self.0.figures;
        metrics.register(
            "grpc_tls_reloads",
            "Times changed TLS files were taken into use",
            figures.reloads.clone(),
        );
        metrics.register(
            "grpc_tls_files_broken",
            "1 while the TLS files cannot be used and those read before are",
            figures.broken.clone(),
        );
        metrics.register(
            "grpc_tls_handshakes_refused",
            "Connections that ended before a key was agreed on, such as clients without a certificate",
            figures.refused.clone(),
        );
    }

    /// Agrees on keys with whoever opened `connection`.
    ///
    /// # Errors
    /// They could not agree, or it took too long.
    pub async fn accept(
        &self,
        connection: TcpStream,
        protocol: Protocol,
    ) -> io::Result<TlsStream<TcpStream>> {
        let agreed = self.agree(connection, protocol).await;
        if agreed.is_err() {
            self.0.figures.refused.inc();
        }
        agreed
    }

    async fn agree(
        &self,
        connection: TcpStream,
        protocol: Protocol,
    ) -> io::Result<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(self.0.current.load().to(protocol));
        let agreed = tokio::time::timeout(HANDSHAKE, acceptor.accept(connection)).await;
        agreed.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// The connections of gRPC among `connections` that came to an agreement. A slow one holds up nobody else, nor do many.
    pub fn agreed(
        self,
        connections: impl Stream<Item = io::Result<TcpStream>> + Send,
    ) -> impl Stream<Item = io::Result<TlsStream<TcpStream>>> + Send {
        let refused = self.0.figures.refused.clone();
        arrivals::apart(connections, refused, move |connection| {
            let tls = self.clone();
            async move { tls.agree(connection, Protocol::Http2).await }
        })
    }

    /// Takes files that changed into use until shutdown. Files that cannot be used leave things as they are: that is logged
    /// once, and shown until they can.
    ///
    /// # Errors
    /// Never.
    pub async fn watch(self, component: Component, shutdown: Shutdown) -> Result<(), Infallible> {
        component.ready();
        let mut said = None;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(self.0.look_every) => {}
            }
            let inner = self.0.clone();
            let looked = tokio::task::spawn_blocking(move || inner.look()).await;
            let Ok(looked) = looked else { continue };
            match looked {
                Ok(false) if said.is_none() => {}
                Ok(taken) => {
                    if taken {
                        info!("certificates were read anew");
                    } else {
                        info!("certificates can be read again");
                    }
                    said = None;
                    self.0.figures.broken.set(0);
                    component.ready();
                }
                Err(broken) => {
                    let why = health::chain(&broken);
                    self.0.figures.broken.set(1);
                    component.trouble(format!("new certificates cannot be used: {why}"));
                    if said.as_ref() != Some(&why) {
                        error!(
                            reason = why,
                            "new certificates cannot be used, the ones before stay: {why}"
                        );
                        said = Some(why);
                    }
                }
            }
        }
    }
}

impl Inner {
    /// Whether there was something new.
    fn look(&self) -> Result<bool, TlsError> {
        let contents = self.files.read()?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if *used == contents {
            return Ok(false);
        }
        self.current.store(Arc::new(self.files.config(&contents)?));
        *used = contents;
        self.figures.reloads.inc();
        Ok(true)
    }
}

impl Files {
    fn read(&self) -> Result<Contents, TlsError> {
        Ok(Contents {
            identity: self.identity.read()?,
            client_ca: self.client_ca.as_ref().map(File::read).transpose()?,
        })
    }

    /// Each has sessions of its own: none that began under another authority is resumed.
    fn config(&self, contents: &Contents) -> Result<Shown, TlsError> {
        let (certificates, key) = self.identity.parsed(&contents.identity)?;
        let wrong = |error: rustls::Error| self.identity.unusable(error);
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(wrong)?;
        let builder = match (&self.client_ca, &contents.client_ca) {
            (Some(file), Some(pem)) => {
                let authorities = Arc::new(file.authorities(pem)?);
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(authorities, provider()).build();
                let verifier = verifier
                    .map_err(|error| file.unusable(rustls::Error::General(error.to_string())))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(certificates, key).map_err(wrong)?;
        config.alpn_protocols = vec![HTTP2.to_vec()];
        let mut http1 = config.clone();
        http1.alpn_protocols = vec![HTTP1.to_vec()];
        Ok(Shown {
            http1: Arc::new(http1),
            http2: Arc::new(config),
        })
    }
}
