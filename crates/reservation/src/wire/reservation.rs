//! A reservation ⇄ `reservations.v1.Reservation`.

use std::collections::HashSet;

use millrace_contract::personal::v1::SealedPersonal;
use millrace_contract::reservations::v1 as proto;
use millrace_contract::values::v1 as values;
use millrace_values::{
    ChannelCode, CustomerNumber, ErpCode, LocationCode, Measured, Quantity, ReservationNumber, Sku,
    Timestamp, VariantCode,
};
use prost::Message;
use sha2::{Digest, Sha256};

use crate::domain::{Line, Reservation, Sealed};
use millrace_service_kit::Faults;

/// Nobody picks more in one go; the settings of a store may allow fewer.
pub const MOST_LINES: usize = 100;

/// Reads a reservation of `erp`, the channel's.
///
/// # Errors
/// Every field that is malformed.
pub fn read_reservation(
    reservation: &proto::Reservation,
    erp: &ErpCode,
) -> Result<Reservation, Faults> {
    let mut faults = Faults::default();
    match parts(reservation, erp, &mut faults) {
        Some(reservation) if faults.is_empty() => Ok(reservation),
        Some(_) | None => Err(faults),
    }
}

fn parts(
    reservation: &proto::Reservation,
    erp: &ErpCode,
    faults: &mut Faults,
) -> Option<Reservation> {
    let channel = faults.take(
        "reservation.channel",
        ChannelCode::parse(&reservation.channel),
    );
    let number = faults.take(
        "reservation.reservation_number",
        ReservationNumber::parse(&reservation.reservation_number),
    );
    let store = faults.take("reservation.store", LocationCode::parse(&reservation.store));
    let placed_at = match reservation.placed_at {
        Some(at) => faults.take("reservation.placed_at", Timestamp::try_from(at)),
        None => {
            faults.add("reservation.placed_at", "is missing");
            None
        }
    };
    let customer = faults.take(
        "reservation.customer_number",
        CustomerNumber::parse_optional(&reservation.customer_number),
    );
    let lines = lines(&reservation.lines, faults);
    Some(Reservation {
        channel: channel?,
        number: number?,
        store: store?,
        placed_at: placed_at?,
        customer: customer?,
        contact: reservation.contact.as_ref().map(|sealed| Sealed {
            person_id: sealed.person_id.clone(),
            bytes: sealed.ciphertext.to_vec(),
        }),
        lines: lines?,
        erp: erp.clone(),
    })
}

fn lines(lines: &[proto::ReservationLine], faults: &mut Faults) -> Option<Vec<Line>> {
    if lines.is_empty() || lines.len() > MOST_LINES {
        let count = lines.len();
        faults.add(
            "reservation.lines",
            format_args!("must be 1 to {MOST_LINES}, not {count}"),
        );
        return None;
    }
    let mut numbers = HashSet::new();
    let mut read = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let at = |field: &str| format!("reservation.lines[{index}].{field}");
        let number = line.line_number;
        if number == 0 || i32::try_from(number).is_err() {
            faults.add(at("line_number"), "must be 1 to 2147483647");
        } else if !numbers.insert(number) {
            faults.add(at("line_number"), format_args!("{number} is there twice"));
        }
        let item = faults.take(at("item_number"), Sku::parse(&line.item_number));
        let variant = faults.take(
            at("variant_code"),
            VariantCode::parse_optional(&line.variant_code),
        );
        let quantity = pieces(line.quantity.as_ref(), &at("quantity"), faults);
        if let (Some(item), Some(variant), Some(quantity)) = (item, variant, quantity) {
            read.push(Line {
                number,
                item,
                variant,
                quantity,
            });
        }
    }
    Some(read)
}

/// Whole pieces above zero.
fn pieces(
    quantity: Option<&values::Quantity>,
    field: &str,
    faults: &mut Faults,
) -> Option<Quantity> {
    let quantity = read_quantity(quantity, field, faults)?;
    if !quantity.is_positive() {
        faults.add(field, "must be above zero");
        return None;
    }
    Some(quantity)
}

/// Whole pieces, zero included.
pub fn read_quantity(
    quantity: Option<&values::Quantity>,
    field: &str,
    faults: &mut Faults,
) -> Option<Quantity> {
    let Some(quantity) = quantity else {
        faults.add(field, "is missing");
        return None;
    };
    let quantity = faults
        .take(field, Measured::try_from(quantity.clone()))?
        .quantity;
    if !quantity.value().is_integer() || quantity < Quantity::ZERO {
        faults.add(field, "must be whole pieces, and not negative");
        return None;
    }
    Some(quantity)
}

/// Of a row of ours; `None`: it is none.
pub fn read_total(quantity: Option<values::Quantity>) -> Option<Quantity> {
    Some(Measured::try_from(quantity?).ok()?.quantity)
}

pub fn write_reservation(reservation: &Reservation) -> proto::Reservation {
    let lines = reservation.lines.iter().map(|line| proto::ReservationLine {
        line_number: line.number,
        item_number: line.item.to_string(),
        variant_code: optional(line.variant.as_ref()),
        quantity: Some(quantity(line.quantity)),
    });
    proto::Reservation {
        channel: reservation.channel.to_string(),
        reservation_number: reservation.number.to_string(),
        store: reservation.store.to_string(),
        placed_at: Some(reservation.placed_at.into()),
        customer_number: optional(reservation.customer.as_ref()),
        contact: reservation.contact.as_ref().map(|sealed| SealedPersonal {
            person_id: sealed.person_id.clone(),
            nonce: Vec::new().into(),
            ciphertext: sealed.bytes.clone().into(),
            fingerprint: Vec::new().into(),
        }),
        lines: lines.collect(),
        erp: reservation.erp.to_string(),
    }
}

/// Recognises the same reservation again, whoever is to be told of it.
#[must_use]
pub fn content_hash(reservation: &Reservation) -> Vec<u8> {
    let mut content = write_reservation(reservation);
    content.contact = None;
    content.erp = String::new();
    Sha256::digest(content.encode_to_vec()).to_vec()
}

pub fn quantity(value: Quantity) -> values::Quantity {
    Measured {
        quantity: value,
        unit: None,
    }
    .into()
}

pub fn optional(code: Option<&impl ToString>) -> String {
    code.map(ToString::to_string).unwrap_or_default()
}
