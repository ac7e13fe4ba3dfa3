//! Customers.

use uuid::Uuid;

use super::Wanted;
use crate::companion::next_customer_number;
use crate::company::tax_group_of;
use crate::database::{Customer, Transaction};
use crate::refusal::Refusal;
use crate::sales::stock::primary_key;

/// Properties that are kept without a meaning here.
const KEPT: &[&str] = &["taxLiable", "taxAreaId"];

pub(super) fn create(tx: &mut Transaction<'_>, wanted: &Wanted) -> Result<Uuid, Refusal> {
    let number = match wanted.text("number").unwrap_or_default() {
        "" => next_customer_number(tx)?,
        number => number.to_uppercase(),
    };
    if tx.tables().customers.by_key(&number).is_some() {
        return Err(Refusal::same_key("Customer", &number));
    }
    let mut customer = Customer {
        id: tx.new_id(),
        number,
        payment_terms: "14D".to_owned(),
        payment_method: "BANK".to_owned(),
        shipment_method: "DAP".to_owned(),
        ..Customer::default()
    };
    apply(tx, &mut customer, wanted)?;
    tax_group_of(&customer.address.country).clone_into(&mut customer.tax_group);
    Ok(write(tx, customer, "created"))
}

pub(super) fn change(tx: &mut Transaction<'_>, id: Uuid, wanted: &Wanted) -> Result<(), Refusal> {
    let known = tx
        .get::<Customer>(id)
        .ok_or_else(|| Refusal::not_found("customer"))?;
    let mut customer = (*known).clone();
    apply(tx, &mut customer, wanted)?;
    let mut change = "modified";
    if let Some(number) = wanted.text("number").map(str::to_uppercase)
        && number != known.number
    {
        if number.is_empty() || tx.tables().customers.by_key(&number).is_some() {
            return Err(Refusal::same_key("Customer", &number));
        }
        customer.number = number;
        change = "renamed";
    }
    write(tx, customer, change);
    Ok(())
}

pub(super) fn delete(tx: &mut Transaction<'_>, id: Uuid) -> Result<(), Refusal> {
    let customer = tx
        .get::<Customer>(id)
        .ok_or_else(|| Refusal::not_found("customer"))?;
    if tx
        .tables()
        .documents
        .iter()
        .any(|document| document.customer == id)
    {
        return Err(Refusal::business(format!(
            "You cannot delete customer {} because it has documents.",
            customer.number
        )));
    }
    tx.delete::<Customer>(id);
    tx.tell(
        "customer",
        "deleted",
        id,
        Uuid::nil(),
        primary_key(&[&customer.number]),
    );
    Ok(())
}

fn apply(tx: &Transaction<'_>, customer: &mut Customer, wanted: &Wanted) -> Result<(), Refusal> {
    let tables = tx.tables();
    let address = &mut customer.address;
    for (name, field) in [
        ("displayName", &mut address.name),
        ("addressLine1", &mut address.address_line1),
        ("addressLine2", &mut address.address_line2),
        ("city", &mut address.city),
        ("state", &mut address.state),
        ("postalCode", &mut address.postal_code),
        ("phoneNumber", &mut customer.phone),
        ("email", &mut customer.email),
        ("website", &mut customer.website),
        ("taxRegistrationNumber", &mut customer.tax_number),
    ] {
        wanted.set_text(name, field);
    }
    wanted.set_decimal("creditLimit", &mut customer.credit_limit);
    if let Some(kind) = wanted.text("type") {
        customer.person = kind == "Person";
    }
    if let Some(blocked) = wanted.text("blocked") {
        customer.blocked = if blocked == "_x0020_" {
            String::new()
        } else {
            blocked.to_owned()
        };
    }
    for (set, id, code, field) in [
        (
            "countriesRegions",
            "",
            "country",
            &mut customer.address.country,
        ),
        (
            "salespeoplePurchasers",
            "",
            "salespersonCode",
            &mut customer.salesperson,
        ),
        (
            "paymentTerms",
            "paymentTermsId",
            "",
            &mut customer.payment_terms,
        ),
        (
            "paymentMethods",
            "paymentMethodId",
            "",
            &mut customer.payment_method,
        ),
        (
            "shipmentMethods",
            "shipmentMethodId",
            "",
            &mut customer.shipment_method,
        ),
    ] {
        if let Some(code) = wanted.code(tables, set, id, code)? {
            *field = code;
        }
    }
    let local = wanted.text("currencyCode") == Some(tx.marks().local_currency.as_str());
    if local {
        customer.currency.clear();
    } else if let Some(code) = wanted.code(tables, "currencies", "currencyId", "currencyCode")? {
        customer.currency = code;
    }
    for name in KEPT {
        if let Some(value) = wanted.0.get(*name) {
            customer.extra.insert((*name).to_owned(), value.clone());
        }
    }
    Ok(())
}

fn write(tx: &mut Transaction<'_>, customer: Customer, change: &str) -> Uuid {
    let customer = tx.put(customer);
    tx.tell(
        "customer",
        change,
        customer.id,
        Uuid::nil(),
        primary_key(&[&customer.number]),
    );
    customer.id
}
