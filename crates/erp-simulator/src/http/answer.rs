//! An answer before it becomes bytes on a connection.

use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::refusal::Refusal;

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

impl Answer {
    pub fn json(status: u16, body: &Value) -> Self {
        let content = (
            "content-type",
            "application/json; odata.metadata=minimal; odata.streaming=true".to_owned(),
        );
        Self {
            status,
            headers: vec![content, ("odata-version", "4.0".to_owned())],
            body: Bytes::from(body.to_string()),
        }
    }

    pub fn text(status: u16, content_type: &str, body: String) -> Self {
        Self {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body: Bytes::from(body),
        }
    }

    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// BC's error body; every one ends with a correlation id.
    pub fn refused(refusal: &Refusal, correlation: Uuid) -> Self {
        let message = format!("{}  CorrelationId:  {correlation}.", refusal.message);
        Self::json(
            refusal.status,
            &json!({ "error": { "code": refusal.code, "message": message } }),
        )
    }
}
