//! Customers.

use serde_json::{Value, json};

use super::{code_id, object, with_extra};
use crate::companion::blocked_name;
use crate::database::{Customer, Tables};
use crate::entities::schema::CUSTOMER;
use crate::numbers::{guid, instant, number};
use crate::odata::page::Rendered;

pub fn customer(tables: &Tables, local_currency: &str, customer: &Customer) -> Rendered {
    let address = &customer.address;
    let rendered = object(json!({
        "id": guid(customer.id),
        "number": customer.number,
        "displayName": address.name,
        "type": if customer.person { "Person" } else { "Company" },
        "addressLine1": address.address_line1,
        "addressLine2": address.address_line2,
        "city": address.city,
        "state": address.state,
        "country": address.country,
        "postalCode": address.postal_code,
        "phoneNumber": customer.phone,
        "email": customer.email,
        "website": customer.website,
        "salespersonCode": customer.salesperson,
        "balanceDue": number(customer.balance),
        "creditLimit": number(customer.credit_limit),
        "taxRegistrationNumber": customer.tax_number,
        "currencyId": code_id(tables, "currencies", &customer.currency),
        "currencyCode": if customer.currency.is_empty() { local_currency } else { &customer.currency },
        "paymentTermsId": code_id(tables, "paymentTerms", &customer.payment_terms),
        "shipmentMethodId": code_id(tables, "shipmentMethods", &customer.shipment_method),
        "paymentMethodId": code_id(tables, "paymentMethods", &customer.payment_method),
        "blocked": blocked_name(&customer.blocked),
        "lastModifiedDateTime": instant(customer.stamp.modified_at),
    }));
    let mut rendered = with_extra(rendered, &CUSTOMER, &customer.extra);
    if !customer.extra.contains_key("taxLiable") {
        rendered.insert(
            "taxLiable".to_owned(),
            Value::from(customer.tax_group == "DOMESTIC"),
        );
    }
    rendered
}
