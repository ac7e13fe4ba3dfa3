//! A customer as the ERP shows it. The command is an observation, the events are the differences.

use std::convert::Infallible;

use millrace_event_store::Decider;
use millrace_values::{
    ChannelCode, CustomerNumber, ErpCode, LanguageTag, PriceGroup, SystemId, Timestamp,
};

use super::Sealed;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    pub erp: ErpCode,
    pub system_id: SystemId,
    pub number: CustomerNumber,
    /// Channel and number of the shop that created it.
    pub shop: Option<(ChannelCode, String)>,
    pub block: Block,
    pub price_group: Option<PriceGroup>,
    pub currency_code: String,
    pub language: Option<LanguageTag>,
    pub country_code: String,
    pub payment_terms_code: String,
    pub payment_method_code: String,
    pub shipment_method_code: String,
    pub personal: Sealed,
    pub modified_at: Timestamp,
}

/// What the ERP refuses this customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    None,
    Ship,
    Invoice,
    All,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Observe(Box<Customer>),
    ObserveGone,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Changed {
        customer: Box<Customer>,
        changed_paths: Vec<&'static str>,
    },
    Deleted {
        erp: ErpCode,
        number: CustomerNumber,
    },
}

/// One customer of the ERP.
#[derive(Debug)]
pub struct Mirror;

impl Decider for Mirror {
    type State = Option<Box<Customer>>;
    type Command = Command;
    type Event = Event;
    type Rejection = Infallible;

    fn decide(state: &Self::State, command: Command) -> Result<Vec<Event>, Infallible> {
        let events = match (state, command) {
            (None, Command::Observe(customer)) => vec![Event::Changed {
                customer,
                changed_paths: vec![],
            }],
            (Some(known), Command::Observe(customer)) => {
                let changed_paths = differences(known, &customer);
                if changed_paths.is_empty() {
                    vec![]
                } else {
                    vec![Event::Changed {
                        customer,
                        changed_paths,
                    }]
                }
            }
            (Some(known), Command::ObserveGone) => vec![Event::Deleted {
                erp: known.erp.clone(),
                number: known.number.clone(),
            }],
            (None, Command::ObserveGone) => vec![],
        };
        Ok(events)
    }

    fn evolve(_: Self::State, event: &Event) -> Self::State {
        match event {
            Event::Changed { customer, .. } => Some(customer.clone()),
            Event::Deleted { .. } => None,
        }
    }
}

/// Which fields of the event differ. The time of the change alone is no difference.
fn differences(known: &Customer, seen: &Customer) -> Vec<&'static str> {
    let fields = [
        ("number", known.number != seen.number),
        ("shop_customer_number", known.shop != seen.shop),
        ("block", known.block != seen.block),
        ("price_group", known.price_group != seen.price_group),
        ("currency_code", known.currency_code != seen.currency_code),
        ("language", known.language != seen.language),
        ("country_code", known.country_code != seen.country_code),
        (
            "payment_terms_code",
            known.payment_terms_code != seen.payment_terms_code,
        ),
        (
            "payment_method_code",
            known.payment_method_code != seen.payment_method_code,
        ),
        (
            "shipment_method_code",
            known.shipment_method_code != seen.shipment_method_code,
        ),
        ("personal", !known.personal.same_content(&seen.personal)),
    ];
    fields
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(path, _)| path)
        .collect()
}

#[cfg(test)]
mod tests {
    use millrace_event_store::given;

    use super::*;

    /// Row 30.
    #[test]
    fn a_new_address_changes_the_customer() {
        given::<Mirror>([seen(customer())])
            .when(Command::Observe(living_at("elsewhere")))
            .then([Event::Changed {
                customer: living_at("elsewhere"),
                changed_paths: vec!["personal"],
            }]);
    }

    #[test]
    fn the_same_customer_sealed_anew_is_no_change() {
        let mut sealed_anew = customer();
        sealed_anew.personal.bytes = vec![9, 9];
        sealed_anew.modified_at = Timestamp::parse("2027-01-01T00:00:00Z").unwrap();
        given::<Mirror>([seen(customer())])
            .when(Command::Observe(sealed_anew))
            .then_nothing();
    }

    /// Row 30.
    #[test]
    fn a_customer_that_is_gone_is_told_once() {
        given::<Mirror>([seen(customer())])
            .when(Command::ObserveGone)
            .then([gone()]);
        given::<Mirror>([seen(customer()), gone()])
            .when(Command::ObserveGone)
            .then_nothing();
    }

    /// Row 38.
    #[test]
    fn a_block_is_told() {
        let mut blocked = customer();
        blocked.block = Block::All;
        given::<Mirror>([seen(customer())])
            .when(Command::Observe(blocked.clone()))
            .then([Event::Changed {
                customer: blocked,
                changed_paths: vec!["block"],
            }]);
    }

    fn seen(customer: Box<Customer>) -> Event {
        Event::Changed {
            customer,
            changed_paths: vec![],
        }
    }

    fn gone() -> Event {
        Event::Deleted {
            erp: ErpCode::parse("bc-main").unwrap(),
            number: CustomerNumber::parse("10000").unwrap(),
        }
    }

    fn living_at(place: &str) -> Box<Customer> {
        let mut customer = customer();
        customer.personal.fingerprint = place.as_bytes().to_vec();
        customer
    }

    fn customer() -> Box<Customer> {
        Box::new(Customer {
            erp: ErpCode::parse("bc-main").unwrap(),
            system_id: SystemId::parse("5d115c9c-44e3-ea11-bb43-000d3a2feca1").unwrap(),
            number: CustomerNumber::parse("10000").unwrap(),
            shop: None,
            block: Block::None,
            price_group: None,
            currency_code: String::new(),
            language: None,
            country_code: "DE".into(),
            payment_terms_code: String::new(),
            payment_method_code: String::new(),
            shipment_method_code: String::new(),
            personal: Sealed {
                person: "p".into(),
                bytes: vec![1],
                fingerprint: b"here".to_vec(),
            },
            modified_at: Timestamp::parse("2026-01-01T00:00:00Z").unwrap(),
        })
    }
}
