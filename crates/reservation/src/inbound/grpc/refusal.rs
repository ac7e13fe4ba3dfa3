//! How the business, and the world, say no over gRPC: one table (DESIGN.md §7).

use millrace_erp::ErpError;
use millrace_event_store::{SealError, StoreError};
use millrace_service_kit::rejection;
use tonic::Status;
use tracing::{error, warn};

use crate::domain::Rejection;
use crate::domain::shelf::NotThere;
use crate::outbound::CarryError;
use crate::reservations::ReservationError;

pub fn failed(error: ReservationError, number: &str) -> Status {
    match error {
        ReservationError::Rejected(rejection) => rejected(&rejection, number),
        ReservationError::NotThere { line, why } => match why {
            NotThere::TooLow { left } => rejection::precondition(
                "STOCK_TOO_LOW",
                format!("line {line}: the store has {left} left"),
            ),
            NotThere::Unknown => rejection::precondition(
                "STOCK_UNKNOWN",
                format!("line {line}: nobody knows how much the store has"),
            ),
        },
        ReservationError::Conflict => rejection::conflict("changed meanwhile, try again"),
        ReservationError::Unfit(why) => rejection::bad_request("reservation", why),
        ReservationError::Store(error) => away(&error),
    }
}

/// What the ERP says, or that it says nothing.
pub fn carried(error: CarryError, number: &str) -> Status {
    match error {
        CarryError::Erp(error) => erp(&error),
        CarryError::Reservation(error) => failed(error, number),
        CarryError::NoPart => rejection::unavailable(
            "erp",
            "the erp has no part in reservations at the moment, and has the goods of this one; try again",
        ),
    }
}

/// See [`carried`].
pub fn erp(error: &ErpError) -> Status {
    match error {
        ErpError::Refused { code, .. } => rejection::precondition(
            "ERP_REFUSED",
            format!("the erp refuses it ({code}); look at the transfer request there"),
        ),
        ErpError::Contradiction { key } => rejection::precondition(
            "ALREADY_POSTED",
            format!("{key} was posted before with other quantities"),
        ),
        ErpError::Denied(_) | ErpError::Unsupported(_) | ErpError::Unreadable(_) => {
            warn!("the erp did not do its part: {error}");
            rejection::unavailable(
                "erp",
                "the erp does not let us in; an operator has to mend it",
            )
        }
        ErpError::Away { .. }
        | ErpError::Unknown
        | ErpError::InDoubt { .. }
        | ErpError::ResyncNeeded { .. } => {
            warn!("the erp did not do its part: {error}");
            rejection::unavailable(
                "erp",
                "the erp does not answer; the same call may be repeated, or it is posted there",
            )
        }
    }
}

fn rejected(rejection: &Rejection, number: &str) -> Status {
    match rejection {
        Rejection::Unknown => rejection::not_found("reservation", number),
        Rejection::OtherContent => rejection::already_exists(
            "OTHER_CONTENT",
            format!("reservation {number} was made before with other content"),
        ),
        Rejection::Ended => rejection::precondition(
            "RESERVATION_ENDED",
            format!("reservation {number} has ended"),
        ),
        Rejection::PostedBefore => rejection::precondition(
            "ALREADY_POSTED",
            format!("reservation {number} was posted before with other quantities"),
        ),
        Rejection::NotPosted => rejection::precondition(
            "NOT_POSTED",
            format!("nobody has put the goods of reservation {number} aside yet"),
        ),
        Rejection::PickedUpBefore => rejection::precondition(
            "ALREADY_PICKED_UP",
            format!("the goods of reservation {number} were handed over before"),
        ),
        Rejection::WrongCustomer => rejection::precondition(
            "WRONG_CUSTOMER",
            format!("reservation {number} is somebody else's"),
        ),
        Rejection::UnknownLine(line) => {
            rejection::bad_request("found", format!("reservation {number} has no line {line}"))
        }
        Rejection::NotSoMany(line) => rejection::bad_request(
            "found",
            format!("line {line} must be whole pieces, zero to what was asked for"),
        ),
    }
}

/// The database did not do its part; what was sent may be sent again.
pub fn away(error: &StoreError) -> Status {
    error!(
        error = error as &dyn std::error::Error,
        "the reservation database did not do its part"
    );
    rejection::unavailable(
        "database",
        "the reservation database is away; the same call may be repeated",
    )
}

pub fn not_sealed(error: SealError) -> Status {
    match error {
        SealError::Store(error) => away(&error),
        SealError::Erased => rejection::precondition(
            "CUSTOMER_ERASED",
            "this customer's data was erased; reserve as a guest",
        ),
        SealError::Broken => {
            error!(
                "the key of a person cannot be opened; is personal.key the one it was made with?"
            );
            rejection::unavailable("personal key", "personal data cannot be sealed here")
        }
    }
}
