//! A shop's wish for a customer: kept before the ERP is asked, so that nothing is lost whatever happens in between.

use millrace_event_store::Decider;
use millrace_values::{ChannelCode, Currency, CustomerNumber, LanguageTag, SystemId};

use super::Sealed;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub channel: ChannelCode,
    pub shop_customer_number: String,
    pub personal: Sealed,
    pub currency: Option<Currency>,
    pub language: Option<LanguageTag>,
}

impl Wish {
    fn same_content(&self, other: &Self) -> bool {
        self.personal.same_content(&other.personal)
            && self.currency == other.currency
            && self.language == other.language
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    pub system_id: SystemId,
    pub number: CustomerNumber,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Wish(Box<Wish>),
    /// The ERP has it.
    Create(Created),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Wished(Box<Wish>),
    Created(Created),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// The number stands for a customer with other content.
    Contradicts,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pub wish: Option<Box<Wish>>,
    pub created: Option<Created>,
}

/// One registration: (channel, shop customer number).
#[derive(Debug)]
pub struct Registration;

impl Decider for Registration {
    type State = State;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(state: &State, command: Command) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Wish(wish) => match &state.wish {
                Some(known) if known.same_content(&wish) => Ok(vec![]),
                Some(_) if state.created.is_some() => Err(Rejection::Contradicts),
                // What did not come true may still be put right; should the ERP have it after all, it objects.
                Some(_) | None => Ok(vec![Event::Wished(wish)]),
            },
            Command::Create(created) => match &state.created {
                Some(known) if *known == created => Ok(vec![]),
                Some(_) => Err(Rejection::Contradicts),
                None => Ok(vec![Event::Created(created)]),
            },
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        match event {
            Event::Wished(wish) => State {
                wish: Some(wish.clone()),
                ..state
            },
            Event::Created(created) => State {
                created: Some(created.clone()),
                ..state
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use millrace_event_store::given;

    use super::*;

    /// Row 33.
    #[test]
    fn the_same_wish_again_is_nothing_new() {
        given::<Registration>([wished("here"), created()])
            .when(wish("here"))
            .then_nothing();
    }

    #[test]
    fn another_person_under_a_number_that_came_true_contradicts() {
        given::<Registration>([wished("here"), created()])
            .when(wish("there"))
            .then_rejected(Rejection::Contradicts);
    }

    #[test]
    fn a_wish_that_did_not_come_true_can_be_put_right() {
        given::<Registration>([wished("here")])
            .when(wish("there"))
            .then([wished("there")]);
    }

    #[test]
    fn the_erp_answering_twice_creates_once() {
        let Event::Created(customer) = created() else {
            unreachable!()
        };
        given::<Registration>([wished("here"), created()])
            .when(Command::Create(customer))
            .then_nothing();
    }

    fn wish(content: &str) -> Command {
        Command::Wish(Box::new(Wish {
            channel: ChannelCode::parse("furniture").unwrap(),
            shop_customer_number: "S-1".into(),
            personal: Sealed {
                person: "p".into(),
                bytes: vec![],
                fingerprint: content.as_bytes().to_vec(),
            },
            currency: None,
            language: None,
        }))
    }

    fn wished(content: &str) -> Event {
        let Command::Wish(wish) = wish(content) else {
            unreachable!()
        };
        Event::Wished(wish)
    }

    fn created() -> Event {
        Event::Created(Created {
            system_id: SystemId::parse("5d115c9c-44e3-ea11-bb43-000d3a2feca1").unwrap(),
            number: CustomerNumber::parse("C00010").unwrap(),
        })
    }
}
