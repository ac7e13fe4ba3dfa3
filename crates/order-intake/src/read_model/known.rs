//! What is known of items and customers, from the topics of their owners, and which orders wait for them.

use std::collections::{BTreeSet, HashMap};

use futures::TryFutureExt;
use millrace_contract::items::v1 as items;
use millrace_event_store::{Database, StoreError, Tx};
use millrace_values::{Channel, ChannelCode, CustomerNumber, Sku, SystemId, UnitCode, VariantCode};
use prost::Message;
use sqlx::AssertSqlSafe;

use super::work::ask_those_waiting;
use crate::domain::check::{Verdict, check};
use crate::domain::{HoldKind, Known, KnownCustomer, KnownItem, KnownVariant, Line, Order, Taken};

/// Item numbers in one query.
const PAGE: usize = 256;

/// Answers what the checks need to know.
#[derive(Clone)]
pub struct Knowledge {
    database: Database,
}

impl Knowledge {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// What the checks find of `order` now.
    ///
    /// # Errors
    /// The database is away.
    pub async fn verdict(&self, order: &Order, channel: &Channel) -> Result<Verdict, StoreError> {
        let (items, customer) = tokio::try_join!(self.items(order), self.customer(order))?;
        Ok(check(order, channel, &Known { items, customer }))
    }

    /// The customer an order is for, if it is one the ERP has.
    ///
    /// # Errors
    /// The database is away.
    pub async fn customer(&self, order: &Order) -> Result<Option<KnownCustomer>, StoreError> {
        type Row = (String, String, String, i64);
        let row: Option<Row> = match (&order.buyer.customer, &order.buyer.shop_customer) {
            (Some(number), _) => {
                let query = sqlx::query_as(include_str!("sql/customer_by_number.sql"));
                query
                    .bind(order.erp.as_str())
                    .bind(number.as_str())
                    .fetch_optional(self.database.pool())
                    .await?
            }
            (None, Some(number)) => {
                let query = sqlx::query_as(include_str!("sql/customer_by_shop.sql"));
                query
                    .bind(order.channel.as_str())
                    .bind(&**number)
                    .fetch_optional(self.database.pool())
                    .await?
            }
            (None, None) => None,
        };
        let Some((number, channel, shop_customer, blocked)) = row else {
            return Ok(None);
        };
        // Rows are written from parsed values only.
        let Ok(number) = CustomerNumber::parse(&number) else {
            return Ok(None);
        };
        Ok(Some(KnownCustomer {
            number,
            channel: ChannelCode::parse(&channel).ok(),
            shop_customer: (!shop_customer.is_empty()).then(|| shop_customer.into()),
            blocked: blocked != 0,
        }))
    }

    async fn items(&self, order: &Order) -> Result<HashMap<Sku, KnownItem>, StoreError> {
        let numbers: BTreeSet<&Sku> = order.lines.iter().map(|line| &line.item).collect();
        let numbers: Vec<&Sku> = numbers.into_iter().collect();
        let mut known = HashMap::with_capacity(numbers.len());
        for page in numbers.chunks(PAGE) {
            // A few lengths instead of every length: the database plans each text once.
            let places = page.len().next_power_of_two();
            let mut sql =
                "SELECT number, item FROM known_items WHERE erp = $1 AND number IN (".to_owned();
            for place in 0..places {
                let separator = if place == 0 { "" } else { ", " };
                sql.push_str(&format!("{separator}${}", place + 2));
            }
            sql.push(')');
            let mut query =
                sqlx::query_as::<_, (String, Vec<u8>)>(AssertSqlSafe(sql)).bind(order.erp.as_str());
            let repeated = page.iter().chain(std::iter::repeat(&page[0]));
            for number in repeated.take(places) {
                query = query.bind(number.as_str());
            }
            let rows = query
                .fetch_all(self.database.pool())
                .map_err(StoreError::from)
                .await?;
            for (number, item) in rows {
                if let (Ok(number), Some(item)) = (Sku::parse(&number), read_item(&item)) {
                    known.insert(number, item);
                }
            }
        }
        Ok(known)
    }
}

fn read_item(bytes: &[u8]) -> Option<KnownItem> {
    let item = items::Item::decode(bytes).ok()?;
    let variant = |variant: items::Variant| {
        let code = VariantCode::parse(&variant.code).ok()?;
        Some(KnownVariant {
            code,
            blocked: variant.blocked || variant.sales_blocked,
        })
    };
    Some(KnownItem {
        system_id: SystemId::parse(&item.system_id).ok()?,
        blocked: item.blocked || item.sales_blocked,
        base_unit: UnitCode::parse_optional(&item.base_unit).ok()?,
        variants: item.variants.into_iter().filter_map(variant).collect(),
    })
}

