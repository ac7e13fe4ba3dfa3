//! How the business, and the world, say no over gRPC: one table (DESIGN.md §7).

use millrace_erp::ErpError;
use millrace_event_store::{SealError, StoreError};
use millrace_service_kit::rejection;
use tonic::Status;
use tracing::{error, warn};

use crate::domain::Rejection;
use crate::returns::ReturnError;

pub fn failed(error: ReturnError, number: &str) -> Status {
    match error {
        ReturnError::Rejected(rejection) => rejected(&rejection, number),
        ReturnError::Conflict | ReturnError::Superseded => changed(),
        ReturnError::Unfit(error) => rejection::bad_request("shop_return", error.to_string()),
        ReturnError::Store(error) => away(&error),
    }
}

pub fn changed() -> Status {
    rejection::conflict("changed meanwhile, try again")
}

fn rejected(rejection: &Rejection, number: &str) -> Status {
    match rejection {
        Rejection::OtherContent => rejection::already_exists(
            "OTHER_CONTENT",
            format!("return {number} was submitted before with other content"),
        ),
        Rejection::Unknown => rejection::not_found("return", number),
        Rejection::NotHeld => {
            rejection::precondition("RETURN_NOT_HELD", format!("return {number} is not held"))
        }
        Rejection::Held => {
            rejection::precondition("RETURN_HELD", format!("return {number} is held"))
        }
        Rejection::Ended => {
            rejection::precondition("RETURN_ENDED", format!("return {number} has ended"))
        }
        Rejection::ChangedMeanwhile { expected, actual } => rejection::conflict(format!(
            "return {number} stands at version {actual}, not {expected}"
        )),
        Rejection::OnItsWay => rejection::precondition(
            "RETURN_ON_ITS_WAY",
            format!("return {number} is just being handed to the ERP, try again"),
        ),
        Rejection::GoodsReceived => rejection::precondition(
            "GOODS_RECEIVED",
            format!("goods of return {number} came back"),
        ),
        Rejection::ReceivedBefore => rejection::precondition(
            "ALREADY_RECEIVED",
            format!(
                "other quantities of return {number} came back before, or something else becomes of them"
            ),
        ),
        Rejection::UnknownLine(line) => {
            rejection::bad_request("lines", format!("return {number} has no line {line}"))
        }
        Rejection::NotSoMany(line) => rejection::bad_request(
            "lines",
            format!("of line {line} zero to what was asked for can come back"),
        ),
        Rejection::OtherUnit(line) => rejection::bad_request(
            "lines",
            format!("line {line} of return {number} is in another unit"),
        ),
        Rejection::NothingReceived => rejection::bad_request("lines", "say that nothing came back"),
    }
}

/// The database did not do its part; what was sent may be sent again.
pub fn away(error: &StoreError) -> Status {
    error!(
        error = error as &dyn std::error::Error,
        "the return database did not do its part"
    );
    rejection::unavailable(
        "database",
        "the return database is away; the same call may be repeated",
    )
}

/// The ERP was asked while the caller waits.
pub fn of_erp(error: &ErpError, number: &str) -> Status {
    match error {
        ErpError::Refused { code, .. } => rejection::precondition(
            "ERP_REFUSED",
            format!("the ERP refuses it for return {number}: {code}"),
        ),
        ErpError::Contradiction { .. }
        | ErpError::Away { .. }
        | ErpError::Unknown
        | ErpError::ResyncNeeded { .. }
        | ErpError::Unsupported(_)
        | ErpError::InDoubt { .. }
        | ErpError::Denied(_)
        | ErpError::Unreadable(_) => {
            warn!(
                error = error as &dyn std::error::Error,
                "the erp did not do its part for return {number}"
            );
            rejection::unavailable("erp", "the ERP is away; the same call may be repeated")
        }
    }
}

pub fn not_sealed(error: SealError) -> Status {
    match error {
        SealError::Store(error) => away(&error),
        SealError::Erased => rejection::precondition(
            "CUSTOMER_ERASED",
            "this customer's data was erased; leave comments and photos out",
        ),
        SealError::Broken => {
            error!(
                "the key of a person cannot be opened; is personal.key the one it was made with?"
            );
            rejection::unavailable("personal key", "personal data cannot be sealed here")
        }
    }
}
