//! How long a caller waits for his answer, said as in gRPC.

use std::time::Duration;

use http::HeaderMap;
use millrace_service_kit::rejection;
use tokio::time::Instant;
use tonic::{Code, Status};

pub const HEADER: &str = "grpc-timeout";
/// As the header is described to people and machines.
pub const PATTERN: &str = "^[0-9]{1,8}[HMSmun]$";

/// When the caller waits no longer; `None`: he did not say.
///
/// # Errors
/// The header cannot be read.
pub fn of(headers: &HeaderMap) -> Result<Option<Instant>, Status> {
    let Some(value) = headers.get(HEADER) else {
        return Ok(None);
    };
    let patience = value.to_str().ok().and_then(parse).ok_or_else(|| {
        let why = "is not a number of at most 8 digits and a unit (H, M, S, m, u, n), such as 500m";
        rejection::bad_request(HEADER, why)
    })?;
    Ok(Some(Instant::now() + patience))
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// Waits for `work`, but not beyond the deadline.
///
/// # Errors
/// The deadline came first.
pub async fn within<T>(
    deadline: Option<Instant>,
    work: impl Future<Output = T>,
) -> Result<T, Status> {
    let Some(deadline) = deadline else {
        return Ok(work.await);
    };
    tokio::time::timeout_at(deadline, work)
        .await
        .map_err(|_| Status::new(Code::DeadlineExceeded, "the caller's deadline has passed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_read_as_in_grpc() {
        for (text, patience) in [
            ("2S", Some(Duration::from_secs(2))),
            ("500m", Some(Duration::from_millis(500))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("999999999S", None),
            ("S", None),
            ("", None),
            ("+1S", None),
            ("2 S", None),
            ("2s", None),
            ("2é", None),
        ] {
            assert_eq!(parse(text), patience, "{text:?}");
        }
    }

    #[tokio::test]
    async fn who_waits_no_longer_is_told_so() {
        let passed = within(Some(Instant::now()), std::future::pending::<()>()).await;
        assert_eq!(passed.unwrap_err().code(), Code::DeadlineExceeded);
        assert_eq!(within(None, async { 7 }).await.unwrap(), 7);
    }
}
