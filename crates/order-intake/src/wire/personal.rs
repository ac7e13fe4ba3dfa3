//! `personal.v1.Personal`: checked at the edge, handed to the ERP, never looked at in between.

use millrace_contract::personal::v1 as proto;
use millrace_erp::party::{Address, Parties};
use millrace_event_store::{SealError, Sealer};

use prost::Message;
use uuid::Uuid;

use crate::domain::{Order, Sealed};
use millrace_service_kit::Faults;

/// How the sealer's bytes begin: its format, then the nonce.
const FORMAT: u8 = 1;
const NONCE: usize = 12;

/// Whose key seals an order's personal data: the same for all orders of one buyer, so that one key forgets them all. Says
/// nothing about the person.
#[must_use]
pub fn person_id(order: &Order) -> String {
    let buyer = match (&order.buyer.customer, &order.buyer.shop_customer) {
        (Some(number), _) => format!("customer/{}/{number}", order.erp),
        (None, Some(number)) => format!("shop-customer/{}/{number}", order.channel),
        (None, None) => order.stream(),
    };
    Uuid::new_v5(&Uuid::NAMESPACE_OID, buyer.as_bytes()).to_string()
}

/// Seals under the buyer's key, bound to the order's stream.
///
/// # Errors
/// The database is away, or the person was erased.
pub async fn seal(
    sealer: &Sealer,
    order: &Order,
    personal: &proto::Personal,
) -> Result<Sealed, SealError> {
    let person_id = person_id(order);
    let sealed = sealer
        .seal(
            &person_id,
            &personal.encode_to_vec(),
            order.stream().as_bytes(),
        )
        .await?;
    let Some((&[FORMAT], rest)) = sealed.split_first_chunk::<1>() else {
        return Err(SealError::Broken);
    };
    let (nonce, ciphertext) = rest.split_at_checked(NONCE).ok_or(SealError::Broken)?;
    Ok(Sealed {
        person_id,
        nonce: nonce.to_vec(),
        ciphertext: ciphertext.to_vec(),
    })
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
    let bytes = [&[FORMAT][..], &sealed.nonce, &sealed.ciphertext].concat();
    let plaintext = sealer
        .open(&sealed.person_id, &bytes, stream.as_bytes())
        .await?;
    proto::Personal::decode(&*plaintext).map_err(|_| SealError::Broken)
}

/// Checks lengths (Business Central's) and characters; trims. `needed`: a new customer cannot do without a name and a country,
/// where it lives and where its bills go.
///
/// # Errors
/// Every field that is malformed. No value is repeated in a fault: it may be personal.
pub fn read_personal(
    personal: Option<&proto::Personal>,
    needed: bool,
) -> Result<Option<proto::Personal>, Faults> {
    let mut faults = Faults::default();
    let Some(personal) = personal else {
        if needed {
            faults.add("personal", "is missing; a new customer needs it");
            return Err(faults);
        }
        return Ok(None);
    };
    let read = proto::Personal {
        sell_to: personal
            .sell_to
            .as_ref()
            .map(|address| read_address(address, "personal.sell_to", &mut faults)),
        ship_to: personal
            .ship_to
            .as_ref()
            .map(|address| read_address(address, "personal.ship_to", &mut faults)),
        bill_to: personal
            .bill_to
            .as_ref()
            .map(|address| read_address(address, "personal.bill_to", &mut faults)),
        email: text(&personal.email, 80, "personal.email", &mut faults),
        phone: text(&personal.phone, 30, "personal.phone", &mut faults),
        vat_registration_number: text(
            &personal.vat_registration_number,
            20,
            "personal.vat_registration_number",
            &mut faults,
        ),
    };
    if !read.email.is_empty() && !read.email.contains('@') {
        faults.add("personal.email", "is not a mail address");
    }
    if needed {
        new_customer(&read, &mut faults);
    }
    if faults.is_empty() {
        Ok(Some(read))
    } else {
        Err(faults)
    }
}

/// As customer-sync wants it: what it would refuse is told to the shop, which can mend it, instead of holding the order.
fn new_customer(personal: &proto::Personal, faults: &mut Faults) {
    const NEEDED: &str = "is missing; a new customer needs it";
    match &personal.sell_to {
        None => faults.add("personal.sell_to", NEEDED),
        Some(address) => {
            if address.name.is_empty() {
                faults.add("personal.sell_to.name", NEEDED);
            }
            if address.country_code.is_empty() {
                faults.add("personal.sell_to.country_code", NEEDED);
            }
        }
    }
    if let Some(address) = &personal.bill_to
        && address.country_code.is_empty()
    {
        faults.add("personal.bill_to.country_code", NEEDED);
    }
}

fn read_address(address: &proto::Address, at: &str, faults: &mut Faults) -> proto::Address {
    let mut part =
        |value: &str, limit, name: &str| text(value, limit, &format!("{at}.{name}"), faults);
    let read = proto::Address {
        name: part(&address.name, 100, "name"),
        name2: part(&address.name2, 50, "name2"),
        address_line1: part(&address.address_line1, 100, "address_line1"),
        address_line2: part(&address.address_line2, 50, "address_line2"),
        postal_code: part(&address.postal_code, 20, "postal_code"),
        city: part(&address.city, 30, "city"),
        state: part(&address.state, 30, "state"),
        country_code: part(&address.country_code, 2, "country_code"),
        contact_name: part(&address.contact_name, 100, "contact_name"),
    };
    let country = &read.country_code;
    let is_code = country.len() == 2 && country.bytes().all(|letter| letter.is_ascii_uppercase());
    if !country.is_empty() && !is_code {
        faults.add(
            format!("{at}.country_code"),
            "is not an ISO 3166-1 alpha-2 code",
        );
    }
    read
}

fn text(text: &str, limit: usize, field: &str, faults: &mut Faults) -> String {
    let text = text.trim();
    if text.chars().count() > limit {
        faults.add(field, format_args!("is longer than {limit} characters"));
    }
    if text.chars().any(char::is_control) {
        faults.add(field, "holds a character that is not allowed");
    }
    text.to_owned()
}

/// For the ERP.
#[must_use]
pub fn parties(personal: proto::Personal) -> Parties {
    Parties {
        sell_to: personal.sell_to.map(address).unwrap_or_default(),
        ship_to: personal.ship_to.map(address),
        bill_to: personal.bill_to.map(address),
        email: personal.email,
        phone: personal.phone,
        vat_registration_number: personal.vat_registration_number,
    }
}

fn address(address: proto::Address) -> Address {
    Address {
        name: address.name,
        name2: address.name2,
        line1: address.address_line1,
        line2: address.address_line2,
        postal_code: address.postal_code,
        city: address.city,
        state: address.state,
        country_code: address.country_code,
        contact_name: address.contact_name,
    }
}
