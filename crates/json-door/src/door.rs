//! From a request in HTTP to its answer.

use std::error::Error;

use bytes::Bytes;
use bytesize::ByteSize;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Body as HttpBody;
use millrace_service_kit::grpc::{Calls, Entrance};
use millrace_service_kit::metrics::{Counter, Family};
use prost_reflect::{DescriptorError, MethodDescriptor};
use tokio::time::Instant;
use tonic::Status;

use crate::answer::{self, Answer};
use crate::catalogue::Catalogue;
use crate::problem::{Kind, Problem};
use crate::{deadline, media, openapi, request, shape};

/// Where the description stands. It tells no secret, so that a token is not needed.
const DESCRIPTION: &str = "/openapi.json";

/// All calls of a process, in JSON.
#[derive(Debug)]
pub struct JsonDoor {
    calls: Calls,
    catalogue: Catalogue,
    description: Bytes,
    /// Of one message, in either direction.
    longest: ByteSize,
    refused: Family<[(&'static str, String); 1], Counter>,
}

impl JsonDoor {
    /// `entrance` is the one the calls were put together with.
    ///
    /// # Errors
    /// Its descriptors are none.
    pub fn new(calls: Calls, entrance: &Entrance) -> Result<Self, DescriptorError> {
        let catalogue = Catalogue::read(entrance.descriptors)?;
        let description = openapi::document(&catalogue).to_string();
        Ok(Self {
            calls,
            catalogue,
            description: description.into(),
            longest: entrance.limits.message,
            refused: entrance.metrics.register(
                "http_requests_refused",
                "Requests that are no call, by HTTP status: calls are counted as those of gRPC are",
                Family::default(),
            ),
        })
    }

    /// Answers a request, whatever it is.
    pub async fn answer<B>(&self, request: Request<B>) -> Answer
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        if request.uri().path() == DESCRIPTION {
            return self.describe(request.method());
        }
        match self.call(&request) {
            Ok((call, deadline)) => {
                let answered = self.answered(call, request, deadline).await;
                answered.unwrap_or_else(|status| Problem::of(&status).into())
            }
            Err(problem) => self.refuse(*problem),
        }
    }

    /// Which call it is, and until when the caller waits.
    fn call<B>(
        &self,
        request: &Request<B>,
    ) -> Result<(&MethodDescriptor, Option<Instant>), Box<Problem>> {
        let path = request.uri().path();
        let call = self.catalogue.find(path).ok_or_else(|| {
            let path = shape::short(path);
            let why = format!("{path} is no call of Millrace; {DESCRIPTION} lists them");
            Problem::new(Kind::UnknownPath, why)
        })?;
        if request.method() != Method::POST {
            return Err(Problem::wrong_method("POST").into());
        }
        let takes = media::of(call.is_client_streaming());
        let answers = media::of(call.is_server_streaming());
        if let Some(problem) = media::mismatch(request.headers(), takes, answers) {
            return Err(problem.into());
        }
        let deadline = deadline::of(request.headers());
        Ok((call, deadline.map_err(|status| Problem::of(&status))?))
    }

    fn refuse(&self, problem: Problem) -> Answer {
        let status = problem.status().as_str().to_owned();
        self.refused.get_or_create(&[("status", status)]).inc();
        problem.into()
    }

    /// Within the time the caller has.
    async fn answered<B>(
        &self,
        call: &MethodDescriptor,
        request: Request<B>,
        deadline: Option<Instant>,
    ) -> Result<Answer, Status>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let request = request::to_grpc(call, request, self.longest);
        let answer = deadline::within(deadline, self.calls.answer(request)).await?;
        Ok(answer::to_http(call, answer, self.longest, deadline).await)
    }

    fn describe(&self, method: &Method) -> Answer {
        if method != Method::GET && method != Method::HEAD {
            return self.refuse(Problem::wrong_method("GET, HEAD"));
        }
        let mut answer = Answer::new(Full::new(self.description.clone()).boxed_unsync());
        let media = HeaderValue::from_static(media::JSON);
        answer.headers_mut().insert(CONTENT_TYPE, media);
        answer
    }
}
