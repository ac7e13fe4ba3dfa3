//! Who creates customers: another service, asked over gRPC. New customers come before their orders.

use std::time::Duration;

use async_trait::async_trait;
use millrace_contract::customer::v1::RegisterCustomerRequest;
use millrace_contract::customer::v1::customer_service_client::CustomerServiceClient;
use millrace_contract::personal::v1::Personal;
use millrace_service_kit::Secret;
use millrace_service_kit::tls::Server;
use millrace_values::{ChannelCode, Currency, CustomerNumber, LanguageTag};
use thiserror::Error;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

/// An answer that takes longer does not come; asked again, it is the same customer.
const PATIENCE: Duration = Duration::from_secs(90);
const CONNECTING: Duration = Duration::from_secs(5);
/// A connection whose other end is gone is noticed.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// A customer to be created.
#[derive(Debug)]
pub struct Newcomer<'a> {
    pub channel: &'a ChannelCode,
    pub shop_customer_number: &'a str,
    pub personal: Personal,
    pub currency: Currency,
    pub language: Option<&'a LanguageTag>,
}

#[derive(Debug, Error)]
pub enum RegisterError {
    /// The number stands for a customer with other data.
    #[error("the customer cannot be created: its number stands for other content")]
    Contradicts,
    /// It cannot be created as it is: needs a person. Names fields and codes, never what stands in them.
    #[error("the customer cannot be created: {0}")]
    Refused(String),
    /// Try again later.
    #[error("customer-sync is away: {0}")]
    Away(String),
}

/// Creates customers, once per channel and the shop's number.
#[async_trait]
pub trait Customers: Send + Sync {
    /// The ERP's number of the customer, new or not.
    async fn register(
        &self,
        newcomer: Newcomer<'_>,
        traceparent: Option<&str>,
    ) -> Result<CustomerNumber, RegisterError>;
}

/// customer-sync, wherever it runs. Connects when it is first needed.
#[derive(Debug, Clone)]
pub struct GrpcCustomers {
    client: CustomerServiceClient<Channel>,
    authorization: Option<MetadataValue<Ascii>>,
}

impl GrpcCustomers {
    /// A token that cannot stand in a header is left out, and refused over there.
    #[must_use]
    pub fn new(server: impl Into<Server>, token: &Secret) -> Self {
        let mut authorization: Option<MetadataValue<Ascii>> =
            format!("Bearer {}", token.expose()).parse().ok();
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        let server = server.into().with(|endpoint| {
            endpoint
                .connect_timeout(CONNECTING)
                .http2_keep_alive_interval(KEEPALIVE)
                .keep_alive_timeout(KEEPALIVE)
        });
        Self {
            client: CustomerServiceClient::new(server.connect_lazy()),
            authorization,
        }
    }
}

#[async_trait]
impl Customers for GrpcCustomers {
    async fn register(
        &self,
        newcomer: Newcomer<'_>,
        traceparent: Option<&str>,
    ) -> Result<CustomerNumber, RegisterError> {
        let mut request = Request::new(RegisterCustomerRequest {
            channel: newcomer.channel.to_string(),
            shop_customer_number: newcomer.shop_customer_number.to_owned(),
            personal: Some(newcomer.personal),
            currency_code: newcomer.currency.code().to_owned(),
            language: newcomer
                .language
                .map(|tag| tag.as_str().to_owned())
                .unwrap_or_default(),
        });
        let metadata = request.metadata_mut();
        if let Some(authorization) = &self.authorization {
            metadata.insert("authorization", authorization.clone());
        }
        if let Some(Ok(traceparent)) = traceparent.map(str::parse) {
            metadata.insert("traceparent", traceparent);
        }
        let mut client = self.client.clone();
        let answer = tokio::time::timeout(PATIENCE, client.register_customer(request))
            .await
            .map_err(|_| RegisterError::Away("it does not answer".to_owned()))?
            .map_err(refused_or_away)?;
        CustomerNumber::parse(&answer.into_inner().number)
            .map_err(|error| RegisterError::Away(format!("its answer cannot be read: {error}")))
    }
}

fn refused_or_away(status: Status) -> RegisterError {
    match status.code() {
        Code::AlreadyExists => RegisterError::Contradicts,
        Code::InvalidArgument | Code::FailedPrecondition => {
            RegisterError::Refused(format!("customer-sync refuses {}", what(&status)))
        }
        code => RegisterError::Away(format!("{code:?}: {}", status.message())),
    }
}

/// The fields that are wrong, or the reason's code. What the message says of them may be personal.
fn what(status: &Status) -> String {
    let details = status.get_error_details();
    if let Some(bad_request) = details.bad_request() {
        let fields = bad_request.field_violations.iter();
        let fields: Vec<&str> = fields.map(|fault| fault.field.as_str()).collect();
        if !fields.is_empty() {
            return fields.join(", ");
        }
    }
    match details.error_info() {
        Some(info) => format!("it as it is: {}", info.reason),
        None => "it as it is".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use millrace_service_kit::rejection;

    use super::*;

    #[test]
    fn a_refused_customer_says_which_fields_are_wrong_and_not_what_stands_in_them() {
        let status = rejection::bad_request("personal.bill_to.country_code", "Mustermannland");
        assert_eq!(
            refused_or_away(status).to_string(),
            "the customer cannot be created: customer-sync refuses personal.bill_to.country_code"
        );
        let status = rejection::precondition("ERP_REFUSED", "no posting group for Mustermann");
        assert_eq!(
            refused_or_away(status).to_string(),
            "the customer cannot be created: customer-sync refuses it as it is: ERP_REFUSED"
        );
    }
}
