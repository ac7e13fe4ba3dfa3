//! Refusals as gRPC statuses with `google.rpc` details (DESIGN.md §7): the code says what kind, the details say what
//! exactly, the message says it to people.

use std::time::Duration;

use bytesize::ByteSize;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// `domain` of every `ErrorInfo`.
pub const DOMAIN: &str = "millrace";

/// Malformed: nothing was stored. `field` as in the proto, e.g. `order.lines[2].quantity`.
#[must_use]
pub fn bad_request(field: impl Into<String>, why: impl Into<String>) -> Status {
    bad_requests([(field.into(), why.into())])
}

/// Malformed in several places.
#[must_use]
pub fn bad_requests(violations: impl IntoIterator<Item = (String, String)>) -> Status {
    let mut details = ErrorDetails::new();
    let mut message = String::new();
    for (field, why) in violations {
        if !message.is_empty() {
            message.push_str("; ");
        }
        message.push_str(&format!("{field}: {why}"));
        details.add_bad_request_violation(field, why);
    }
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// `reason` of [`too_large`].
pub const TOO_LARGE: &str = "MESSAGE_TOO_LARGE";

/// Malformed by its size alone; nothing of it was looked at.
#[must_use]
pub fn too_large(most: ByteSize) -> Status {
    let why = format!("is larger than {most}");
    let message = format!("message: {why}");
    let mut details = ErrorDetails::with_error_info(TOO_LARGE, DOMAIN, [] as [(String, String); 0]);
    details.add_bad_request_violation("message", why);
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// Unknown. `kind` is what was looked for, e.g. `item`.
#[must_use]
pub fn not_found(kind: &str, name: impl Into<String>) -> Status {
    let name = name.into();
    let message = format!("{kind} {name} is not known");
    Status::with_error_details(
        Code::NotFound,
        message,
        ErrorDetails::with_resource_info(kind, name, "", ""),
    )
}

/// Nobody knows who is calling.
#[must_use]
pub fn unauthenticated(reason: &str, message: impl Into<String>) -> Status {
    with_reason(Code::Unauthenticated, reason, message)
}

/// Not allowed.
#[must_use]
pub fn denied(reason: &str, message: impl Into<String>) -> Status {
    with_reason(Code::PermissionDenied, reason, message)
}

/// The same number with other content.
#[must_use]
pub fn already_exists(reason: &str, message: impl Into<String>) -> Status {
    with_reason(Code::AlreadyExists, reason, message)
}

/// The business says no. `reason` in capitals, stable, e.g. `ORDER_NOT_HELD`.
#[must_use]
pub fn precondition(reason: &str, message: impl Into<String>) -> Status {
    with_reason(Code::FailedPrecondition, reason, message)
}

/// Changed meanwhile.
#[must_use]
pub fn conflict(message: impl Into<String>) -> Status {
    with_reason(Code::Aborted, "CHANGED_MEANWHILE", message)
}

/// Over quota.
#[must_use]
pub fn exhausted(reason: &str, message: impl Into<String>, retry_after: Duration) -> Status {
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, [] as [(String, String); 0]);
    details.set_retry_info(Some(retry_after));
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// A dependency is away; `what` is one of `database`, `kafka`, `erp`, ….
#[must_use]
pub fn unavailable(what: &str, message: impl Into<String>) -> Status {
    let mut details = ErrorDetails::with_error_info(
        "DEPENDENCY_AWAY",
        DOMAIN,
        [("dependency".to_owned(), what.to_owned())],
    );
    details.set_retry_info(Some(Duration::from_secs(1)));
    Status::with_error_details(Code::Unavailable, message, details)
}

/// The process is stopping; another one, or the same after a moment, takes the call.
#[must_use]
pub fn stopping(message: impl Into<String>) -> Status {
    with_reason(Code::Unavailable, "STOPPING", message)
}

/// We broke, and repeating does not mend it. The caller of this logs what happened; the message is for people outside.
#[must_use]
pub fn broken(reason: &str, message: impl Into<String>) -> Status {
    with_reason(Code::Internal, reason, message)
}

/// A call nobody here serves.
#[must_use]
pub fn unknown_call(message: impl Into<String>) -> Status {
    with_reason(Code::Unimplemented, "UNKNOWN_CALL", message)
}

fn with_reason(code: Code, reason: &str, message: impl Into<String>) -> Status {
    let details = ErrorDetails::with_error_info(reason, DOMAIN, [] as [(String, String); 0]);
    Status::with_error_details(code, message, details)
}
