//! customer-sync's part.

use std::sync::Arc;

use millrace_contract::customer::v1 as customer;
use millrace_contract::customer::v1::customer_service_server::{
    CustomerService, CustomerServiceServer,
};
use millrace_contract::personal::v1::Personal;
use millrace_erp::business_central::BusinessCentral;
use millrace_erp::party::{Address, NewCustomer, Parties};
use millrace_erp::{Erp, ErpError};
use millrace_service_kit::{Shutdown, rejection};
use millrace_values::ChannelCode;
use tonic::transport::Endpoint;
use tonic::{Request, Response, Status};

use crate::world::listener;

/// As customer-sync does it.
fn check(personal: &Personal) -> Result<(), Status> {
    let Some(sell_to) = &personal.sell_to else {
        return Err(rejection::bad_request("personal.sell_to", "is missing"));
    };
    if sell_to.name.trim().is_empty() {
        return Err(rejection::bad_request("personal.sell_to.name", "is empty"));
    }
    let addresses = [
        ("sell_to", &personal.sell_to),
        ("ship_to", &personal.ship_to),
        ("bill_to", &personal.bill_to),
    ];
    for (party, address) in addresses {
        if let Some(address) = address
            && address.country_code.len() != 2
        {
            return Err(rejection::bad_request(
                format!("personal.{party}.country_code"),
                "two capital letters",
            ));
        }
    }
    Ok(())
}

/// customer-sync, as far as order-intake sees it: creates customers in the ERP.
struct Newcomers {
    erp: Arc<BusinessCentral>,
}

pub async fn serve_customers(erp: Arc<BusinessCentral>, shutdown: Shutdown) -> Endpoint {
    let listener = listener().await;
    let endpoint =
        Endpoint::from_shared(format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = tonic::transport::Server::builder()
        .add_service(CustomerServiceServer::new(Newcomers { erp }));
    tokio::spawn(server.serve_with_incoming_shutdown(incoming, shutdown.cancelled_owned()));
    endpoint
}

#[tonic::async_trait]
impl CustomerService for Newcomers {
    async fn get_customer(
        &self,
        _: Request<customer::GetCustomerRequest>,
    ) -> Result<Response<customer::GetCustomerResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn list_customers(
        &self,
        _: Request<customer::ListCustomersRequest>,
    ) -> Result<Response<customer::ListCustomersResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn register_customer(
        &self,
        request: Request<customer::RegisterCustomerRequest>,
    ) -> Result<Response<customer::RegisterCustomerResponse>, Status> {
        let request = request.into_inner();
        let personal = request.personal.unwrap_or_default();
        check(&personal)?;
        let address = personal.sell_to.unwrap_or_default();
        let customer = NewCustomer {
            channel: ChannelCode::parse(&request.channel).unwrap(),
            shop_customer_number: request.shop_customer_number,
            parties: Parties {
                sell_to: Address {
                    name: address.name,
                    line1: address.address_line1,
                    city: address.city,
                    postal_code: address.postal_code,
                    country_code: address.country_code,
                    ..Address::default()
                },
                email: personal.email,
                ..Parties::default()
            },
            currency: None,
            language: None,
        };
        let created = self
            .erp
            .create_customer(&customer)
            .await
            .map_err(|error| match error {
                ErpError::Contradiction { .. } => {
                    rejection::already_exists("OTHER_CUSTOMER", "other content")
                }
                ErpError::Refused { .. } => rejection::precondition("ERP_REFUSED", "refused"),
                _ => Status::unavailable("the erp is away"),
            })?;
        Ok(Response::new(customer::RegisterCustomerResponse {
            system_id: created.system_id.to_string(),
            number: created.number.to_string(),
            existed: created.existed,
        }))
    }
}
