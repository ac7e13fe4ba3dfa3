//! What customers wrote and photographed: checked at the edge, sealed, handed to the ERP, never looked at in between.

use std::collections::BTreeMap;

use millrace_contract::returns::v1 as proto;
use millrace_event_store::{SealError, Sealer};
use millrace_service_kit::Faults;
use prost::Message;
use uuid::Uuid;

use super::goods::MOST_LINES;
use super::photo;
use crate::domain::{Return, Sealed};

const MOST_COMMENT: usize = 250;
const MOST_PHOTOS: usize = 10;

/// Seals under the customer's key, so that one key forgets all he wrote; under the return's own where nobody says who he is. Bound
/// to the return's stream.
///
/// # Errors
/// The database is away, or the person was erased.
pub async fn seal(
    sealer: &Sealer,
    goods: &Return,
    remarks: &proto::Remarks,
) -> Result<Sealed, SealError> {
    let stream = goods.stream();
    let person = match (&goods.customer, &goods.shop_customer) {
        // Whoever was given the goods is somebody else.
        _ if goods.gift => stream.clone(),
        (Some(number), _) => format!("customer/{}/{number}", goods.erp),
        (None, Some(number)) => format!("shop-customer/{}/{number}", goods.channel),
        (None, None) => stream.clone(),
    };
    // Says nothing about the person.
    let person_id = Uuid::new_v5(&Uuid::NAMESPACE_OID, person.as_bytes()).to_string();
    let bytes = sealer
        .seal(&person_id, &remarks.encode_to_vec(), stream.as_bytes())
        .await?;
    Ok(Sealed { person_id, bytes })
}

/// Opens what [`seal`] sealed for `stream`.
///
/// # Errors
/// The database is away, the person was erased, or it was sealed elsewhere.
pub async fn open(
    sealer: &Sealer,
    sealed: &Sealed,
    stream: &str,
) -> Result<proto::Remarks, SealError> {
    let plaintext = sealer
        .open(&sealed.person_id, &sealed.bytes, stream.as_bytes())
        .await?;
    proto::Remarks::decode(&*plaintext).map_err(|_| SealError::Broken)
}

/// In the one form they have after reading: trimmed, by line, without those that say nothing. `None`: nobody said anything. No value
/// is repeated in a fault: it may be personal.
///
/// # Errors
/// Every field that is malformed.
pub fn read_remarks(
    remarks: Option<&proto::Remarks>,
    goods: &proto::Return,
) -> Result<Option<proto::Remarks>, Faults> {
    let mut faults = Faults::default();
    let lines = remarks.map_or(&[][..], |remarks| &remarks.lines);
    if lines.len() > MOST_LINES {
        faults.add(
            "remarks.lines",
            format_args!("must be at most {MOST_LINES}"),
        );
        return Err(faults);
    }
    let mut read = BTreeMap::new();
    for (index, line) in lines.iter().enumerate() {
        let at = |field: &str| format!("remarks.lines[{index}].{field}");
        let number = line.line_number;
        let is_there = goods.lines.iter().any(|other| other.line_number == number);
        if !is_there {
            faults.add(at("line_number"), format_args!("there is no line {number}"));
        }
        let remark = remark(line, &at, &mut faults);
        if read.insert(number, remark).is_some() {
            faults.add(at("line_number"), format_args!("{number} is there twice"));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let says = |line: &proto::LineRemarks| !line.comment.is_empty() || !line.photos.is_empty();
    let lines: Vec<_> = read.into_values().filter(says).collect();
    Ok((!lines.is_empty()).then_some(proto::Remarks { lines }))
}

fn remark(
    line: &proto::LineRemarks,
    at: &dyn Fn(&str) -> String,
    faults: &mut Faults,
) -> proto::LineRemarks {
    let comment = line.comment.trim();
    if comment.chars().count() > MOST_COMMENT {
        faults.add(
            at("comment"),
            format_args!("is longer than {MOST_COMMENT} characters"),
        );
    }
    let is_allowed = |letter: char| !letter.is_control() || letter == '\n';
    if !comment.chars().all(is_allowed) {
        faults.add(at("comment"), "holds a character that is not allowed");
    }
    if line.photos.len() > MOST_PHOTOS {
        faults.add(at("photos"), format_args!("must be at most {MOST_PHOTOS}"));
    }
    let photos = line.photos.iter().take(MOST_PHOTOS).enumerate();
    let photos = photos.filter_map(|(index, text)| {
        let field = at(&format!("photos[{index}]"));
        faults.take(field, photo::link(text))
    });
    proto::LineRemarks {
        line_number: line.line_number,
        photos: photos.collect(),
        comment: comment.to_owned(),
    }
}
