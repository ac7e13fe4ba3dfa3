//! How the pretend ERP says no: BC's status, error code and message.

use std::borrow::Cow;

/// An error answer. Codes are BC's: the family before the underscore tells a client what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    pub status: u16,
    pub code: Cow<'static, str>,
    pub message: String,
}

impl Refusal {
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: Cow::Borrowed(code),
            message: message.into(),
        }
    }

    /// The request itself is wrong.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(
            404,
            "BadRequest_ResourceNotFound",
            format!("Bad Request - Error in query syntax. The {what} does not exist."),
        )
    }

    pub fn no_such_segment(segment: &str) -> Self {
        Self::new(
            404,
            "BadRequest_NotFound",
            format!("No HTTP resource was found that matches the segment '{segment}'."),
        )
    }

    pub fn no_such_property(property: &str, entity: &str) -> Self {
        Self::bad_request(format!(
            "Could not find a property named '{property}' on type 'Microsoft.NAV.{entity}'."
        ))
    }

    /// The property exists, but nobody outside may write it.
    pub fn read_only(property: &str) -> Self {
        Self::new(
            400,
            "Application_ReadOnlyField",
            format!("The property '{property}' is read-only."),
        )
    }

    pub fn method_not_allowed(entity: &str) -> Self {
        Self::new(
            405,
            "BadRequest_MethodNotAllowed",
            format!("Entity '{entity}' does not allow this operation."),
        )
    }

    /// The caller's permission sets do not reach this far. BC answers it with the status and code of an internal error.
    pub fn no_permission(path: &str) -> Self {
        let set = path.rsplit('/').next().unwrap_or(path);
        Self::new(
            400,
            "Internal_ServerError",
            format!("Sorry, the current permissions prevented the action. (Page {set} Execute)"),
        )
    }

    /// A business rule said no.
    pub fn business(message: impl Into<String>) -> Self {
        Self::new(400, "Application_DialogException", message)
    }

    pub fn no_such_record(table: &str, key: &str) -> Self {
        Self::new(
            404,
            "Internal_RecordNotFound",
            format!("The {table} does not exist. Identification fields and values: '{key}'"),
        )
    }

    pub fn same_key(table: &str, key: &str) -> Self {
        Self::new(
            409,
            "Internal_EntityWithSameKeyExists",
            format!(
                "The record in table {table} already exists. Identification fields and values: '{key}'"
            ),
        )
    }
}
