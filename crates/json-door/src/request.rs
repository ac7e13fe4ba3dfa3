//! A request on its way in: the head becomes gRPC's, the body is translated while the handler reads it. Who is not let in is
//! refused before a byte of it is read; what cannot be translated is refused by the door, like any other message.

use std::error::Error;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use bytesize::ByteSize;
use futures::stream::{self, Stream, StreamExt};
use http::header::{AUTHORIZATION, CONTENT_TYPE, TE, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Version};
use http_body_util::{BodyExt, LengthLimitError, Limited, StreamBody};
use hyper::body::{Body as HttpBody, Frame};
use millrace_service_kit::rejection;
use prost_reflect::{MessageDescriptor, MethodDescriptor};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::{deadline, json, raw, translation};

/// From its first byte to its last, a message may take so long; before that, a stream may be silent.
const MESSAGE_WITHIN: Duration = Duration::from_secs(60);

/// What gRPC looks at in a request's head.
const FORWARDED: [HeaderName; 5] = [
    AUTHORIZATION,
    USER_AGENT,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static(deadline::HEADER),
];

/// The same request, as a gRPC client would have made it. `longest`: of one message.
pub fn to_grpc<B>(
    call: &MethodDescriptor,
    request: http::Request<B>,
    longest: ByteSize,
) -> http::Request<Body>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (mut head, body) = request.into_parts();
    let mut grpc = http::Request::new(match call.is_client_streaming() {
        true => framed(lines(call.input(), body, longest)),
        false => framed(stream::once(document(call.input(), body, longest))),
    });
    *grpc.method_mut() = Method::POST;
    *grpc.version_mut() = Version::HTTP_2;
    *grpc.uri_mut() = head.uri;
    let headers = grpc.headers_mut();
    for name in FORWARDED {
        if let Some(value) = head.headers.remove(&name) {
            headers.insert(name, value);
        }
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    grpc
}

fn framed(messages: impl Stream<Item = Result<Bytes, Status>> + Send + 'static) -> Body {
    Body::new(StreamBody::new(
        messages.map(|message| message.map(Frame::data)),
    ))
}

/// The one message of a body.
async fn document<B>(kind: MessageDescriptor, body: B, longest: ByteSize) -> Result<Bytes, Status>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Who says beforehand that it is too much need not send it.
    if body.size_hint().lower() > longest.as_u64() {
        return Err(rejection::too_large(longest));
    }
    let most = usize::try_from(longest.as_u64()).unwrap_or(usize::MAX);
    let whole = Limited::new(body, most).collect();
    let collected = tokio::time::timeout(MESSAGE_WITHIN, whole).await;
    let collected = collected.map_err(|_| too_slow())?;
    let text = collected.map_err(|error| match error.is::<LengthLimitError>() {
        true => rejection::too_large(longest),
        false => broken_off(),
    })?;
    translated(kind, text.to_bytes()).await
}

async fn translated(kind: MessageDescriptor, text: Bytes) -> Result<Bytes, Status> {
    let length = text.len();
    translation::of(length, move || raw::framed(&json::read(&kind, &text)?)).await
}

fn too_slow() -> Status {
    let why = format!(
        "the message took longer than {} s to come",
        MESSAGE_WITHIN.as_secs()
    );
    Status::new(Code::DeadlineExceeded, why)
}

/// Nobody is there any more to hear it.
fn broken_off() -> Status {
    Status::cancelled("the request broke off")
}

/// One message per line, as they come. Empty lines keep a connection alive and mean nothing.
fn lines<B>(
    kind: MessageDescriptor,
    body: B,
    longest: ByteSize,
) -> impl Stream<Item = Result<Bytes, Status>> + Send
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let lines = Lines {
        body,
        longest,
        read: BytesMut::new(),
        searched: 0,
        began: None,
        ended: false,
    };
    stream::try_unfold((lines, kind), async |(mut lines, kind)| {
        let Some(line) = lines.next().await? else {
            return Ok(None);
        };
        let message = translated(kind.clone(), line).await?;
        Ok(Some((message, (lines, kind))))
    })
}

