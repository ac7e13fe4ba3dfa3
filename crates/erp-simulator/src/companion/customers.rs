//! Customers with what the standard page lacks, created once per external reference.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{collection, nothing, rendered};
use crate::company::{code, tax_group_of};
use crate::database::{Address, Customer, Row, Transaction};
use crate::http::Call;
use crate::http::answer::Answer;
use crate::numbers::{guid, instant, number};
use crate::odata::etag;
use crate::odata::page::{Rendered, Source};
use crate::odata::schema::{Kind, Schema, ro, rw};
use crate::refusal::Refusal;
use crate::sales::series;
use crate::sales::stock::primary_key;
use crate::simulator::World;

const TYPES: &[&str] = &["Company", "Person"];
pub(crate) const BLOCKED: &[&str] = &["_x0020_", "Ship", "Invoice", "All"];

pub(super) const CUSTOMER: Schema = Schema {
    entity: "customer",
    set: "customers",
    properties: &[
        ro("systemId", Kind::Guid),
        rw("number", Kind::Text(20)),
        rw("externalReference", Kind::Text(100)),
        rw("shopCustomerNumber", Kind::Text(50)),
        rw("type", Kind::Enum(TYPES)),
        rw("displayName", Kind::Text(100)),
        rw("displayName2", Kind::Text(50)),
        rw("addressLine1", Kind::Text(100)),
        rw("addressLine2", Kind::Text(50)),
        rw("postalCode", Kind::Text(20)),
        rw("city", Kind::Text(30)),
        rw("state", Kind::Text(30)),
        rw("country", Kind::Text(10)),
        rw("email", Kind::Text(80)),
        rw("phoneNumber", Kind::Text(30)),
        rw("taxRegistrationNumber", Kind::Text(20)),
        rw("currencyCode", Kind::Text(10)),
        rw("languageCode", Kind::Text(10)),
        rw("priceGroup", Kind::Text(10)),
        rw("templateCode", Kind::Text(20)),
        ro("discountGroup", Kind::Text(20)),
        ro("pricesIncludeTax", Kind::Boolean),
        ro("taxBusinessGroup", Kind::Text(20)),
        ro("blocked", Kind::Enum(BLOCKED)),
        ro("creditLimit", Kind::Decimal),
        ro("balance", Kind::Decimal),
        ro("paymentTermsCode", Kind::Text(10)),
        ro("paymentMethodCode", Kind::Text(10)),
        ro("shipmentMethodCode", Kind::Text(10)),
        ro("salespersonCode", Kind::Text(20)),
        ro("billToCustomerNumber", Kind::Text(20)),
        ro("lastModifiedDateTime", Kind::Instant),
        ro("systemRowVersion", Kind::Integer),
        ro("boundary", Kind::Integer),
    ],
    navigations: &[],
    insert: true,
    modify: false,
    delete: false,
};

pub(super) fn list(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    world.read_bounded(|tables, marks, boundary| {
        let source = Source {
            table: &tables.customers,
            schema: &CUSTOMER,
            id: "systemId",
            key: Some("number"),
            parent: None,
            keep: &|_| true,
            render: &|customer: &Customer| render(customer, &marks.local_currency, boundary),
            within: None,
        };
        collection(call, &source, nothing)
    })
}

fn render(customer: &Customer, local_currency: &str, boundary: i64) -> Rendered {
    let address = &customer.address;
    rendered(json!({
        "systemId": guid(customer.id),
        "number": customer.number,
        "externalReference": customer.external_reference,
        "shopCustomerNumber": customer.shop_number,
        "type": if customer.person { "Person" } else { "Company" },
        "displayName": address.name,
        "displayName2": customer.name2,
        "addressLine1": address.address_line1,
        "addressLine2": address.address_line2,
        "postalCode": address.postal_code,
        "city": address.city,
        "state": address.state,
        "country": address.country,
        "email": customer.email,
        "phoneNumber": customer.phone,
        "taxRegistrationNumber": customer.tax_number,
        "currencyCode": if customer.currency.is_empty() { local_currency } else { &customer.currency },
        "languageCode": customer.language,
        "priceGroup": customer.price_group,
        "discountGroup": customer.discount_group,
        "pricesIncludeTax": customer.prices_include_tax,
        "taxBusinessGroup": customer.tax_group,
        "blocked": blocked_name(&customer.blocked),
        "creditLimit": number(customer.credit_limit),
        "balance": number(customer.balance),
        "paymentTermsCode": customer.payment_terms,
        "paymentMethodCode": customer.payment_method,
        "shipmentMethodCode": customer.shipment_method,
        "salespersonCode": customer.salesperson,
        "billToCustomerNumber": customer.bill_to,
        "lastModifiedDateTime": instant(customer.stamp.modified_at),
        "systemRowVersion": customer.stamp.version,
        "boundary": boundary,
    }))
}

