//! Returns of orders.

use millrace_contract::order::v1::OrderReturn;
use millrace_event_store::{Database, StoreError, Tx};
use prost::Message;

use super::signed;
use crate::wire::ReturnTold;

/// Keeps a return as it is now. One whose beginning was not told here is left alone: nobody knows of which order it is.
///
/// # Errors
/// The database is away.
pub async fn keep_return(
    tx: &mut Tx,
    stream: &str,
    position: u64,
    told: ReturnTold,
) -> Result<(), StoreError> {
    let ReturnTold {
        goods,
        state,
        is_strangers,
        lines,
    } = told;
    let Some(goods) = goods else {
        let query =
            sqlx::query_as("SELECT shown, is_strangers FROM order_returns WHERE stream = $1");
        let row: Option<(Vec<u8>, i64)> = query.bind(stream).fetch_optional(&mut **tx).await?;
        let Some((shown, before)) = row else {
            return Ok(());
        };
        let shown = OrderReturn {
            state: state.into(),
            lines,
            ..read(&shown)?
        };
        sqlx::query("UPDATE order_returns SET shown = $2, is_strangers = $3 WHERE stream = $1")
            .bind(stream)
            .bind(shown.encode_to_vec())
            .bind(is_strangers.map_or(before, i64::from))
            .execute(&mut **tx)
            .await?;
        return Ok(());
    };
    let shown = OrderReturn {
        return_number: goods.return_number,
        state: state.into(),
        lines,
    };
    sqlx::query(include_str!("sql/put_return.sql"))
        .bind(stream)
        .bind(format!("order/{}/{}", goods.channel, goods.order_number))
        .bind(signed(position))
        .bind(shown.encode_to_vec())
        .bind(i64::from(is_strangers.unwrap_or(true)))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// # Errors
/// The database is away.
pub async fn forget_return(tx: &mut Tx, stream: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM order_returns WHERE stream = $1")
        .bind(stream)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Returns of the order of this stream, oldest first; not those of strangers.
///
/// # Errors
/// The database is away.
pub async fn returns_of(
    database: &Database,
    order_stream: &str,
) -> Result<Vec<OrderReturn>, StoreError> {
    let query = sqlx::query_as(include_str!("sql/list_returns.sql"));
    let rows: Vec<(Vec<u8>,)> = query.bind(order_stream).fetch_all(database.pool()).await?;
    rows.into_iter().map(|(shown,)| read(&shown)).collect()
}

fn read(shown: &[u8]) -> Result<OrderReturn, StoreError> {
    OrderReturn::decode(shown).map_err(|error| StoreError::Corrupt {
        number: 0,
        reason: error.to_string(),
    })
}
