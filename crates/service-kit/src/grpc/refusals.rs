//! Refusals on their way out. What tonic itself refuses (a message that cannot be decoded, one that is too large, a call
//! nobody serves) is put into the words of DESIGN.md §7, in one place for all servers; every refusal is logged once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytesize::ByteSize;
use http::HeaderMap;
use tokio::time::Instant;
use tonic::{Code, Status};
use tracing::info;

use crate::auth::Caller;
use crate::rejection;

/// Where the code stands in headers and trailers.
pub const STATUS: &str = "grpc-status";
/// A caller who is refused over and over fills nobody's log: so many lines per caller and code in each window, then
/// silence, then how many there were.
const LINES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);
/// Callers remembered, each by code. An issuer may name many: further ones share what is left.
const CALLERS: usize = 1024;
const OTHERS: &str = "";
/// Of what a caller wrote, a line repeats so many characters at most.
const LONGEST: usize = 300;

#[derive(Debug)]
pub struct Refusals {
    longest_message: ByteSize,
    said: Mutex<HashMap<(String, Code), Said>>,
}

#[derive(Debug)]
struct Said {
    since: Instant,
    lines: u32,
    /// Refusals without a line.
    passed_over: u64,
}

impl Refusals {
    pub fn new(longest_message: ByteSize) -> Self {
        Self {
            longest_message,
            said: Mutex::default(),
        }
    }

    /// Reads the status in `headers`, puts it into our words where tonic chose its own, and logs it when it is a refusal.
    /// Answers the code that leaves.
    pub fn say(&self, headers: &mut HeaderMap, method: &str, caller: Option<&Caller>) -> Code {
        let Some(mut status) = Status::from_header_map(headers) else {
            return Code::Unknown;
        };
        if let Some(worded) = self.in_our_words(&status, method) {
            for name in [STATUS, "grpc-message", "grpc-status-details-bin"] {
                headers.remove(name);
            }
            // Only text that is no header value at all could fail, and headers are what it came from.
            if worded.add_header(headers).is_err() {
                return status.code();
            }
            status = worded;
        }
        if is_refusal(status.code()) {
            self.log(&status, method, caller);
        }
        status.code()
    }

    /// Every status of ours carries details; one of these codes without any was made by tonic, before or instead of a
    /// handler, and says that the request could not be read.
    fn in_our_words(&self, status: &Status, method: &str) -> Option<Status> {
        if !status.details().is_empty() || !method.starts_with("millrace.") {
            return None;
        }
        match status.code() {
            Code::Internal => Some(rejection::bad_request(
                "message",
                format!("cannot be decoded: {}", status.message()),
            )),
            Code::OutOfRange => Some(rejection::too_large(self.longest_message)),
            Code::Unimplemented if status.message().is_empty() => Some(rejection::unknown_call(
                format!("{} is not served here", short(method)),
            )),
            Code::Unimplemented => Some(rejection::unknown_call(status.message())),
            _ => None,
        }
    }

    fn log(&self, status: &Status, method: &str, caller: Option<&Caller>) {
        let name = caller.map_or("nobody", Caller::name);
        let Some(passed_over) = self.may_say(name, status.code(), Instant::now()) else {
            return;
        };
        let (method, reason) = (short(method), short(status.message()));
        info!(
            method,
            code = ?status.code(),
            caller = name,
            channel = caller.and_then(Caller::channel),
            reason,
            passed_over = (passed_over > 0).then_some(passed_over),
            "{method} was refused to {name}: {reason}"
        );
    }

    /// `None`: this caller heard this often enough for now. Otherwise how many were passed over since the last line.
    fn may_say(&self, caller: &str, code: Code, now: Instant) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (caller.to_owned(), code);
        if said.len() >= CALLERS && !said.contains_key(&key) {
            said.retain(|_, said| now.duration_since(said.since) < WINDOW);
            if said.len() >= CALLERS {
                key.0 = OTHERS.to_owned();
            }
        }
        let said = said.entry(key).or_insert_with(|| Said {
            since: now,
            lines: 0,
            passed_over: 0,
        });
        if now.duration_since(said.since) >= WINDOW {
            said.since = now;
            said.lines = 0;
        }
        if said.lines >= LINES {
            said.passed_over += 1;
            return None;
        }
        said.lines += 1;
        Some(std::mem::take(&mut said.passed_over))
    }
}

/// The business, or the door, says no. Everything else is a failure: logged by whom it befell.
fn is_refusal(code: Code) -> bool {
    match code {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::ResourceExhausted
        | Code::OutOfRange
        | Code::Unimplemented => true,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => false,
    }
}

/// One line, however it was written.
fn short(text: &str) -> String {
    let line: String = text
        .chars()
        .take(LONGEST)
        .map(|character| match character.is_control() {
            true => ' ',
            false => character,
        })
        .collect();
    if line.len() < text.len() && text.chars().count() > LONGEST {
        return line + "…";
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusals() -> Refusals {
        Refusals::new(ByteSize::mib(4))
    }

    #[test]
    fn a_flood_is_passed_over_and_counted() {
        let (refusals, began) = (refusals(), Instant::now());
        let may_say = |caller: &str, at| refusals.may_say(caller, Code::InvalidArgument, at);
        let heard = |caller: &str| {
            let lines = (0..100).filter_map(|_| may_say(caller, began));
            lines.count()
        };
        assert_eq!(heard("shop"), 20);
        assert_eq!(
            heard("another"),
            20,
            "one caller's flood hides nobody else's"
        );
        assert_eq!(may_say("shop", began + WINDOW), Some(80));
        assert_eq!(may_say("shop", began + WINDOW), Some(0));
    }

    #[test]
    fn callers_without_number_are_not_all_remembered() {
        let (refusals, began) = (refusals(), Instant::now());
        let may_say = |number: usize, at| {
            let caller = format!("company:{number}");
            refusals.may_say(&caller, Code::NotFound, at).is_some()
        };
        let heard = (0..CALLERS + 100).filter(|number| may_say(*number, began));
        assert_eq!(heard.count(), CALLERS + 20);
        assert!(refusals.said.lock().unwrap().len() <= CALLERS + 1);
        assert!(may_say(CALLERS + 100, began + WINDOW));
        assert_eq!(refusals.said.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_refusal_of_ours_is_left_as_it_is() {
        let status = rejection::broken("ROW_UNREADABLE", "a row cannot be read");
        assert!(
            refusals()
                .in_our_words(&status, "millrace.catalog.v1.CatalogService/GetItem")
                .is_none()
        );
        let health = Status::internal("");
        assert!(
            refusals()
                .in_our_words(&health, "grpc.health.v1.Health/Check")
                .is_none()
        );
    }

    #[test]
    fn what_a_caller_wrote_stays_one_line() {
        assert_eq!(short("no\nsecond line"), "no second line");
        assert_eq!(short(&"x".repeat(1000)).chars().count(), LONGEST + 1);
    }
}