/// Keeps an item as it is now, and has everybody who waits for it looked at; whether there is anybody.
///
/// # Errors
/// The database is away.
pub async fn keep_item(
    tx: &mut Tx,
    key: &str,
    erp: &str,
    item: &items::Item,
    now: i64,
) -> Result<bool, StoreError> {
    sqlx::query(include_str!("sql/put_item.sql"))
        .bind(key)
        .bind(erp)
        .bind(&item.number)
        .bind(item.encode_to_vec())
        .execute(&mut **tx)
        .await?;
    ask_those_waiting(tx, &of_item(erp, &item.number), now).await
}

/// Keeps a customer as it is now, and has everybody who waits for it looked at; whether there is anybody.
///
/// # Errors
/// The database is away.
pub async fn keep_customer(
    tx: &mut Tx,
    key: &str,
    erp: &str,
    customer: &millrace_contract::customers::v1::Customer,
    now: i64,
) -> Result<bool, StoreError> {
    use millrace_contract::customers::v1::CustomerBlock;

    let blocked = match customer.block() {
        CustomerBlock::Unspecified | CustomerBlock::None => 0_i64,
        CustomerBlock::Ship | CustomerBlock::Invoice | CustomerBlock::All => 1,
    };
    sqlx::query(include_str!("sql/put_customer.sql"))
        .bind(key)
        .bind(erp)
        .bind(&customer.number)
        .bind(&customer.channel)
        .bind(&customer.shop_customer_number)
        .bind(blocked)
        .execute(&mut **tx)
        .await?;
    let by_number = ask_those_waiting(tx, &of_customer(erp, &customer.number), now).await?;
    if customer.shop_customer_number.is_empty() {
        return Ok(by_number);
    }
    let shop = of_shop_customer(&customer.channel, &customer.shop_customer_number);
    Ok(ask_those_waiting(tx, &shop, now).await? || by_number)
}

/// The item or customer is gone.
///
/// # Errors
/// The database is away.
pub async fn forget(tx: &mut Tx, key: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM known_items WHERE key = $1")
        .bind(key)
        .execute(&mut **tx)
        .await?;
    sqlx::query("DELETE FROM known_customers WHERE key = $1")
        .bind(key)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn of_item(erp: &str, number: &str) -> String {
    format!("item/{erp}/{number}")
}

fn of_customer(erp: &str, number: &str) -> String {
    format!("customer/{erp}/{number}")
}

fn of_shop_customer(channel: &str, number: &str) -> String {
    format!("shop-customer/{channel}/{number}")
}

/// What a held order waits for.
pub(super) fn subjects(taken: &Taken) -> BTreeSet<String> {
    let order = &taken.order;
    let item = |line: &Line| of_item(order.erp.as_str(), line.item.as_str());
    let mut subjects = BTreeSet::new();
    for reason in &taken.reasons {
        match reason.kind {
            HoldKind::UnknownItem
            | HoldKind::UnknownVariant
            | HoldKind::ItemBlocked
            | HoldKind::UnknownUnit => {
                let lines = order.lines.iter().filter(|line| line.number == reason.line);
                subjects.extend(lines.map(item));
            }
            HoldKind::UnknownCustomer | HoldKind::CustomerBlocked => {
                subjects.extend(buyer(order));
            }
            // The ERP's text is for people: whatever of the order changes may be what it meant.
            HoldKind::ErpRefused if reason.is_of_master_data() => {
                subjects.extend(order.lines.iter().map(item));
                subjects.extend(buyer(order));
            }
            // Settings change with a restart, which looks at every held order; the rest needs a person.
            HoldKind::Currency
            | HoldKind::PaymentMethodUnmapped
            | HoldKind::ShipmentMethodUnmapped
            | HoldKind::UnknownLocation
            | HoldKind::LineTotal
            | HoldKind::OrderTotal
            | HoldKind::Tax
            | HoldKind::ErpRefused
            | HoldKind::CustomerRefused => {}
        }
    }
    subjects
}

fn buyer(order: &Order) -> impl Iterator<Item = String> {
    let buyer = &order.buyer;
    let number = buyer
        .customer
        .as_ref()
        .map(|number| of_customer(order.erp.as_str(), number.as_str()));
    let shop = buyer
        .shop_customer
        .as_ref()
        .map(|number| of_shop_customer(order.channel.as_str(), number));
    number.into_iter().chain(shop)
}
