//! The gRPC server every service runs in: one door with limits, authentication, traces, counts and refusals in one form;
//! health, reflection, a drain at the end.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use bytesize::ByteSize;
use prometheus_client::encoding::EncodeLabelSet;
use serde::Deserialize;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tokio_stream::{Stream, StreamExt};
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::Connected;

use crate::auth::Tokens;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::tls::TlsServer;
use crate::{Ids, Shutdown};

pub(crate) mod arrivals;
mod calls;
mod counters;
mod door;
pub mod inside;
mod quota;
mod refusals;
mod stream;

use inside::Visitors;

pub use calls::Calls;

/// What may come in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Largest message a client may send.
    pub message: ByteSize,
    /// Largest set of headers.
    pub headers: ByteSize,
    /// Calls at once on one connection.
    pub streams_per_connection: u32,
    /// An idle connection is asked whether it still lives.
    #[serde(with = "humantime_serde")]
    pub keepalive: Duration,
    /// Of one channel, in the long run, at each process. What services and operators call is not counted.
    pub calls_per_second: u32,
    /// Of one channel, at once after a rest.
    pub burst: u32,
    /// Where a channel may do more or less than others.
    #[serde(default)]
    pub channels: BTreeMap<String, Quota>,
}

/// Of one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    pub calls_per_second: u32,
    pub burst: u32,
}

/// For servers in tests: a process takes these from its settings.
impl Default for Limits {
    fn default() -> Self {
        Self {
            message: ByteSize::mib(4),
            headers: ByteSize::kib(16),
            streams_per_connection: 1024,
            keepalive: Duration::from_secs(30),
            calls_per_second: u32::MAX,
            burst: u32::MAX,
            channels: BTreeMap::new(),
        }
    }
}

impl Limits {
    /// For `max_decoding_message_size` of every server.
    #[must_use]
    pub fn message_bytes(&self) -> usize {
        usize::try_from(self.message.as_u64()).unwrap_or(usize::MAX)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    method: String,
    code: String,
}

#[derive(Debug, Error)]
pub enum ServeError {
    #[error("descriptors for reflection cannot be read")]
    Reflection(#[from] tonic_reflection::server::Error),
    #[error("the grpc server broke")]
    Transport(#[from] tonic::transport::Error),
}

/// What a server needs besides its routes.
#[derive(Debug, Clone)]
pub struct Entrance {
    pub tokens: Tokens,
    pub limits: Limits,
    pub health: Health,
    pub metrics: Metrics,
    /// Encoded `FileDescriptorSet` for reflection.
    pub descriptors: &'static [u8],
    /// Paths of unary calls so quick that a span in the log for each would be felt: they get one when they are refused.
    pub quick: &'static [&'static str],
}

/// Where connections come from: a port, in the clear or over TLS.
#[derive(Debug)]
pub struct Listener {
    pub tcp: TcpListener,
    pub tls: Option<TlsServer>,
}

impl From<TcpListener> for Listener {
    fn from(tcp: TcpListener) -> Self {
        Self { tcp, tls: None }
    }
}

/// Serves until shutdown is asked, then refuses new calls and returns when those in hand are done. Handlers of endless
/// streams must watch the shutdown themselves.
///
/// # Errors
/// The transport broke.
pub async fn serve(
    listener: impl Into<Listener>,
    routes: Routes,
    entrance: Entrance,
    shutdown: Shutdown,
) -> Result<(), ServeError> {
    let calls = Calls::new(routes, &entrance);
    serve_calls(listener, calls, entrance, shutdown).await
}

/// The same for calls that others in the process make, too; `entrance` is the one they were put together with.
///
/// # Errors
/// The transport broke.
pub async fn serve_calls(
    listener: impl Into<Listener>,
    calls: Calls,
    entrance: Entrance,
    shutdown: Shutdown,
) -> Result<(), ServeError> {
    let Listener { tcp, tls } = listener.into();
    let turned_away = calls.turned_away.clone();
    let connections = TcpListenerStream::new(tcp).filter_map(|connection| {
        let connection: TcpStream = connection.ok()?;
        connection.set_nodelay(true).ok()?;
        Some(Ok::<_, io::Error>(connection))
    });
    match tls {
        Some(tls) => {
            let speaking = arrivals::speaking(tls.agreed(connections), turned_away);
            serve_on(speaking, calls, entrance, shutdown).await
        }
        None => {
            let speaking = arrivals::speaking(connections, turned_away);
            serve_on(speaking, calls, entrance, shutdown).await
        }
    }
}

/// The same for whoever calls from within the process.
///
/// # Errors
/// The transport broke.
pub async fn serve_inside(
    Visitors(visitors): Visitors,
    calls: Calls,
    entrance: Entrance,
    shutdown: Shutdown,
) -> Result<(), ServeError> {
    let connections = UnboundedReceiverStream::new(visitors).map(Ok::<_, io::Error>);
    serve_on(connections, calls, entrance, shutdown).await
}

async fn serve_on<C>(
    connections: impl Stream<Item = io::Result<C>>,
    calls: Calls,
    entrance: Entrance,
    shutdown: Shutdown,
) -> Result<(), ServeError>
where
    C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let Entrance {
        limits,
        health,
        descriptors,
        ..
    } = entrance;
    let Calls { routes, door, .. } = calls;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(descriptors)
        .build_v1()?;
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let report = tokio::spawn(report_health(reporter, health, shutdown.clone()));
    let served = Server::builder()
        .max_concurrent_streams(limits.streams_per_connection)
        .http2_keepalive_interval(Some(limits.keepalive))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .http2_max_header_list_size(u32::try_from(limits.headers.as_u64()).unwrap_or(u32::MAX))
        .layer(door)
        .add_routes(routes.add_service(health_service).add_service(reflection))
        .serve_with_incoming_shutdown(connections, shutdown.cancelled_owned())
        .await;
    report.abort();
    Ok(served?)
}

async fn report_health(
    reporter: tonic_health::server::HealthReporter,
    health: Health,
    shutdown: Shutdown,
) {
    let mut changes = health.changes();
    loop {
        let serving = health.report().ready && !shutdown.is_cancelled();
        let status = if serving {
            tonic_health::ServingStatus::Serving
        } else {
            tonic_health::ServingStatus::NotServing
        };
        reporter.set_service_status("", status).await;
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = shutdown.cancelled() => {
                reporter.set_service_status("", tonic_health::ServingStatus::NotServing).await;
                return;
            }
        }
    }
}
