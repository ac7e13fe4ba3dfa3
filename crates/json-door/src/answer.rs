//! An answer on its way out: gRPC's message as JSON, its status as a problem.

use std::convert::Infallible;

use bytes::Bytes;
use bytesize::ByteSize;
use futures::stream;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use millrace_service_kit::rejection;
use prost_reflect::{MessageDescriptor, MethodDescriptor};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status, Streaming};
use tracing::error;

use crate::deadline::within;
use crate::problem::Problem;
use crate::raw::Raw;
use crate::{json, media, translation};

/// `reason` of an answer that is not given.
pub const TOO_LARGE: &str = "ANSWER_TOO_LARGE";

pub type Answer = http::Response<UnsyncBoxBody<Bytes, Infallible>>;

/// The answer to `call`, in JSON; `longest`: of one message, as it travels in gRPC. Headers stay behind: they are about how gRPC travels.
pub async fn to_http(
    call: &MethodDescriptor,
    answer: http::Response<Body>,
    longest: ByteSize,
    deadline: Option<Instant>,
) -> Answer {
    let (head, body) = answer.into_parts();
    if let Some(status) = Status::from_header_map(&head.headers)
        && status.code() != Code::Ok
    {
        return Problem::of(&status).into();
    }
    let messages = Messages {
        kind: call.output(),
        read: Streaming::new_response(Raw, body, head.status, None, Some(usize::MAX)),
        longest,
        deadline,
    };
    match call.is_server_streaming() {
        true => lines(messages),
        false => messages.only().await.map_or_else(
            |status| Problem::of(&status).into(),
            |text| ok(media::JSON, Full::new(text.into()).boxed_unsync()),
        ),
    }
}

fn ok(media: &'static str, body: UnsyncBoxBody<Bytes, Infallible>) -> Answer {
    let mut answer = Answer::new(body);
    let media = HeaderValue::from_static(media);
    answer.headers_mut().insert(CONTENT_TYPE, media);
    answer
}

/// What a call answers, translated one by one.
struct Messages {
    kind: MessageDescriptor,
    read: Streaming<Bytes>,
    longest: ByteSize,
    deadline: Option<Instant>,
}

impl Messages {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Status> {
        let message = within(self.deadline, self.read.message()).await??;
        match message {
            Some(bytes) => self.text(bytes).await.map(Some),
            None => Ok(None),
        }
    }

    /// Of a call that answers once: whether it succeeded is said behind the message.
    async fn only(mut self) -> Result<Vec<u8>, Status> {
        let message = self.next().await?;
        within(self.deadline, self.read.message()).await??;
        message.ok_or_else(|| {
            error!(kind = self.kind.full_name(), "a call has answered nothing");
            rejection::broken("NO_ANSWER", "the call has answered nothing")
        })
    }

    /// As JSON it is several times as long.
    async fn text(&self, bytes: Bytes) -> Result<Vec<u8>, Status> {
        if bytes.len() as u64 > self.longest.as_u64() {
            return Err(too_large(self.longest));
        }
        let kind = self.kind.clone();
        translation::of(bytes.len(), move || {
            json::write(&kind, &bytes).map_err(|cause| {
                let cause = &cause as &dyn std::error::Error;
                let name = kind.full_name();
                error!(error = cause, "a {name} cannot be written as JSON");
                rejection::broken("ANSWER_UNREADABLE", "the answer cannot be written as JSON")
            })
        })
        .await
    }
}

/// What a gRPC client's own limit would say.
fn too_large(longest: ByteSize) -> Status {
    let why = format!(
        "the answer is larger than {longest}: ask for less at once, such as a smaller page"
    );
    rejection::broken(TOO_LARGE, why)
}

/// `{"message": …}` per line; `{"problem": …}` as the last one where it does not end well.
fn lines(messages: Messages) -> Answer {
    let lines = stream::unfold(Some(messages), async |messages| {
        let mut messages = messages?;
        let (line, rest) = match messages.next().await {
            Ok(None) => return None,
            Ok(Some(text)) => (
                [b"{\"message\":", &text[..], b"}\n"].concat(),
                Some(messages),
            ),
            Err(status) => {
                let problem = Problem::of(&status).to_value();
                (format!("{problem}\n").into_bytes(), None)
            }
        };
        let frame = Frame::data(Bytes::from(line));
        Some((Ok::<_, Infallible>(frame), rest))
    });
    ok(media::LINES, StreamBody::new(lines).boxed_unsync())
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use millrace_contract::stock::v1::{Availability, GetAvailabilityResponse};
    use prost::Message;
    use serde_json::Value;

    use super::*;
    use crate::catalogue::Catalogue;
    use crate::raw;

    /// What is told of an answer with so long a name in it.
    async fn told(name: usize, longest: ByteSize) -> (StatusCode, Value) {
        let catalogue = Catalogue::read(millrace_contract::DESCRIPTORS).unwrap();
        let call = catalogue.find("/millrace.stock.v1.StockService/GetAvailability");
        let answered = GetAvailabilityResponse {
            availability: Some(Availability {
                unit: "x".repeat(name),
                ..Default::default()
            }),
        };
        let frame = raw::framed(&answered.encode_to_vec()).unwrap();
        let trailers = Frame::trailers(http::HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("0"),
        )]));
        let frames = [Frame::data(frame), trailers].map(Ok::<_, Infallible>);
        let body = Body::new(StreamBody::new(stream::iter(frames)));
        let answer = to_http(call.unwrap(), http::Response::new(body), longest, None).await;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn an_answer_that_is_too_large_is_a_problem_that_says_to_ask_for_less() {
        for name in [10, 200 << 10] {
            let (status, answer) = told(name, ByteSize::kib(256)).await;
            assert_eq!(status, StatusCode::OK);
            let unit = answer["availability"]["unit"].as_str().unwrap();
            assert_eq!(unit.len(), name);
        }
        let (status, problem) = told(300 << 10, ByteSize::kib(256)).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(problem["type"], "urn:millrace:problem:answer-too-large");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains("256.0 KiB") && detail.contains("a smaller page"),
            "{detail}"
        );
    }
}