struct Lines<B> {
    body: B,
    longest: ByteSize,
    read: BytesMut,
    /// So many bytes of `read` hold no end of a line.
    searched: usize,
    /// When the first byte of what is read now came.
    began: Option<Instant>,
    ended: bool,
}

impl<B> Lines<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            let end = self.read[self.searched..]
                .iter()
                .position(|byte| *byte == b'\n');
            let line = match end {
                Some(end) => {
                    let line = self.read.split_to(self.searched + end);
                    self.read.advance(1);
                    line
                }
                None if self.ended && self.read.is_empty() => return Ok(None),
                None if self.ended => self.read.split(),
                None => {
                    self.searched = self.read.len();
                    self.more().await?;
                    continue;
                }
            };
            self.searched = 0;
            self.began = None;
            if line.len() as u64 > self.longest.as_u64() {
                return Err(rejection::too_large(self.longest));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line.freeze()));
            }
        }
    }

    async fn more(&mut self) -> Result<(), Status> {
        if self.read.len() as u64 > self.longest.as_u64() {
            return Err(rejection::too_large(self.longest));
        }
        if self.began.is_none() && !self.read.is_empty() {
            self.began = Some(Instant::now());
        }
        let until = self.began.map(|began| began + MESSAGE_WITHIN);
        let frame = deadline::within(until, self.body.frame()).await;
        match frame.map_err(|_| too_slow())? {
            None => self.ended = true,
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.read.extend_from_slice(&data);
                }
            }
            Some(Err(_)) => return Err(broken_off()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// A body that comes in these pieces.
    fn lines_of(pieces: &[&'static str]) -> Lines<impl HttpBody<Data = Bytes> + Unpin> {
        let frames: Vec<_> = pieces
            .iter()
            .map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from_static(piece.as_bytes()))))
            .collect();
        Lines {
            body: StreamBody::new(stream::iter(frames)),
            longest: ByteSize::b(16),
            read: BytesMut::new(),
            searched: 0,
            began: None,
            ended: false,
        }
    }

    #[tokio::test]
    async fn lines_are_found_however_the_body_is_cut() {
        let mut lines = lines_of(&["{\"a\"", ":1}\n{\"b\":2", "}\r\n\n  \n{\"c\"", ":3}"]);
        for expected in ["{\"a\":1}", "{\"b\":2}\r", "{\"c\":3}"] {
            assert_eq!(lines.next().await.unwrap().unwrap(), expected);
        }
        assert_eq!(lines.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_refused_whether_it_ends_or_not() {
        for pieces in [
            &["{\"a\":\"0123456789\"}\n"][..],
            &["{\"a\":\"012", "3456789", "01234567890", "never read"],
        ] {
            let refused = lines_of(pieces).next().await.unwrap_err();
            assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        }
    }
    #[tokio::test(start_paused = true)]
    async fn a_message_that_drips_is_given_up_and_a_silent_stream_is_not() {
        let kind = prost_reflect::DescriptorPool::decode(millrace_contract::DESCRIPTORS).unwrap();
        let kind = kind.get_message_by_name("millrace.order.v1.GetOrderRequest");
        let dripping = stream::unfold((), async |()| {
            tokio::time::advance(Duration::from_secs(20)).await;
            Some((
                Ok::<_, Infallible>(Frame::data(Bytes::from_static(b" "))),
                (),
            ))
        });
        let body = Box::pin(StreamBody::new(dripping));
        let refused = document(kind.clone().unwrap(), body, ByteSize::mib(4)).await;
        assert_eq!(refused.unwrap_err().code(), Code::DeadlineExceeded);

        // The second line begins hours after the first, and does not end.
        let begins = stream::iter([(0, "{}\n"), (7200, "{")]);
        let pieces = begins.chain(stream::repeat((20, " ")));
        let pieces = pieces.then(async |(after, piece)| {
            tokio::time::advance(Duration::from_secs(after)).await;
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(piece.as_bytes())))
        });
        let lines = lines(
            kind.unwrap(),
            Box::pin(StreamBody::new(pieces)),
            ByteSize::mib(4),
        );
        let mut lines = std::pin::pin!(lines);
        lines.next().await.unwrap().unwrap();
        let refused = lines.next().await.unwrap().unwrap_err();
        assert_eq!(refused.code(), Code::DeadlineExceeded);
    }
}
