//! An answer on its way out: gRPC's message as JSON, its status as a problem.

use std::convert::Infallible;

use bytes::Bytes;
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
use crate::{json, media};

pub type Answer = http::Response<UnsyncBoxBody<Bytes, Infallible>>;

/// The answer to `call`, in JSON. Headers stay behind: they are about how gRPC travels.
pub async fn to_http(
    call: &MethodDescriptor,
    answer: http::Response<Body>,
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
    deadline: Option<Instant>,
}

impl Messages {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Status> {
        let message = within(self.deadline, self.read.message()).await??;
        message.map(|bytes| self.text(&bytes)).transpose()
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

    fn text(&self, bytes: &[u8]) -> Result<Vec<u8>, Status> {
        let kind = &self.kind;
        json::write(kind, bytes).map_err(|cause| {
            let cause = &cause as &dyn std::error::Error;
            let name = kind.full_name();
            error!(error = cause, "a {name} cannot be written as JSON");
            rejection::broken("ANSWER_UNREADABLE", "the answer cannot be written as JSON")
        })
    }
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
