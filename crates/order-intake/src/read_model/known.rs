//! What is known of items and customers, from the topics of their owners.

use std::collections::{BTreeSet, HashMap};

use futures::TryFutureExt;
use millrace_contract::items::v1 as items;
use millrace_event_store::{Database, StoreError, Tx};
use millrace_values::{
    Channel, ChannelCode, CustomerNumber, Sku, SystemId, Timestamp, UnitCode, VariantCode,
};
use prost::Message;
use sqlx::AssertSqlSafe;

use super::awaited::{Awaited, of_customer, of_item, of_shop_customer};
use super::{micros, places};
use crate::domain::check::{Verdict, check};
use crate::domain::{Known, KnownCustomer, KnownItem, KnownVariant, Order, Taken};

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
            let (places, count) = places(page.len(), 2);
            let sql = format!(
                "SELECT number, item FROM known_items WHERE erp = $1 AND number IN ({places})"
            );
            let mut query =
                sqlx::query_as::<_, (String, Vec<u8>)>(AssertSqlSafe(sql)).bind(order.erp.as_str());
            let repeated = page.iter().chain(std::iter::repeat(&page[0]));
            for number in repeated.take(count) {
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

    /// Whether something the order waits for was told of after `since`.
    ///
    /// # Errors
    /// The database is away.
    pub async fn has_news(&self, taken: &Taken, since: Timestamp) -> Result<bool, StoreError> {
        let (order, since) = (&taken.order, micros(since.0));
        let awaited = Awaited::by(taken);
        let items: Vec<&Sku> = awaited.items.into_iter().collect();
        for page in items.chunks(PAGE) {
            let (places, count) = places(page.len(), 3);
            let sql = format!(
                "SELECT count(*) FROM known_items WHERE erp = $1 AND changed_at > $2 AND number IN ({places})"
            );
            let mut query = sqlx::query_as::<_, (i64,)>(AssertSqlSafe(sql))
                .bind(order.erp.as_str())
                .bind(since);
            let repeated = page.iter().chain(std::iter::repeat(&page[0]));
            for number in repeated.take(count) {
                query = query.bind(number.as_str());
            }
            let (changed,) = query.fetch_one(self.database.pool()).await?;
            if changed > 0 {
                return Ok(true);
            }
        }
        if !awaited.buyer {
            return Ok(false);
        }
        let buyer = &order.buyer;
        let number = buyer.customer.as_ref().map(CustomerNumber::as_str);
        let query = sqlx::query_as(include_str!("sql/buyer_changed.sql"));
        let (changed,): (i64,) = query
            .bind(since)
            .bind(order.erp.as_str())
            .bind(number.unwrap_or_default())
            .bind(order.channel.as_str())
            .bind(buyer.shop_customer.as_deref().unwrap_or_default())
            .fetch_one(self.database.pool())
            .await?;
        Ok(changed > 0)
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

/// Keeps an item as it is now; what waits for it waits for this subject.
///
/// # Errors
/// The database is away.
pub async fn keep_item(
    tx: &mut Tx,
    key: &str,
    erp: &str,
    item: &items::Item,
    now: i64,
) -> Result<String, StoreError> {
    sqlx::query(include_str!("sql/put_item.sql"))
        .bind(key)
        .bind(erp)
        .bind(&item.number)
        .bind(item.encode_to_vec())
        .bind(now)
        .execute(&mut **tx)
        .await?;
    Ok(of_item(erp, &item.number))
}

/// Keeps a customer as it is now; what waits for it waits for these subjects.
///
/// # Errors
/// The database is away.
pub async fn keep_customer(
    tx: &mut Tx,
    key: &str,
    erp: &str,
    customer: &millrace_contract::customers::v1::Customer,
    now: i64,
) -> Result<Vec<String>, StoreError> {
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
        .bind(now)
        .execute(&mut **tx)
        .await?;
    let mut subjects = vec![of_customer(erp, &customer.number)];
    if !customer.shop_customer_number.is_empty() {
        subjects.push(of_shop_customer(
            &customer.channel,
            &customer.shop_customer_number,
        ));
    }
    Ok(subjects)
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
