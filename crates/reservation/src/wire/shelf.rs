//! A shelf ⇄ `shelves.v1.ShelfMoved`.

use millrace_contract::shelves::v1 as proto;
use millrace_values::{Quantity, Timestamp};

use super::event::Broken;
use crate::domain::shelf::Shelf;

#[must_use]
pub fn shelf_moved(reservations: &[String], moved: Quantity, shelf: &Shelf) -> proto::ShelfMoved {
    let told = shelf
        .told
        .iter()
        .map(|(row_version, quantity)| proto::Told {
            row_version: *row_version,
            quantity: Some((*quantity).into()),
        });
    let fetched = shelf
        .fetched
        .iter()
        .map(|(since, quantity)| proto::Fetched {
            since: since.map(Into::into),
            quantity: Some((*quantity).into()),
        });
    proto::ShelfMoved {
        reservations: reservations.to_vec(),
        moved: Some(moved.into()),
        held: Some(shelf.held.into()),
        told: told.collect(),
        fetched: fetched.collect(),
    }
}

/// # Errors
/// See [`Broken`].
pub fn read_shelf(message: proto::ShelfMoved) -> Result<Shelf, Broken> {
    let quantity = |decimal: Option<millrace_contract::values::v1::Decimal>| {
        Quantity::try_from(decimal.unwrap_or_default())
            .map_err(|error| Broken::Field(error.to_string()))
    };
    let told = message
        .told
        .into_iter()
        .map(|told| Ok((told.row_version, quantity(told.quantity)?)));
    let fetched = message.fetched.into_iter().map(|fetched| {
        let since = fetched.since.map(Timestamp::try_from).transpose();
        let since = since.map_err(|error| Broken::Field(error.to_string()))?;
        Ok((since, quantity(fetched.quantity)?))
    });
    Ok(Shelf {
        held: quantity(message.held)?,
        told: told.collect::<Result<_, Broken>>()?,
        fetched: fetched.collect::<Result<_, Broken>>()?,
    })
}
