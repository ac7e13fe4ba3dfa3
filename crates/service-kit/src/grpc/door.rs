//! The one door of a server: what every call passes on its way in and out. Who is calling, in which trace, how it was
//! counted, and a refusal in our words.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, ready};
use http::{HeaderMap, HeaderValue, Uri};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument, Span, info_span};

use super::counters::Counters;
use super::quota::Quotas;
use super::refusals::{Refusals, STATUS};
use super::stream::Stream;
use crate::Ids;
use crate::auth::{Caller, Tokens};
use crate::trace::{HEADER, TraceContext, Work};

/// What a server's door knows.
#[derive(Debug)]
pub struct Door {
    pub tokens: Tokens,
    pub quotas: Quotas,
    pub counters: Counters,
    pub refusals: Refusals,
    pub ids: Ids,
    /// Paths of calls that get no span unless they are refused.
    pub quick: &'static [&'static str],
}

#[derive(Debug, Clone)]
pub struct DoorLayer(Arc<Door>);

impl DoorLayer {
    pub fn new(door: Door) -> Self {
        Self(Arc::new(door))
    }
}

impl<S> Layer<S> for DoorLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded {
            inner,
            door: self.0.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Guarded<S> {
    inner: S,
    door: Arc<Door>,
}

impl<S> Service<http::Request<Body>> for Guarded<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, ctx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(ctx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let (visit, admitted) = Visit::begin(self.door.clone(), &mut request);
        if let Err(refused) = admitted {
            let span = visit.span.clone();
            let answer = span.in_scope(|| visit.leave(refused.into_http()));
            return Box::pin(ready(Ok(answer)));
        }
        let answering = visit.span.in_scope(|| self.inner.call(request));
        let span = visit.span.clone();
        let leaving = async move { Ok(visit.leave(answering.await?)) };
        if span.is_disabled() {
            return Box::pin(leaving);
        }
        Box::pin(leaving.instrument(span))
    }
}

/// One call between the two sides of the door.
pub(super) struct Visit {
    door: Arc<Door>,
    uri: Uri,
    pub(super) caller: Option<Arc<Caller>>,
    /// Without one, `traceparent` tells what it would say.
    pub(super) span: Span,
    traceparent: Option<HeaderValue>,
    quick: bool,
    admitted: bool,
    work: Work,
}

impl Visit {
    fn begin(door: Arc<Door>, request: &mut http::Request<Body>) -> (Self, Result<(), Status>) {
        let uri = request.uri().clone();
        let (caller, admitted) = if uri.path().starts_with("/grpc.health.v1.Health/") {
            (None, Ok(()))
        } else {
            match door.tokens.authenticate(request.headers()) {
                Ok(caller) => {
                    let within = door.quotas.take(caller.channel());
                    (Some(caller), within)
                }
                Err(refused) => (None, Err(refused)),
            }
        };
        if let Some(caller) = &caller {
            request.extensions_mut().insert(caller.clone());
        }
        let mut visit = Self {
            quick: door.quick.contains(&uri.path()),
            door,
            uri,
            caller,
            span: Span::none(),
            traceparent: None,
            admitted: admitted.is_ok(),
            work: Work::untold(),
        };
        if visit.quick {
            visit.traceparent = request.headers().get(HEADER).cloned();
        } else {
            let trace = TraceContext::of(request.headers(), &visit.door.ids);
            request.extensions_mut().insert(trace);
            visit.span = visit.span_in(trace);
            // Strangers write nothing into anybody's traces.
            if let (Some(caller), Ok(())) = (&visit.caller, &admitted) {
                let given = request.headers().get(HEADER).and_then(TraceContext::given);
                let work = Work::serve(visit.method(), trace, given);
                visit.work = work.with("caller", &caller.name());
            }
        }
        (visit, admitted)
    }

    fn span_in(&self, trace: TraceContext) -> Span {
        info_span!(
            "call",
            method = self.method(),
            caller = self.caller(),
            channel = self.caller.as_ref().and_then(|caller| caller.channel()),
            trace_id = %trace.trace_id(),
        )
    }

    fn method(&self) -> &str {
        self.uri.path().trim_start_matches('/')
    }

    fn caller(&self) -> &str {
        self.caller
            .as_ref()
            .map_or("nobody", |caller| caller.name())
    }

    fn leave(self, mut response: http::Response<Body>) -> http::Response<Body> {
        match code_of(response.headers()) {
            None => {
                self.count(Code::Ok);
                if self.quick {
                    return response;
                }
                // How a stream ends is said in its trailers.
                response.map(|body| Body::new(Stream::new(body, self)))
            }
            Some(Code::Ok) => {
                self.count(Code::Ok);
                response
            }
            Some(_) => {
                let code = self.refuse(response.headers_mut());
                self.count(code);
                response
            }
        }
    }

    fn count(&self, code: Code) {
        let method = self.admitted.then(|| self.uri.path());
        self.door.counters.count(method, code);
    }

    /// Puts what the headers or trailers say into our words, and into the log. Answers the code that leaves.
    pub(super) fn refuse(&self, headers: &mut HeaderMap) -> Code {
        let mut say = || {
            self.door
                .refusals
                .say(headers, self.method(), self.caller.as_deref())
        };
        if !self.quick {
            let code = say();
            self.work.failed(&code);
            if code == Code::Unimplemented {
                self.work.rename("unknown");
            }
            return code;
        }
        let trace = TraceContext::of_value(self.traceparent.as_ref(), &self.door.ids);
        self.span_in(trace).in_scope(say)
    }
}

pub(super) fn code_of(headers: &HeaderMap) -> Option<Code> {
    let code = headers.get(STATUS)?;
    Some(Code::from_bytes(code.as_bytes()))
}

#[cfg(test)]
#[path = "door_tests.rs"]
mod tests;
