//! What Business Central says when it does not do as asked. Decided by HTTP status and code family; messages are for
//! people and never read by us.

use std::time::Duration;

use serde::Deserialize;

use crate::ErpError;

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub status: u16,
    /// `Application_DialogException`; empty where the body was none of BC's.
    pub code: String,
    pub message: String,
    pub retry_after: Option<Duration>,
}

/// Why a call brought no answer to work with.
#[derive(Debug)]
pub enum Failure {
    /// BC answered and refused.
    Problem(Problem),
    /// The world is broken, or we are not let in.
    Erp(ErpError),
}

impl From<ErpError> for Failure {
    fn from(error: ErpError) -> Self {
        Self::Erp(error)
    }
}

impl From<Failure> for ErpError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Problem(problem) => problem.into_error(),
            Failure::Erp(error) => error,
        }
    }
}

#[derive(Deserialize)]
struct Body {
    error: Inner,
}

#[derive(Deserialize)]
struct Inner {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Problem {
    pub fn read(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let (code, message) = serde_json::from_slice::<Body>(body)
            .map(|body| (body.error.code, body.error.message))
            .unwrap_or_default();
        Self {
            status,
            code,
            message,
            retry_after,
        }
    }

    /// The unique key is taken by other content.
    pub fn is_contradiction(&self) -> bool {
        self.code == "Internal_EntityWithSameKeyExists"
    }

    /// The address names nothing: no such page, company or record.
    pub fn is_not_found(&self) -> bool {
        self.status == 404
    }

    /// A link to a further page that leads nowhere any more.
    pub fn lost_its_place(&self) -> bool {
        matches!(self.status, 400 | 404 | 410)
    }

    /// Somebody else changed the record meanwhile.
    pub fn is_stale(&self) -> bool {
        matches!(self.status, 409 | 412) && !self.is_contradiction()
    }

    /// After a write: it may have happened all the same. 502 and 503 come from in front of BC, which never saw the request.
    pub fn leaves_open(&self) -> bool {
        matches!(self.status, 408 | 504)
            || (self.status == 500
                && !self.code.starts_with("Application_")
                && !self.is_contradiction())
    }

    fn away(status: u16, retry_after: Option<Duration>) -> ErpError {
        ErpError::Away {
            reason: format!("business central says {status}"),
            retry_after,
        }
    }

    fn into_error(self) -> ErpError {
        let Self {
            status,
            code,
            message,
            retry_after,
        } = self;
        match status {
            401 | 403 => ErpError::Denied(
                format!("business central says {status} {code}")
                    .trim_end()
                    .into(),
            ),
            408 | 429 | 502 | 503 | 504 => Self::away(status, retry_after),
            // A page that is not there is an extension that is being upgraded or a company that was renamed: nothing about the
            // request itself.
            404 => Self::away(status, retry_after),
            405 => ErpError::Denied("the api is switched off in business central".into()),
            // BC's own failure, unless its business rules spoke.
            500 if !code.starts_with("Application_") => Self::away(status, retry_after),
            _ => ErpError::Refused {
                code: if code.is_empty() {
                    format!("Http_{status}")
                } else {
                    code
                },
                message,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, code: &str) -> ErpError {
        let body = format!(r#"{{"error":{{"code":"{code}","message":"no. CorrelationId:  x."}}}}"#);
        Problem::read(status, None, body.as_bytes()).into_error()
    }

    #[test]
    fn a_business_error_is_never_taken_for_a_broken_world() {
        assert!(!error(400, "Application_DialogException").is_transient());
        assert!(!error(500, "Application_DialogException").is_transient());
        assert!(!error(400, "Unknown").is_transient());
    }

    #[test]
    fn an_overload_is_a_broken_world() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(
                error(status, "Internal_ServerError").is_transient(),
                "{status}"
            );
        }
    }

    #[test]
    fn a_gateway_speaks_for_nobody_s_business_rules() {
        assert!(error(504, "Application_GatewayTimeout").is_transient());
        assert!(Problem::read(504, None, b"").leaves_open());
        assert!(!Problem::read(503, None, b"").leaves_open());
    }

    #[test]
    fn a_page_that_is_missing_for_now_refuses_nothing() {
        assert!(error(404, "BadRequest_NotFound").is_transient());
    }

    #[test]
    fn an_answer_without_a_body_still_has_a_code() {
        let error = Problem::read(400, None, b"<html>").into_error();
        assert!(matches!(error, ErpError::Refused { code, .. } if code == "Http_400"));
    }
}
