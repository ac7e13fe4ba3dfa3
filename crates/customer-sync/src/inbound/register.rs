//! A shop's new customer becomes a customer of the ERP: the wish first, durable; then the ERP, which knows the shop's number
//! and so creates once however often it is asked; then the answer.

use std::sync::Arc;

use millrace_contract::customer::v1::RegisterCustomerResponse;
use millrace_contract::personal::v1::Personal;
use millrace_erp::party::NewCustomer;
use millrace_erp::{Erp, ErpError};
use millrace_event_store::{Cause, ExecuteError, SealError, Sealer, Streams};
use millrace_service_kit::rejection;
use millrace_values::{ChannelCode, Currency, LanguageTag};
use tonic::Status;
use tracing::{error, info};

use super::mirror::seal;
use crate::domain::registration::{Command, Created, Registration, Rejection, Wish};
use crate::wire;

#[derive(Clone)]
pub struct Register {
    pub erp: Arc<dyn Erp>,
    pub sealer: Arc<Sealer>,
    pub streams: Streams<Registration>,
}

/// What a shop wants created, checked.
pub struct Wanted {
    pub channel: ChannelCode,
    pub shop_customer_number: String,
    pub personal: Personal,
    pub currency: Option<Currency>,
    pub language: Option<LanguageTag>,
}

impl Register {
    pub async fn register(
        &self,
        wanted: Wanted,
        cause: Cause,
    ) -> Result<RegisterCustomerResponse, Status> {
        let stream = wire::registration_stream(&wanted.channel, &wanted.shop_customer_number);
        let personal = seal(&self.sealer, &stream, &wanted.personal)
            .await
            .map_err(unsealed)?;
        let wish = Wish {
            channel: wanted.channel.clone(),
            shop_customer_number: wanted.shop_customer_number.clone(),
            personal,
            currency: wanted.currency,
            language: wanted.language.clone(),
        };
        let wished = self
            .streams
            .execute(&stream, Command::Wish(Box::new(wish)), cause.clone())
            .await
            .map_err(refused)?;
        if let Some(created) = wished.state.created {
            return Ok(answer(&created, true));
        }
        let customer = NewCustomer {
            channel: wanted.channel,
            shop_customer_number: wanted.shop_customer_number,
            parties: wire::parties(wanted.personal),
            currency: wanted.currency,
            language: wanted.language,
        };
        let there = self
            .erp
            .create_customer(&customer)
            .await
            .map_err(|error| said_no(&error))?;
        let created = Created {
            system_id: there.system_id,
            number: there.number,
        };
        let existed = there.existed;
        self.streams
            .execute(&stream, Command::Create(created.clone()), cause)
            .await
            .map_err(refused)?;
        info!(customer.number = %created.number, channel = %customer.channel, existed, "customer {} stands for a customer of {}", created.number, customer.channel);
        Ok(answer(&created, existed))
    }
}

fn answer(created: &Created, existed: bool) -> RegisterCustomerResponse {
    RegisterCustomerResponse {
        system_id: created.system_id.to_string(),
        number: created.number.to_string(),
        existed,
    }
}

fn refused(error: ExecuteError<Rejection>) -> Status {
    match error {
        ExecuteError::Rejected(Rejection::Contradicts) => contradiction(),
        ExecuteError::Conflict => {
            rejection::conflict("the registration changed meanwhile, try again")
        }
        ExecuteError::Refused(error) => {
            error!(
                error = &error as &dyn std::error::Error,
                "a registration cannot be stored"
            );
            rejection::broken("NOT_STORABLE", "the registration cannot be stored")
        }
        ExecuteError::Store(error) => {
            error!(
                error = &error as &dyn std::error::Error,
                "a registration could not be stored"
            );
            rejection::unavailable("database", "the database is away, nothing was created")
        }
    }
}

fn contradiction() -> Status {
    rejection::already_exists(
        "OTHER_CUSTOMER",
        "shop_customer_number stands for a customer with other content",
    )
}

fn unsealed(error: SealError) -> Status {
    match error {
        SealError::Erased => rejection::precondition(
            "PERSON_ERASED",
            "this person was erased; register under another number",
        ),
        SealError::Broken => {
            rejection::broken("PERSONAL_UNREADABLE", "the person's key cannot be used")
        }
        SealError::Store(error) => {
            error!(
                error = &error as &dyn std::error::Error,
                "a person's key could not be reached"
            );
            rejection::unavailable("database", "the database is away, nothing was created")
        }
    }
}

fn said_no(error: &ErpError) -> Status {
    match error {
        // The ERP's message may name people; its code does not.
        ErpError::Refused { code, .. } => {
            info!(code, "the erp refuses a customer");
            rejection::precondition(
                "ERP_REFUSED",
                format!("the erp refuses this customer: {code}"),
            )
        }
        ErpError::Contradiction { .. } => contradiction(),
        ErpError::Unsupported(what) => {
            rejection::precondition("ERP_CANNOT", format!("the erp cannot {what}"))
        }
        ErpError::Away { .. }
        | ErpError::Unknown
        | ErpError::InDoubt { .. }
        | ErpError::Denied(_)
        | ErpError::Unreadable(_)
        | ErpError::ResyncNeeded { .. } => {
            error!(
                error = error as &dyn std::error::Error,
                "a customer could not be created in the erp"
            );
            rejection::unavailable("erp", "the erp is away; the wish is kept, ask again")
        }
    }
}
