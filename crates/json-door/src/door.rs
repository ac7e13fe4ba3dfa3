//! From a request in HTTP to its answer.

use std::error::Error;

use bytes::Bytes;
use bytesize::ByteSize;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Body as HttpBody;
use millrace_service_kit::grpc::{Calls, Limits};
use prost_reflect::{DescriptorError, MethodDescriptor};
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
    /// Of one message.
    longest: ByteSize,
}

impl JsonDoor {
    /// `descriptors`: an encoded `FileDescriptorSet`.
    ///
    /// # Errors
    /// It is none.
    pub fn new(calls: Calls, descriptors: &[u8], limits: &Limits) -> Result<Self, DescriptorError> {
        let catalogue = Catalogue::read(descriptors)?;
        let description = openapi::document(&catalogue).to_string();
        Ok(Self {
            calls,
            catalogue,
            description: description.into(),
            longest: limits.message,
        })
    }

    /// Answers a request, whatever it is.
    pub async fn answer<B>(&self, request: Request<B>) -> Answer
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let path = request.uri().path();
        if path == DESCRIPTION {
            return self.describe(request.method());
        }
        let Some(call) = self.catalogue.find(path) else {
            let why = format!(
                "{} is no call of Millrace; {DESCRIPTION} lists them",
                shape::short(path)
            );
            return Problem::new(Kind::UnknownPath, why).into();
        };
        self.call(call, request).await
    }

    async fn call<B>(&self, call: &MethodDescriptor, request: Request<B>) -> Answer
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        if request.method() != Method::POST {
            return Problem::wrong_method("POST").into();
        }
        let takes = media::of(call.is_client_streaming());
        let answers = media::of(call.is_server_streaming());
        if let Some(problem) = media::mismatch(request.headers(), takes, answers) {
            return problem.into();
        }
        match self.answered(call, request).await {
            Ok(answer) => answer,
            Err(status) => Problem::of(&status).into(),
        }
    }

    /// Within the time the caller has.
    async fn answered<B>(
        &self,
        call: &MethodDescriptor,
        request: Request<B>,
    ) -> Result<Answer, Status>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let deadline = deadline::of(request.headers())?;
        let request = request::to_grpc(call, request, self.longest);
        let answer = deadline::within(deadline, self.calls.answer(request)).await?;
        Ok(answer::to_http(call, answer, deadline).await)
    }

    fn describe(&self, method: &Method) -> Answer {
        if method != Method::GET && method != Method::HEAD {
            return Problem::wrong_method("GET, HEAD").into();
        }
        let mut answer = Answer::new(Full::new(self.description.clone()).boxed_unsync());
        let media = HeaderValue::from_static(media::JSON);
        answer.headers_mut().insert(CONTENT_TYPE, media);
        answer
    }
}
