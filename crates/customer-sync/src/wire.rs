//! Domain ⇄ contract.

use millrace_contract::customer::v1 as customer;
use millrace_contract::customers::v1 as customers;
use millrace_contract::personal::v1 as personal;
use millrace_erp::master::{CustomerBlock, CustomerObserved};
use millrace_erp::party;
use millrace_event_store::{Draft, Loads, Recorded, Stored};
use millrace_values::{
    ChannelCode, CodeError, Currency, CustomerNumber, ErpCode, LanguageTag, NumberError,
    PriceGroup, SystemId, TimeError, Timestamp,
};
use prost::Message;
use thiserror::Error;

use crate::domain::Sealed;
use crate::domain::customer::{Block, Customer, Event, Mirror};
use crate::domain::registration::{self, Created, Registration, Wish};

const CHANGED: &str = "millrace.customers.v1.CustomerChanged";
const DELETED: &str = "millrace.customers.v1.CustomerDeleted";
const WISHED: &str = "millrace.customer.v1.CustomerWished";
const CREATED: &str = "millrace.customer.v1.CustomerCreated";

/// Stream and key of a customer.
pub fn customer_stream(erp: &ErpCode, id: SystemId) -> String {
    format!("customer/{erp}/{id}")
}

pub fn registration_stream(channel: &ChannelCode, number: &str) -> String {
    format!("registration/{channel}/{number}")
}

