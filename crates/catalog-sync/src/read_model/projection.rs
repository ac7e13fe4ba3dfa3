//! The log → rows.

use async_trait::async_trait;
use millrace_contract::items::v1::ItemChanged;
use millrace_contract::prices::v1::{PriceChanged, PriceDeleted, PriceKey};
use millrace_event_store::{Projection, Recorded, StoreError, Tx};
use prost::{DecodeError, Message};

use crate::wire::{ITEM_CHANGED, ITEM_DELETED, PRICE_CHANGED, PRICE_DELETED};

/// Name of the checkpoint.
pub(crate) const PROJECTION: &str = "catalog";

#[derive(Debug)]
pub(crate) struct CatalogProjection;

#[async_trait]
impl Projection for CatalogProjection {
    fn name(&self) -> &str {
        PROJECTION
    }

    async fn apply(&self, tx: &mut Tx, events: &[Recorded]) -> Result<(), StoreError> {
        for recorded in events {
            match recorded.event.kind.as_str() {
                ITEM_CHANGED => item_changed(tx, recorded).await?,
                ITEM_DELETED => item_deleted(tx, recorded).await?,
                PRICE_CHANGED => price_changed(tx, recorded).await?,
                PRICE_DELETED => price_deleted(tx, recorded).await?,
                // What this log keeps to itself.
                _ => {}
            }
        }
        Ok(())
    }
}

async fn item_changed(tx: &mut Tx, recorded: &Recorded) -> Result<(), StoreError> {
    let Some(item) = decoded::<ItemChanged>(recorded)?.item else {
        return Ok(());
    };
    let released = !item.blocked && !item.sales_blocked;
    sqlx::query(include_str!("sql/put_item.sql"))
        .bind(erp(recorded))
        .bind(&item.system_id)
        .bind(&item.number)
        .bind(i64::from(released))
        .bind(i64::try_from(recorded.version).unwrap_or(i64::MAX))
        .bind(recorded.recorded_at.as_microsecond())
        .bind(item.encode_to_vec())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn item_deleted(tx: &mut Tx, recorded: &Recorded) -> Result<(), StoreError> {
    let system_id = recorded.stream.rsplit('/').next().unwrap_or_default();
    sqlx::query("DELETE FROM items WHERE erp = $1 AND system_id = $2")
        .bind(erp(recorded))
        .bind(system_id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn price_changed(tx: &mut Tx, recorded: &Recorded) -> Result<(), StoreError> {
    let Some(price) = decoded::<PriceChanged>(recorded)?.price else {
        return Ok(());
    };
    let key = price.key.clone().unwrap_or_default();
    sqlx::query(include_str!("sql/put_price.sql"))
        .bind(erp(recorded))
        .bind(&key.item_system_id)
        .bind(&key.variant_code)
        .bind(&key.price_group)
        .bind(&key.unit)
        .bind(price.encode_to_vec())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn price_deleted(tx: &mut Tx, recorded: &Recorded) -> Result<(), StoreError> {
    let PriceKey {
        item_system_id,
        variant_code,
        price_group,
        unit,
        ..
    } = decoded::<PriceDeleted>(recorded)?.key.unwrap_or_default();
    sqlx::query(include_str!("sql/delete_price.sql"))
        .bind(erp(recorded))
        .bind(item_system_id)
        .bind(variant_code)
        .bind(price_group)
        .bind(unit)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn erp(recorded: &Recorded) -> &str {
    recorded.event.erp.as_deref().unwrap_or_default()
}

fn decoded<M: Message + Default>(recorded: &Recorded) -> Result<M, StoreError> {
    M::decode(recorded.event.payload.clone()).map_err(|error: DecodeError| StoreError::Corrupt {
        number: recorded.at.number,
        reason: error.to_string(),
    })
}
