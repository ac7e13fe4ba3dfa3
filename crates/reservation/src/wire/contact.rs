//! Whom to tell: checked at the edge, sealed, never looked at in between.

use millrace_contract::personal::v1 as proto;
use millrace_event_store::{SealError, Sealer};
use prost::Message;
use uuid::Uuid;

use crate::domain::{Reservation, Sealed};
use millrace_service_kit::Faults;

/// Seals under the customer's key, or a guest's own, bound to the reservation's stream.
///
/// # Errors
/// The database is away, or the person was erased.
pub async fn seal(
    sealer: &Sealer,
    reservation: &Reservation,
    contact: &proto::Personal,
) -> Result<Sealed, SealError> {
    let stream = reservation.stream();
    let person = reservation.customer.as_ref().map_or_else(
        || stream.clone(),
        |number| format!("customer/{}/{number}", reservation.erp),
    );
    // Says nothing about the person.
    let person_id = Uuid::new_v5(&Uuid::NAMESPACE_OID, person.as_bytes()).to_string();
    let bytes = sealer
        .seal(&person_id, &contact.encode_to_vec(), stream.as_bytes())
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
) -> Result<proto::Personal, SealError> {
    let plaintext = sealer
        .open(&sealed.person_id, &sealed.bytes, stream.as_bytes())
        .await?;
    proto::Personal::decode(&*plaintext).map_err(|_| SealError::Broken)
}

/// Keeps a name, a mail address and a phone number; a guest needs one of the latter. No value is repeated in a fault: it may
/// be personal.
///
/// # Errors
/// Every field that is malformed.
pub fn read_contact(
    contact: Option<&proto::Personal>,
    is_guest: bool,
) -> Result<Option<proto::Personal>, Faults> {
    let mut faults = Faults::default();
    let contact = contact.map(|contact| {
        let name = contact.sell_to.as_ref().map(|address| proto::Address {
            name: text(&address.name, 100, "contact.sell_to.name", &mut faults),
            ..Default::default()
        });
        proto::Personal {
            sell_to: name,
            email: text(&contact.email, 80, "contact.email", &mut faults),
            phone: text(&contact.phone, 30, "contact.phone", &mut faults),
            ..Default::default()
        }
    });
    let reachable = contact
        .as_ref()
        .is_some_and(|contact| !contact.email.is_empty() || !contact.phone.is_empty());
    if is_guest && !reachable {
        faults.add(
            "contact",
            "needs a mail address or a phone number of a guest",
        );
    }
    let odd = contact
        .as_ref()
        .is_some_and(|contact| !contact.email.is_empty() && !contact.email.contains('@'));
    if odd {
        faults.add("contact.email", "is not a mail address");
    }
    if faults.is_empty() {
        Ok(contact)
    } else {
        Err(faults)
    }
}

fn text(text: &str, most: usize, field: &str, faults: &mut Faults) -> String {
    let text = text.trim();
    if text.chars().count() > most {
        faults.add(field, format_args!("is longer than {most} characters"));
    } else if text.chars().any(char::is_control) {
        faults.add(field, "holds a character that is not allowed");
    }
    text.to_owned()
}
