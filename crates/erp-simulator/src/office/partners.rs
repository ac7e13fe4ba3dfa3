//! Acts on customers.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Numbered, set};
use crate::company::{self, CustomerData};
use crate::database::{Address, Customer, Tables, Transaction};
use crate::refusal::Refusal;
use crate::sales::stock::primary_key;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CustomerChange {
    number: String,
    name: Option<String>,
    address: Option<Address>,
    email: Option<String>,
    phone: Option<String>,
    /// `Ship`, `Invoice`, `All`, or empty for not blocked.
    blocked: Option<String>,
    price_group: Option<String>,
    language: Option<String>,
}

pub(super) fn create(tx: &mut Transaction<'_>, data: &CustomerData) -> Result<Value, Refusal> {
    let mut data = data.clone();
    if data.number.is_empty() {
        data.number = crate::companion::next_customer_number(tx)?;
    }
    if tx.tables().customers.by_key(&data.number).is_some() {
        return Err(Refusal::same_key("Customer", &data.number));
    }
    company::write_customer(tx, &data);
    let customer = find(tx.tables(), &data.number)?;
    Ok(json!({ "systemId": customer.id, "number": customer.number }))
}

pub(super) fn change(tx: &mut Transaction<'_>, change: CustomerChange) -> Result<Value, Refusal> {
    let mut changed = (*find(tx.tables(), &change.number)?).clone();
    set(&mut changed.address, change.address);
    set(&mut changed.address.name, change.name);
    set(&mut changed.email, change.email);
    set(&mut changed.phone, change.phone);
    set(&mut changed.price_group, change.price_group);
    set(&mut changed.language, change.language);
    if let Some(blocked) = change.blocked {
        if !["", "Ship", "Invoice", "All"].contains(&blocked.as_str()) {
            return Err(Refusal::bad_request(format!(
                "'{blocked}' is no way of blocking a customer"
            )));
        }
        changed.blocked = blocked;
    }
    Ok(write(tx, changed, "modified"))
}

pub(super) fn rename(tx: &mut Transaction<'_>, rename: &Numbered) -> Result<Value, Refusal> {
    let found = find(tx.tables(), &rename.number)?;
    if rename.new_number.is_empty() || tx.tables().customers.by_key(&rename.new_number).is_some() {
        return Err(Refusal::same_key("Customer", &rename.new_number));
    }
    let renamed = Customer {
        number: rename.new_number.clone(),
        ..(*found).clone()
    };
    Ok(write(tx, renamed, "renamed"))
}

pub(super) fn delete(tx: &mut Transaction<'_>, gone: &Numbered) -> Result<Value, Refusal> {
    let customer = find(tx.tables(), &gone.number)?;
    if tx
        .tables()
        .documents
        .iter()
        .any(|document| document.customer == customer.id)
    {
        return Err(Refusal::business(format!(
            "You cannot delete customer {} because it has documents.",
            customer.number
        )));
    }
    tx.delete::<Customer>(customer.id);
    tx.tell(
        "customer",
        "deleted",
        customer.id,
        Uuid::nil(),
        primary_key(&[&customer.number]),
    );
    Ok(json!({ "systemId": customer.id }))
}

fn write(tx: &mut Transaction<'_>, changed: Customer, change: &str) -> Value {
    let customer = tx.put(changed);
    tx.tell(
        "customer",
        change,
        customer.id,
        Uuid::nil(),
        primary_key(&[&customer.number]),
    );
    json!({ "systemId": customer.id })
}

fn find(tables: &Tables, number: &str) -> Result<Arc<Customer>, Refusal> {
    tables
        .customers
        .by_key(number)
        .cloned()
        .ok_or_else(|| Refusal::no_such_record("Customer", number))
}