/// An empty enumeration member travels as an escaped blank.
pub(crate) fn blocked_name(blocked: &str) -> &str {
    if blocked.is_empty() {
        "_x0020_"
    } else {
        blocked
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewCustomer {
    external_reference: String,
    #[serde(default)]
    number: String,
    #[serde(default)]
    shop_customer_number: String,
    #[serde(default = "person")]
    r#type: String,
    display_name: String,
    #[serde(default)]
    display_name2: String,
    #[serde(default)]
    address_line1: String,
    #[serde(default)]
    address_line2: String,
    #[serde(default)]
    postal_code: String,
    #[serde(default)]
    city: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    country: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    phone_number: String,
    #[serde(default)]
    tax_registration_number: String,
    #[serde(default)]
    currency_code: String,
    #[serde(default)]
    language_code: String,
    #[serde(default)]
    price_group: String,
    #[serde(default)]
    template_code: String,
}

fn person() -> String {
    "Person".to_owned()
}

pub(super) async fn create(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    for (name, value) in call.json()? {
        CUSTOMER.check(&name, &value)?;
    }
    let wanted: NewCustomer = serde_json::from_slice(&call.body)
        .map_err(|error| Refusal::bad_request(error.to_string()))?;
    if wanted.external_reference.trim().is_empty() || wanted.display_name.trim().is_empty() {
        return Err(Refusal::bad_request(
            "externalReference and displayName must have a value.",
        ));
    }
    let content = serde_json::to_value(&wanted).unwrap_or_default();
    let (id, created) = world
        .write(&call.client, call.hold, |tx| insert(tx, &wanted, &content))
        .await?;
    let answer = world.read_bounded(|tables, marks, boundary| {
        let customer = tables.customers.get(id)?;
        let mut record = render(customer, &marks.local_currency, boundary);
        record.insert(
            "@odata.etag".to_owned(),
            Value::from(etag(customer.stamp().version)),
        );
        record.insert(
            "@odata.context".to_owned(),
            Value::from(format!("{}/$metadata#customers/$entity", call.base)),
        );
        Some(Answer::json(
            if created { 201 } else { 200 },
            &Value::Object(record),
        ))
    });
    answer.ok_or_else(|| Refusal::not_found("customer"))
}

/// The customer's id, and whether it is new.
fn insert(
    tx: &mut Transaction<'_>,
    wanted: &NewCustomer,
    content: &Value,
) -> Result<(Uuid, bool), Refusal> {
    if let Some(known) = tx.tables().customers.by_alias(&wanted.external_reference) {
        if known.created_with == *content {
            return Ok((known.id, false));
        }
        return Err(Refusal::same_key("Customer", &wanted.external_reference));
    }
    let number = if wanted.number.is_empty() {
        next_number(tx)?
    } else {
        wanted.number.clone()
    };
    if tx.tables().customers.by_key(&number).is_some() {
        return Err(Refusal::same_key("Customer", &number));
    }
    for (set, value) in [
        ("countriesRegions", &wanted.country),
        ("priceGroups", &wanted.price_group),
    ] {
        if !value.is_empty() && code(tx, set, value).is_none() {
            return Err(Refusal::business(format!(
                "The field contains a value ({value}) that cannot be found in {set}."
            )));
        }
    }
    let local = wanted.currency_code == tx.marks().local_currency;
    if !wanted.currency_code.is_empty()
        && !local
        && code(tx, "currencies", &wanted.currency_code).is_none()
    {
        return Err(Refusal::business(format!(
            "The currency {} does not exist.",
            wanted.currency_code
        )));
    }
    let person = wanted.r#type == "Person";
    let customer = tx.put(Customer {
        id: tx.new_id(),
        number,
        external_reference: wanted.external_reference.clone(),
        created_with: content.clone(),
        shop_number: wanted.shop_customer_number.clone(),
        person,
        name2: wanted.display_name2.clone(),
        address: Address {
            name: wanted.display_name.clone(),
            address_line1: wanted.address_line1.clone(),
            address_line2: wanted.address_line2.clone(),
            postal_code: wanted.postal_code.clone(),
            city: wanted.city.clone(),
            state: wanted.state.clone(),
            country: wanted.country.clone(),
            ..Address::default()
        },
        email: wanted.email.clone(),
        phone: wanted.phone_number.clone(),
        tax_number: wanted.tax_registration_number.clone(),
        currency: if local {
            String::new()
        } else {
            wanted.currency_code.clone()
        },
        language: wanted.language_code.clone(),
        price_group: if wanted.price_group.is_empty() {
            "RETAIL".to_owned()
        } else {
            wanted.price_group.clone()
        },
        prices_include_tax: person,
        // The template of private people taxes them at home; businesses go by their country.
        tax_group: if person {
            "DOMESTIC"
        } else {
            tax_group_of(&wanted.country)
        }
        .to_owned(),
        payment_terms: "14D".to_owned(),
        payment_method: "BANK".to_owned(),
        shipment_method: "DAP".to_owned(),
        ..Customer::default()
    });
    tx.tell(
        "customer",
        "created",
        customer.id,
        Uuid::nil(),
        primary_key(&[&customer.number]),
    );
    Ok((customer.id, true))
}

/// The next free number of the series.
pub(crate) fn next_number(tx: &mut Transaction<'_>) -> Result<String, Refusal> {
    loop {
        let number = format!("C{:05}", series::CUSTOMERS.next(tx)?);
        if tx.tables().customers.by_key(&number).is_none() {
            return Ok(number);
        }
    }
}
