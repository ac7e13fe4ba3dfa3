//! `customer.v1.CustomerService`.

use std::sync::Arc;

use millrace_contract::customer::v1::customer_service_server::CustomerService;
use millrace_contract::customer::v1::{
    GetCustomerRequest, GetCustomerResponse, ListCustomersRequest, ListCustomersResponse,
    RegisterCustomerRequest, RegisterCustomerResponse, get_customer_request,
};
use millrace_contract::customers::v1::Customer;
use millrace_contract::personal::v1::{Address, Personal};
use millrace_event_store::{Cause, Database, SealError, Sealer, StoreError};
use millrace_service_kit::auth::Caller;
use millrace_service_kit::trace::TraceContext;
use millrace_service_kit::{Clock, Ids, rejection};
use millrace_values::{
    Channel, ChannelCode, Channels, Currency, CustomerNumber, LanguageTag, SystemId,
};
use prost::Message;
use tonic::{Request, Response, Status};
use tracing::error;

use super::register::{Register, Wanted};
use crate::read_model::{self, By};
use crate::wire;

const PAGE: u32 = 100;
const MOST: u32 = 1000;

/// Serves shops, operators and order-intake.
#[derive(Clone)]
pub struct Customers {
    pub database: Database,
    pub sealer: Arc<Sealer>,
    pub channels: Arc<Channels>,
    pub register: Register,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
}

#[tonic::async_trait]
impl CustomerService for Customers {
    async fn get_customer(
        &self,
        request: Request<GetCustomerRequest>,
    ) -> Result<Response<GetCustomerResponse>, Status> {
        let caller = Caller::of(&request)?;
        let GetCustomerRequest { channel, by } = request.into_inner();
        caller.may("customer:read", &channel)?;
        let channel = self.channel(&channel)?;
        use get_customer_request::By as Asked;
        let asked = by.ok_or_else(|| {
            rejection::bad_request("by", "name number, system_id or shop_customer_number")
        })?;
        let (by, name) = match &asked {
            Asked::Number(number) => {
                let number = CustomerNumber::parse(number)
                    .map_err(|error| rejection::bad_request("number", error.to_string()))?
                    .to_string();
                (By::Number(number.clone()), number)
            }
            Asked::SystemId(id) => {
                let id = SystemId::parse(id)
                    .map_err(|error| rejection::bad_request("system_id", error.to_string()))?;
                (By::SystemId(id), id.to_string())
            }
            Asked::ShopCustomerNumber(number) => {
                let number = shop_number(number)?;
                (By::ShopNumber(&channel.code, number), number.to_owned())
            }
        };
        let found = read_model::find(&self.database, &channel.erp, by)
            .await
            .map_err(|error| away(&error))?;
        // Who belongs to another shop is not known to this one.
        let found = found.filter(|customer| {
            customer.channel.is_empty() || customer.channel == channel.code.as_str()
        });
        let mut customer = found.ok_or_else(|| rejection::not_found("customer", name))?;
        let personal = if caller.has("customer:personal") {
            self.open(&customer).await?
        } else {
            None
        };
        customer.personal = None;
        Ok(Response::new(GetCustomerResponse {
            customer: Some(customer),
            personal,
        }))
    }

    async fn list_customers(
        &self,
        request: Request<ListCustomersRequest>,
    ) -> Result<Response<ListCustomersResponse>, Status> {
        let caller = Caller::of(&request)?;
        let ListCustomersRequest {
            channel,
            page_size,
            page_token,
        } = request.into_inner();
        caller.may("customer:read", &channel)?;
        let channel = self.channel(&channel)?;
        let size = match page_size {
            0 => PAGE,
            1..=MOST => page_size,
            _ => return Err(rejection::bad_request("page_size", "at most 1000")),
        };
        // The token is the last number of the page before.
        CustomerNumber::parse_optional(&page_token)
            .map_err(|_| rejection::bad_request("page_token", "was not given by this call"))?;
        let limit = i64::from(size) + 1;
        let listed = read_model::list(
            &self.database,
            &channel.erp,
            &channel.code,
            &page_token,
            limit,
        )
        .await;
        let mut customers = listed.map_err(|error| away(&error))?;
        let more = customers.len() > size as usize;
        customers.truncate(size as usize);
        let next_page_token = customers
            .last()
            .filter(|_| more)
            .map(|last| last.number.clone())
            .unwrap_or_default();
        for customer in &mut customers {
            customer.personal = None;
        }
        Ok(Response::new(ListCustomersResponse {
            customers,
            next_page_token,
        }))
    }

    async fn register_customer(
        &self,
        request: Request<RegisterCustomerRequest>,
    ) -> Result<Response<RegisterCustomerResponse>, Status> {
        let caller = Caller::of(&request)?;
        let trace = TraceContext::of_request(&request, &self.ids);
        let message = request.into_inner();
        caller.may("customer:register", &message.channel)?;
        let channel = self.channel(&message.channel)?;
        let wanted = wanted(channel, message)?;
        let cause = Cause {
            correlation_id: self.ids.uuid_at(self.clock.now()),
            causation_id: None,
            traceparent: Some(trace.to_string()),
            actor: caller.name().to_owned(),
        };
        Ok(Response::new(self.register.register(wanted, cause).await?))
    }
}