#[derive(Debug, Error)]
pub enum WireError {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error(transparent)]
    Code(#[from] CodeError),
    #[error(transparent)]
    Number(#[from] NumberError),
    #[error(transparent)]
    Time(#[from] TimeError),
    #[error(transparent)]
    Encoding(#[from] prost::DecodeError),
    #[error("kind {0} is none of this stream's")]
    Kind(String),
}

impl Stored for Mirror {
    const LOADS: Loads = Loads::Last;

    fn encode(event: &Event) -> Draft {
        match event {
            Event::Changed {
                customer,
                changed_paths,
            } => {
                let message = customers::CustomerChanged {
                    customer: Some(write_customer(customer)),
                    changed_paths: changed_paths.iter().map(ToString::to_string).collect(),
                };
                Draft {
                    erp: Some(customer.erp.to_string()),
                    channel: customer
                        .shop
                        .as_ref()
                        .map(|(channel, _)| channel.to_string()),
                    occurred_at: Some(customer.modified_at.0),
                    ..Draft::new(CHANGED, message.encode_to_vec())
                }
            }
            Event::Deleted { erp, number } => {
                let message = customers::CustomerDeleted {
                    number: number.to_string(),
                };
                Draft {
                    erp: Some(erp.to_string()),
                    deleted: true,
                    ..Draft::new(DELETED, message.encode_to_vec())
                }
            }
        }
    }

    fn decode(recorded: &Recorded) -> Result<Event, String> {
        read_mirrored(recorded).map_err(|error| error.to_string())
    }
}

fn read_mirrored(recorded: &Recorded) -> Result<Event, WireError> {
    let erp = ErpCode::parse(recorded.event.erp.as_deref().unwrap_or_default())?;
    match recorded.event.kind.as_str() {
        CHANGED => {
            let message = customers::CustomerChanged::decode(recorded.event.payload.clone())?;
            let customer =
                read_customer(erp, message.customer.ok_or(WireError::Missing("customer"))?)?;
            Ok(Event::Changed {
                customer: Box::new(customer),
                changed_paths: vec![],
            })
        }
        DELETED => {
            let message = customers::CustomerDeleted::decode(recorded.event.payload.clone())?;
            Ok(Event::Deleted {
                erp,
                number: CustomerNumber::parse(&message.number)?,
            })
        }
        other => Err(WireError::Kind(other.to_owned())),
    }
}

impl Stored for Registration {
    const LOADS: Loads = Loads::Fold;

    fn encode(event: &registration::Event) -> Draft {
        match event {
            registration::Event::Wished(wish) => {
                let message = customer::CustomerWished {
                    channel: wish.channel.to_string(),
                    shop_customer_number: wish.shop_customer_number.clone(),
                    personal: Some(write_sealed(&wish.personal)),
                    currency_code: wish
                        .currency
                        .map(|currency| currency.code().to_owned())
                        .unwrap_or_default(),
                    language: wish
                        .language
                        .as_ref()
                        .map(|language| language.as_str().to_owned())
                        .unwrap_or_default(),
                };
                Draft {
                    channel: Some(wish.channel.to_string()),
                    ..Draft::new(WISHED, message.encode_to_vec())
                }
            }
            registration::Event::Created(created) => {
                let message = customer::CustomerCreated {
                    system_id: created.system_id.to_string(),
                    number: created.number.to_string(),
                };
                Draft::new(CREATED, message.encode_to_vec())
            }
        }
    }

    fn decode(recorded: &Recorded) -> Result<registration::Event, String> {
        read_registration(recorded).map_err(|error| error.to_string())
    }
}

fn read_registration(recorded: &Recorded) -> Result<registration::Event, WireError> {
    match recorded.event.kind.as_str() {
        WISHED => {
            let message = customer::CustomerWished::decode(recorded.event.payload.clone())?;
            Ok(registration::Event::Wished(Box::new(Wish {
                channel: ChannelCode::parse(&message.channel)?,
                shop_customer_number: message.shop_customer_number,
                personal: read_sealed(message.personal.ok_or(WireError::Missing("personal"))?),
                currency: optional(&message.currency_code, Currency::parse)?,
                language: optional(&message.language, LanguageTag::parse)?,
            })))
        }
        CREATED => {
            let message = customer::CustomerCreated::decode(recorded.event.payload.clone())?;
            let (system_id, number) = (
                SystemId::parse(&message.system_id)?,
                CustomerNumber::parse(&message.number)?,
            );
            Ok(registration::Event::Created(Created { system_id, number }))
        }
        other => Err(WireError::Kind(other.to_owned())),
    }
}

fn optional<T, E>(text: &str, parse: impl Fn(&str) -> Result<T, E>) -> Result<Option<T>, E> {
    if text.is_empty() {
        Ok(None)
    } else {
        parse(text).map(Some)
    }
}

fn write_sealed(sealed: &Sealed) -> personal::SealedPersonal {
    personal::SealedPersonal {
        person_id: sealed.person.clone(),
        nonce: Default::default(),
        ciphertext: sealed.bytes.clone().into(),
        fingerprint: sealed.fingerprint.clone().into(),
    }
}

pub fn read_sealed(sealed: personal::SealedPersonal) -> Sealed {
    Sealed {
        person: sealed.person_id,
        bytes: sealed.ciphertext.into(),
        fingerprint: sealed.fingerprint.into(),
    }
}

fn write_customer(customer: &Customer) -> customers::Customer {
    let (channel, shop_customer_number) = customer
        .shop
        .as_ref()
        .map(|(channel, number)| (channel.to_string(), number.clone()))
        .unwrap_or_default();
    let block = match customer.block {
        Block::None => customers::CustomerBlock::None,
        Block::Ship => customers::CustomerBlock::Ship,
        Block::Invoice => customers::CustomerBlock::Invoice,
        Block::All => customers::CustomerBlock::All,
    };
    customers::Customer {
        system_id: customer.system_id.to_string(),
        number: customer.number.to_string(),
        shop_customer_number,
        channel,
        block: block.into(),
        price_group: customer
            .price_group
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        currency_code: customer.currency_code.clone(),
        language: customer
            .language
            .as_ref()
            .map(|language| language.as_str().to_owned())
            .unwrap_or_default(),
        country_code: customer.country_code.clone(),
        payment_terms_code: customer.payment_terms_code.clone(),
        payment_method_code: customer.payment_method_code.clone(),
        shipment_method_code: customer.shipment_method_code.clone(),
        personal: Some(write_sealed(&customer.personal)),
        modified_at: Some(customer.modified_at.into()),
    }
}

fn read_customer(erp: ErpCode, message: customers::Customer) -> Result<Customer, WireError> {
    let block = match message.block() {
        customers::CustomerBlock::Ship => Block::Ship,
        customers::CustomerBlock::Invoice => Block::Invoice,
        customers::CustomerBlock::All => Block::All,
        customers::CustomerBlock::None | customers::CustomerBlock::Unspecified => Block::None,
    };
    let channel = ChannelCode::parse_optional(&message.channel)?;
    Ok(Customer {
        erp,
        system_id: SystemId::parse(&message.system_id)?,
        number: CustomerNumber::parse(&message.number)?,
        shop: channel.map(|channel| (channel, message.shop_customer_number)),
        block,
        price_group: PriceGroup::parse_optional(&message.price_group)?,
        currency_code: message.currency_code,
        language: optional(&message.language, LanguageTag::parse)?,
        country_code: message.country_code,
        payment_terms_code: message.payment_terms_code,
        payment_method_code: message.payment_method_code,
        shipment_method_code: message.shipment_method_code,
        personal: read_sealed(message.personal.ok_or(WireError::Missing("personal"))?),
        modified_at: Timestamp::try_from(
            message
                .modified_at
                .ok_or(WireError::Missing("modified_at"))?,
        )?,
    })
}

/// The ERP's customer without its personal part, which is sealed by the caller.
pub fn observed(erp: &ErpCode, seen: &CustomerObserved, personal: Sealed) -> Customer {
    Customer {
        erp: erp.clone(),
        system_id: seen.system_id,
        number: seen.number.clone(),
        shop: seen.shop.clone(),
        block: match seen.block {
            CustomerBlock::None => Block::None,
            CustomerBlock::Ship => Block::Ship,
            CustomerBlock::Invoice => Block::Invoice,
            CustomerBlock::All => Block::All,
        },
        price_group: seen.price_group.clone(),
        currency_code: seen.currency_code.clone(),
        language: seen.language.clone(),
        country_code: seen.address.country_code.clone(),
        payment_terms_code: seen.payment_terms_code.clone(),
        payment_method_code: seen.payment_method_code.clone(),
        shipment_method_code: seen.shipment_method_code.clone(),
        personal,
        modified_at: seen.modified_at,
    }
}

/// What is personal about an ERP customer.
pub fn personal_of(seen: &CustomerObserved) -> personal::Personal {
    personal::Personal {
        sell_to: Some(write_address(&seen.address)),
        ship_to: None,
        bill_to: None,
        email: seen.email.clone(),
        phone: seen.phone.clone(),
        vat_registration_number: seen.vat_registration_number.clone(),
    }
}

pub fn parties(personal: personal::Personal) -> party::Parties {
    party::Parties {
        sell_to: personal.sell_to.map(read_address).unwrap_or_default(),
        ship_to: personal.ship_to.map(read_address),
        bill_to: personal.bill_to.map(read_address),
        email: personal.email,
        phone: personal.phone,
        vat_registration_number: personal.vat_registration_number,
    }
}

fn write_address(address: &party::Address) -> personal::Address {
    personal::Address {
        name: address.name.clone(),
        name2: address.name2.clone(),
        address_line1: address.line1.clone(),
        address_line2: address.line2.clone(),
        postal_code: address.postal_code.clone(),
        city: address.city.clone(),
        state: address.state.clone(),
        country_code: address.country_code.clone(),
        contact_name: address.contact_name.clone(),
    }
}

fn read_address(address: personal::Address) -> party::Address {
    party::Address {
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
