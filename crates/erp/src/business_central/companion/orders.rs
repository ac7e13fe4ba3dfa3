//! Writes of the companion level. Each has a unique key in Business Central, so repeating one is always safe.

use millrace_values::{
    Amount, ChannelCode, Currency, CustomerNumber, Decimal, OrderNumber, Timestamp,
};
use serde::Serialize;
use url::Url;
use uuid::Uuid;

use super::rows::{
    AddressRow, BufferedOrderRow, CustomerRow, NewCustomerRow, NewOrderLineRow, NewOrderRow,
};
use super::{CompanionLevel, mapping};
use crate::ErpError;
use crate::business_central::governor::Priority;
use crate::business_central::http::{Answer, Call};
use crate::business_central::language;
use crate::business_central::odata::{EMPTY_DAY, Exact, Query, Rows, Value, moment};
use crate::business_central::problem::Failure;
use crate::document::{DocumentKind, DocumentRef, NewOrder, PlacedOrder};
use crate::party::{Address, CustomerCreated, NewCustomer};

/// Status of an answer about what an earlier request made.
pub(super) const ALREADY_THERE: u16 = 200;

impl CompanionLevel<'_> {
    pub async fn create_customer(
        &self,
        customer: &NewCustomer,
    ) -> Result<CustomerCreated, ErpError> {
        let reference = format!("{}/{}", customer.channel, customer.shop_customer_number);
        let row = new_customer(customer, reference.clone());
        let answer = self
            .write(self.url("customers"), &row, || reference.clone())
            .await?;
        // What was created cannot be told from what was not, unless the answer can be read.
        let created: CustomerRow = answer.json().map_err(|_| ErpError::Unknown)?;
        let unreadable = |reason: String| ErpError::Unreadable(format!("customer: {reason}"));
        Ok(CustomerCreated {
            system_id: mapping::id(created.system_id).map_err(unreadable)?,
            number: CustomerNumber::parse(&created.number)
                .map_err(|error| unreadable(error.to_string()))?,
            existed: answer.status == ALREADY_THERE,
        })
    }

    /// Stores and processes in one request; an entry that was stored and not processed yet is processed by the repeat.
    pub async fn place_order(&self, order: &NewOrder) -> Result<PlacedOrder, ErpError> {
        let row = new_order(order);
        let answer = self
            .write(self.url("orderBuffer"), &row, || {
                format!("{}/{}", order.channel, order.number)
            })
            .await?;
        let existed = answer.status == ALREADY_THERE;
        let mut entry: BufferedOrderRow = answer.json().map_err(|_| ErpError::Unknown)?;
        if entry.state == "received" {
            entry = self.process(entry.system_id).await?;
        }
        match entry.state.as_str() {
            "created" => placed(&entry, existed),
            "failed" => Err(ErpError::Refused {
                code: entry.error_code,
                message: entry.error_text,
            }),
            // Stored, not processed: the repeat will.
            _ => Err(ErpError::Away {
                reason: "the order waits in the buffer".into(),
                retry_after: None,
            }),
        }
    }

    async fn process(&self, entry: Uuid) -> Result<BufferedOrderRow, ErpError> {
        let url = self.url(&format!("orderBuffer({entry})"));
        let mut action = url.clone();
        if let Ok(mut path) = action.path_segments_mut() {
            path.push("Microsoft.NAV.process");
        }
        self.http
            .send(&Call::post(action, Priority::Order, "{}".into()))
            .await?;
        Ok(self.http.get(url, Priority::Order).await?)
    }

    pub async fn find_order(
        &self,
        channel: &ChannelCode,
        number: &OrderNumber,
    ) -> Result<Option<PlacedOrder>, ErpError> {
        let url = Query::new()
            .equal("channelCode", &Value::text(mapping::channel_out(channel)))
            .equal("orderNumber", &Value::text(number.as_str()))
            .on(self.url("orderBuffer"));
        let rows: Rows = self.http.get(url, Priority::Order).await?;
        let Some(raw) = rows.value.first() else {
            return Ok(None);
        };
        let entry: BufferedOrderRow = serde_json::from_str(raw.get())
            .map_err(|_| ErpError::Unreadable("the buffer entry has another shape".into()))?;
        if entry.state == "created" {
            placed(&entry, true).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Stores a row once under its unique key.
    pub(super) async fn write(
        &self,
        url: Url,
        row: &impl Serialize,
        key: impl FnOnce() -> String,
    ) -> Result<Answer, ErpError> {
        let body =
            serde_json::to_string(row).map_err(|error| ErpError::Unreadable(error.to_string()))?;
        match self
            .http
            .send(&Call::post(url, Priority::Order, body))
            .await
        {
            Ok(answer) => Ok(answer),
            Err(Failure::Problem(problem)) if problem.is_contradiction() => {
                Err(ErpError::Contradiction { key: key() })
            }
            Err(failure) => Err(failure.into()),
        }
    }
}

fn new_customer(customer: &NewCustomer, external_reference: String) -> NewCustomerRow {
    let parties = &customer.parties;
    let address = parties.sell_to.clone();
    NewCustomerRow {
        external_reference,
        shop_customer_number: customer.shop_customer_number.clone(),
        kind: if parties.vat_registration_number.is_empty() {
            "Person"
        } else {
            "Company"
        },
        display_name: address.name,
        display_name2: address.name2,
        address_line1: address.line1,
        address_line2: address.line2,
        postal_code: address.postal_code,
        city: address.city,
        state: address.state,
        country: address.country_code,
        email: parties.email.clone(),
        phone_number: parties.phone.clone(),
        tax_registration_number: parties.vat_registration_number.clone(),
        currency_code: customer
            .currency
            .map(|currency| currency.code().to_owned())
            .unwrap_or_default(),
        language_code: customer
            .language
            .as_ref()
            .and_then(|tag| language::code(tag.as_str()))
            .unwrap_or_default()
            .to_owned(),
    }
}

/// Characters of the companion's fields for a name and for a contact.
const NAME: usize = 100;

fn address(address: &Address) -> AddressRow {
    let (name, contact) = name_and_contact(address);
    AddressRow {
        name,
        contact,
        address_line1: address.line1.clone(),
        address_line2: address.line2.clone(),
        postal_code: address.postal_code.clone(),
        city: address.city.clone(),
        state: address.state.clone(),
        country: address.country_code.clone(),
    }
}

/// The companion's address has one name and one contact. A second line of the name stands where a contact would; beside a
/// contact it goes on behind the name, or where that is too long, behind the contact. A parcel needs all of them, so what
/// fits nowhere is cut and not left out.
fn name_and_contact(address: &Address) -> (String, String) {
    let Address {
        name,
        name2,
        contact_name,
        ..
    } = address;
    if name2.is_empty() {
        return (name.clone(), contact_name.clone());
    }
    if contact_name.is_empty() {
        return (name.clone(), name2.clone());
    }
    let both = |first: &str| format!("{first}, {name2}");
    let fits = |text: &str| text.chars().count() <= NAME;
    let (long_name, long_contact) = (both(name), both(contact_name));
    if fits(&long_name) {
        return (long_name, contact_name.clone());
    }
    if fits(&long_contact) {
        return (name.clone(), long_contact);
    }
    if fits(contact_name) {
        return (name.clone(), long_contact.chars().take(NAME).collect());
    }
    (name.clone(), contact_name.clone())
}

fn new_order(order: &NewOrder) -> NewOrderRow {
    let freight = order.freight.as_ref().map_or(Decimal::ZERO, |freight| {
        if order.prices_include_tax {
            freight.gross.value()
        } else {
            freight.net.value()
        }
    });
    let freight_tax = order
        .freight
        .as_ref()
        .map_or(Decimal::ZERO, |freight| freight.tax_percent.value());
    let lines = order.lines.iter().map(|line| NewOrderLineRow {
        line_number: line.line_number,
        line_type: "Item",
        object_number: line.item.to_string(),
        variant_code: mapping::code_out(line.variant.as_ref()),
        location_code: mapping::code_out(line.location.as_ref()),
        unit_of_measure_code: mapping::code_out(line.unit.as_ref()),
        quantity: Exact(line.quantity.value()),
        unit_price: Exact(line.unit_price.value()),
        discount_amount: Exact(line.discount.value()),
        tax_percent: Exact(line.tax_percent.value()),
        net_amount: Exact(line.net.value()),
        gross_amount: Exact(line.gross.value()),
    });
    NewOrderRow {
        channel_code: mapping::channel_out(&order.channel),
        order_number: order.number.to_string(),
        revision: order.revision.max(1),
        process_now: true,
        customer_number: order.customer.to_string(),
        sell_to: address(&order.parties.sell_to),
        bill_to: order.parties.bill_to.as_ref().map(address),
        ship_to: order.parties.ship_to.as_ref().map(address),
        email: order.parties.email.clone(),
        phone_number: order.parties.phone.clone(),
        currency_code: order.currency.code().to_owned(),
        prices_include_tax: order.prices_include_tax,
        payment_terms_code: order.payment_terms_code.clone(),
        payment_method_code: order.payment_method_code.clone(),
        shipment_method_code: order.shipment_method_code.clone(),
        order_date: order.placed_at.0.to_zoned(jiff::tz::TimeZone::UTC).date(),
        ordered_at: moment(order.placed_at),
        requested_delivery_date: order.requested_delivery.unwrap_or(EMPTY_DAY),
        freight_amount: Exact(freight),
        freight_tax_percent: Exact(freight_tax),
        net_amount: Exact(order.net.value()),
        tax_amount: Exact(order.tax.value()),
        gross_amount: Exact(order.gross.value()),
        lines: lines.collect(),
    }
}

fn placed(entry: &BufferedOrderRow, existed: bool) -> Result<PlacedOrder, ErpError> {
    let unreadable = |reason: String| ErpError::Unreadable(format!("buffer entry: {reason}"));
    let currency =
        Currency::parse(&entry.currency_code).map_err(|error| unreadable(error.to_string()))?;
    let booked = |total: Exact| {
        Amount::new(currency, total.0).map_err(|error| unreadable(error.to_string()))
    };
    let posted_at =
        Timestamp::parse(&entry.processed_at).map_err(|error| unreadable(error.to_string()))?;
    Ok(PlacedOrder {
        document: DocumentRef {
            kind: DocumentKind::SalesOrder,
            system_id: mapping::id(entry.sales_order_id).map_err(unreadable)?,
            number: entry.sales_order_number.clone(),
            row_version: u64::try_from(entry.sales_order_row_version).ok(),
            posted_at,
        },
        customer_system_id: None,
        customer: CustomerNumber::parse(&entry.customer_number)
            .map_err(|error| unreadable(error.to_string()))?,
        net: booked(entry.booked_net_amount)?,
        tax: booked(entry.booked_tax_amount)?,
        gross: booked(entry.booked_gross_amount)?,
        existed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, name2: &str, contact: &str) -> (String, String) {
        let row = address(&Address {
            name: name.into(),
            name2: name2.into(),
            contact_name: contact.into(),
            ..Address::default()
        });
        (row.name, row.contact)
    }

    fn pair(name: &str, contact: &str) -> (String, String) {
        (name.to_owned(), contact.to_owned())
    }

    #[test]
    fn a_second_name_alone_stands_where_a_contact_would() {
        assert_eq!(
            written("Kaiser AG", "Lager 3", ""),
            pair("Kaiser AG", "Lager 3")
        );
        assert_eq!(written("Kaiser AG", "", "Eva"), pair("Kaiser AG", "Eva"));
    }

    #[test]
    fn a_second_name_is_not_lost_beside_a_contact() {
        assert_eq!(
            written("Kaiser AG", "Lager 3", "Eva"),
            pair("Kaiser AG, Lager 3", "Eva")
        );
        let long = "K".repeat(95);
        assert_eq!(
            written(&long, "Lager 3", "Eva"),
            pair(&long, "Eva, Lager 3")
        );
    }

    #[test]
    fn what_fits_nowhere_is_cut_to_what_the_companion_takes() {
        let (name, contact, second) = ("K".repeat(95), "Ä".repeat(95), "Lager 3");
        assert_eq!(
            written(&name, second, &contact),
            pair(&name, &format!("{contact}, Lag"))
        );
    }
}