impl Customers {
    fn channel(&self, code: &str) -> Result<&Channel, Status> {
        let parsed = ChannelCode::parse(code)
            .map_err(|error| rejection::bad_request("channel", error.to_string()))?;
        self.channels
            .find(&parsed)
            .ok_or_else(|| rejection::not_found("channel", code))
    }

    /// `None`: the person was erased.
    async fn open(&self, customer: &Customer) -> Result<Option<Personal>, Status> {
        let Some(sealed) = customer.personal.clone().map(wire::read_sealed) else {
            return Ok(None);
        };
        match self
            .sealer
            .open(&sealed.person, &sealed.bytes, sealed.person.as_bytes())
            .await
        {
            Ok(plain) => {
                let personal = Personal::decode(plain.as_slice());
                personal.map(Some).map_err(|_| {
                    rejection::broken(
                        "PERSONAL_UNREADABLE",
                        "personal data of this customer cannot be read",
                    )
                })
            }
            Err(SealError::Erased) => Ok(None),
            Err(SealError::Broken) => Err(rejection::broken(
                "PERSONAL_UNREADABLE",
                "personal data of this customer cannot be opened",
            )),
            Err(SealError::Store(error)) => Err(away(&error)),
        }
    }
}

fn wanted(channel: &Channel, message: RegisterCustomerRequest) -> Result<Wanted, Status> {
    let number = shop_number(&message.shop_customer_number)?;
    let personal = message
        .personal
        .ok_or_else(|| rejection::bad_request("personal", "is missing"))?;
    let address = personal
        .sell_to
        .as_ref()
        .ok_or_else(|| rejection::bad_request("personal.sell_to", "is missing"))?;
    if address.name.trim().is_empty() {
        return Err(rejection::bad_request("personal.sell_to.name", "is empty"));
    }
    for (party, address) in [
        ("sell_to", &personal.sell_to),
        ("ship_to", &personal.ship_to),
        ("bill_to", &personal.bill_to),
    ] {
        if let Some(address) = address {
            check(party, address)?;
        }
    }
    for (field, text, limit) in [
        ("email", &personal.email, 80),
        ("phone", &personal.phone, 30),
        (
            "vat_registration_number",
            &personal.vat_registration_number,
            20,
        ),
    ] {
        printable(field, text, limit)?;
    }
    let currency = match message.currency_code.as_str() {
        "" => channel.currency,
        code => Currency::parse(code)
            .map_err(|error| rejection::bad_request("currency_code", error.to_string()))?,
    };
    let language = match message.language.as_str() {
        "" => channel.languages.first().cloned(),
        tag => Some(
            LanguageTag::parse(tag)
                .map_err(|error| rejection::bad_request("language", error.to_string()))?,
        ),
    };
    Ok(Wanted {
        channel: channel.code.clone(),
        shop_customer_number: number.to_owned(),
        personal,
        currency: Some(currency),
        language,
    })
}

/// The number a shop gives a customer.
fn shop_number(text: &str) -> Result<&str, Status> {
    let number = text.trim();
    if number.is_empty() || number.chars().count() > 50 || number.chars().any(char::is_control) {
        return Err(rejection::bad_request(
            "shop_customer_number",
            "1 to 50 printable characters",
        ));
    }
    Ok(number)
}

fn printable(field: &str, text: &str, limit: usize) -> Result<(), Status> {
    if text.chars().count() > limit || text.chars().any(char::is_control) {
        return Err(rejection::bad_request(
            format!("personal.{field}"),
            format!("at most {limit} printable characters"),
        ));
    }
    Ok(())
}

/// Lengths are Business Central's. What offends is not repeated: it is personal.
fn check(party: &str, address: &Address) -> Result<(), Status> {
    let fields = [
        ("name", &address.name, 100),
        ("name2", &address.name2, 50),
        ("address_line1", &address.address_line1, 100),
        ("address_line2", &address.address_line2, 50),
        ("postal_code", &address.postal_code, 20),
        ("city", &address.city, 30),
        ("state", &address.state, 30),
        ("contact_name", &address.contact_name, 100),
    ];
    for (field, text, limit) in fields {
        printable(&format!("{party}.{field}"), text, limit)?;
    }
    let country = &address.country_code;
    if country.len() != 2 || !country.bytes().all(|letter| letter.is_ascii_uppercase()) {
        return Err(rejection::bad_request(
            format!("personal.{party}.country_code"),
            "two capital letters, ISO 3166-1",
        ));
    }
    Ok(())
}

fn away(error: &StoreError) -> Status {
    error!(
        error = error as &dyn std::error::Error,
        "customers cannot be read"
    );
    rejection::unavailable("database", "the database is away")
}
