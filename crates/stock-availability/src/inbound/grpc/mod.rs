//! `millrace.stock.v1.StockService`, wire-compatible with the generated client and without its messages on the way: a
//! request is read in place, an answer is looked up while it is written into the frame.

mod answer;
mod desk;
mod fields;
mod live;
mod question;
mod reply;
mod watch;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, Either};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use millrace_contract::stock::v1::Source;
use millrace_contract::stock::v1::stock_service_server::SERVICE_NAME;
use millrace_service_kit::auth::Caller;
use millrace_service_kit::rejection::unknown_call;
use tonic::body::Body;
use tonic::codegen::{Body as HttpBody, StdError};
use tonic::server::{Grpc, NamedService, ServerStreamingService, StreamingService, UnaryService};
use tonic::{Request, Response, Status, Streaming};
use tower::Service;

pub use desk::{Desk, SCOPE, TooManyChannels};
pub use live::{Asker, InFlightSource, Live};
use question::{Asked, Shape};
use reply::{Reply, ReplyCodec};

const GET: &str = "/millrace.stock.v1.StockService/GetAvailability";
const BATCH: &str = "/millrace.stock.v1.StockService/BatchGetAvailability";

/// Answered from memory in microseconds: for [`millrace_service_kit::grpc::Entrance::quick`].
pub const QUICK: [&str; 2] = [GET, BATCH];

/// The service, to be added to a server's routes behind service-kit's layers.
#[derive(Clone)]
pub struct StockServer {
    desk: Arc<Desk>,
    longest_message: usize,
}

impl StockServer {
    #[must_use]
    pub fn new(desk: Arc<Desk>, longest_message: usize) -> Self {
        Self {
            desk,
            longest_message,
        }
    }

    fn grpc(&self, shape: Shape) -> Grpc<ReplyCodec> {
        Grpc::new(ReplyCodec(shape)).max_decoding_message_size(self.longest_message)
    }
}

impl NamedService for StockServer {
    const NAME: &'static str = SERVICE_NAME;
}

impl<B> Service<http::Request<B>> for StockServer
where
    B: HttpBody + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let desk = self.desk.clone();
        match request.uri().path() {
            GET => {
                let mut grpc = self.grpc(Shape::Get);
                Box::pin(async move { Ok(grpc.unary(Lookup(desk), request).await) })
            }
            BATCH => {
                let mut grpc = self.grpc(Shape::Batch);
                Box::pin(async move { Ok(grpc.unary(Lookup(desk), request).await) })
            }
            "/millrace.stock.v1.StockService/StreamAvailability" => {
                let mut grpc = self.grpc(Shape::Stream);
                Box::pin(async move { Ok(grpc.streaming(Talk(desk), request).await) })
            }
            "/millrace.stock.v1.StockService/WatchAvailability" => {
                let mut grpc = self.grpc(Shape::Watch);
                Box::pin(async move { Ok(grpc.server_streaming(Watch(desk), request).await) })
            }
            path => Box::pin(ready(Ok(unknown_call(format!(
                "{path} is not a call of this service"
            ))
            .into_http()))),
        }
    }
}

/// One question, or up to a thousand.
struct Lookup(Arc<Desk>);

type Answered = Result<Response<Reply>, Status>;

impl UnaryService<Asked> for Lookup {
    type Response = Reply;
    type Future = Either<Ready<Answered>, BoxFuture<'static, Answered>>;

    fn call(&mut self, request: Request<Asked>) -> Self::Future {
        let window = match Caller::of(&request)
            .and_then(|caller| self.0.admit(&caller, request.get_ref()))
        {
            Ok(window) => window,
            Err(refused) => return Either::Left(ready(Err(refused))),
        };
        if !request.get_ref().wants_live() {
            let reply = self
                .0
                .from_index(request.into_inner(), window, Source::Index);
            return Either::Left(ready(Ok(Response::new(reply))));
        }
        let desk = self.0.clone();
        let patience = live::patience(request.metadata());
        let asked = request.into_inner();
        Either::Right(Box::pin(async move {
            Ok(Response::new(
                live::answer(desk, asked, window, patience).await,
            ))
        }))
    }
}

/// Questions and answers on one stream.
struct Talk(Arc<Desk>);

type Replies = BoxStream<'static, Result<Reply, Status>>;

impl StreamingService<Asked> for Talk {
    type Response = Reply;
    type ResponseStream = Replies;
    type Future = Ready<Result<Response<Replies>, Status>>;

    fn call(&mut self, request: Request<Streaming<Asked>>) -> Self::Future {
        let caller = match Caller::of(&request) {
            Ok(caller) => caller,
            Err(refused) => return ready(Err(refused)),
        };
        let desk = self.0.clone();
        let stop = desk.shutdown.clone().cancelled_owned();
        let answer = move |asked: Asked| {
            let window = desk.admit(&caller, &asked)?;
            Ok(desk.from_index(asked, window, Source::Index))
        };
        let replies = request
            .into_inner()
            .and_then(move |asked| ready(answer(asked)))
            .take_until(stop);
        ready(Ok(Response::new(replies.boxed())))
    }
}

/// The figure now, then whenever it changes.
struct Watch(Arc<Desk>);

impl ServerStreamingService<Asked> for Watch {
    type Response = Reply;
    type ResponseStream = Replies;
    type Future = Ready<Result<Response<Replies>, Status>>;

    fn call(&mut self, request: Request<Asked>) -> Self::Future {
        let window = match Caller::of(&request)
            .and_then(|caller| self.0.admit(&caller, request.get_ref()))
        {
            Ok(window) => window,
            Err(refused) => return ready(Err(refused)),
        };
        ready(Ok(Response::new(watch::replies(
            self.0.clone(),
            request.into_inner(),
            window,
        ))))
    }
}
