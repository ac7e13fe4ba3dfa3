//! How the business, and the world, say no over gRPC: one table (DESIGN.md §7).

use millrace_event_store::{SealError, StoreError};
use millrace_service_kit::rejection;
use tonic::Status;
use tracing::error;

use crate::domain::Rejection;
use crate::orders::OrderError;

pub fn rejected(rejection: &Rejection, number: &str) -> Status {
    match rejection {
        Rejection::OtherContent => rejection::already_exists(
            "OTHER_CONTENT",
            format!("order {number} was submitted before with other content"),
        ),
        Rejection::Unknown => rejection::not_found("order", number),
        Rejection::NotHeld => {
            rejection::precondition("ORDER_NOT_HELD", format!("order {number} is not held"))
        }
        Rejection::InErp => rejection::precondition(
            "ORDER_IN_ERP",
            format!("order {number} is in the ERP and cannot be changed here"),
        ),
        Rejection::GivenUp => {
            rejection::precondition("ORDER_GIVEN_UP", format!("order {number} was given up"))
        }
        Rejection::ChangedMeanwhile { expected, actual } => rejection::conflict(format!(
            "order {number} stands at version {actual}, not {expected}"
        )),
    }
}

pub fn failed(error: OrderError, number: &str) -> Status {
    match error {
        OrderError::Rejected(rejection) => rejected(&rejection, number),
        OrderError::Conflict | OrderError::Superseded => {
            rejection::conflict("changed meanwhile, try again")
        }
        OrderError::Unfit(error) => rejection::bad_request("order", error.to_string()),
        OrderError::Store(error) => away(&error),
    }
}

/// The database did not do its part; what was sent may be sent again.
pub fn away(error: &StoreError) -> Status {
    error!(
        error = error as &dyn std::error::Error,
        "the order database did not do its part"
    );
    rejection::unavailable(
        "database",
        "the order database is away; the same call may be repeated",
    )
}

pub fn not_sealed(error: SealError) -> Status {
    match error {
        SealError::Store(error) => away(&error),
        SealError::Erased => rejection::precondition(
            "BUYER_ERASED",
            "this buyer's data was erased; use another customer number",
        ),
        SealError::Broken => {
            error!(
                "the key of a person cannot be opened; is personal.key the one it was made with?"
            );
            rejection::unavailable("personal key", "personal data cannot be sealed here")
        }
    }
}
