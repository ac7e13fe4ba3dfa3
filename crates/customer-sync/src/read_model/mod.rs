//! Customers to look up: by number, system id, or the number a shop gave.

use async_trait::async_trait;
use millrace_contract::customers::v1 as wire;
use millrace_event_store::{Database, Projection, Recorded, StoreError, Tx};
use millrace_values::{ChannelCode, ErpCode, SystemId};
use prost::Message;

/// Name of the projection's checkpoint.
pub const CUSTOMERS: &str = "customers";

/// Keeps table `customers` equal to the log.
pub struct Customers;

#[async_trait]
impl Projection for Customers {
    fn name(&self) -> &str {
        CUSTOMERS
    }

    async fn apply(&self, tx: &mut Tx, events: &[Recorded]) -> Result<(), StoreError> {
        for recorded in events {
            let Some((erp, system_id)) = recorded
                .stream
                .strip_prefix("customer/")
                .and_then(|rest| rest.split_once('/'))
            else {
                continue;
            };
            if recorded.event.deleted {
                sqlx::query("DELETE FROM customers WHERE erp = $1 AND system_id = $2")
                    .bind(erp)
                    .bind(system_id)
                    .execute(&mut **tx)
                    .await?;
                continue;
            }
            let changed = wire::CustomerChanged::decode(recorded.event.payload.clone());
            let customer = changed.ok().and_then(|changed| changed.customer);
            let Some(customer) = customer else {
                let reason = "holds no customer".to_owned();
                return Err(StoreError::Corrupt {
                    number: recorded.at.number,
                    reason,
                });
            };
            sqlx::query(include_str!("upsert.sql"))
                .bind(erp)
                .bind(system_id)
                .bind(&customer.number)
                .bind(&customer.channel)
                .bind(&customer.shop_customer_number)
                .bind(customer.encode_to_vec())
                .execute(&mut **tx)
                .await?;
        }
        Ok(())
    }
}

/// By what a customer is looked up.
pub enum By<'a> {
    Number(String),
    SystemId(SystemId),
    ShopNumber(&'a ChannelCode, &'a str),
}

type Row = (Vec<u8>,);

pub async fn find(
    database: &Database,
    erp: &ErpCode,
    by: By<'_>,
) -> Result<Option<wire::Customer>, StoreError> {
    let row: Option<Row> = match by {
        By::Number(number) => {
            let sql = "SELECT payload FROM customers WHERE erp = $1 AND number = $2";
            sqlx::query_as(sql)
                .bind(erp.as_str())
                .bind(number)
                .fetch_optional(database.pool())
                .await?
        }
        By::SystemId(id) => {
            let sql = "SELECT payload FROM customers WHERE erp = $1 AND system_id = $2";
            sqlx::query_as(sql)
                .bind(erp.as_str())
                .bind(id.to_string())
                .fetch_optional(database.pool())
                .await?
        }
        By::ShopNumber(channel, number) => {
            let sql = "SELECT payload FROM customers WHERE erp = $1 AND shop_channel = $2 AND shop_number = $3";
            sqlx::query_as(sql)
                .bind(erp.as_str())
                .bind(channel.as_str())
                .bind(number)
                .fetch_optional(database.pool())
                .await?
        }
    };
    row.map(|(payload,)| read(&payload)).transpose()
}

/// Customers that `channel` may see, by number after `after`.
pub async fn list(
    database: &Database,
    erp: &ErpCode,
    channel: &ChannelCode,
    after: &str,
    limit: i64,
) -> Result<Vec<wire::Customer>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(include_str!("list.sql"))
        .bind(erp.as_str())
        .bind(channel.as_str())
        .bind(after)
        .bind(limit)
        .fetch_all(database.pool())
        .await?;
    rows.into_iter().map(|(payload,)| read(&payload)).collect()
}

/// System ids of all customers.
pub async fn system_ids(database: &Database, erp: &ErpCode) -> Result<Vec<SystemId>, StoreError> {
    let rows: Vec<(String,)> = sqlx::query_as("SELECT system_id FROM customers WHERE erp = $1")
        .bind(erp.as_str())
        .fetch_all(database.pool())
        .await?;
    Ok(rows
        .iter()
        .filter_map(|(id,)| SystemId::parse(id).ok())
        .collect())
}

fn read(payload: &[u8]) -> Result<wire::Customer, StoreError> {
    wire::Customer::decode(payload).map_err(|error| StoreError::Corrupt {
        number: 0,
        reason: error.to_string(),
    })
}
