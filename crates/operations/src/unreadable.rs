//! Records the ERP sent that cannot be read: kept where people see them, told once, forgotten when they can be read again. One
//! table of one shape in the database of every service that reads the ERP.

use std::collections::{HashMap, HashSet};

use millrace_erp::{Flow, Observed};
use millrace_event_store::{Database, Migrations, StoreError};
use millrace_service_kit::Timestamp;
use millrace_values::{ErpCode, SystemId};
use tracing::{info, warn};

static MIGRATIONS: Migrations = millrace_event_store::migrations!("operations");

/// This crate's table; every database of a service needs it.
#[must_use]
pub fn migrations() -> &'static Migrations {
    &MIGRATIONS
}

/// A record that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub id: i64,
    pub erp: String,
    pub flow: String,
    pub entity: String,
    pub system_id: String,
    pub reason: String,
    pub times_seen: u64,
    pub first_seen_at: Timestamp,
    pub last_seen_at: Timestamp,
}

struct News<'a> {
    entity: &'a str,
    system_id: String,
    reason: &'a str,
}

/// What is kept of a full read that had records without a system id among those that cannot be read.
const FULL_READ: &str = "full read";

fn word(flow: Flow) -> &'static str {
    match flow {
        Flow::Items => "items",
        Flow::Prices => "prices",
        Flow::Stock => "stock",
        Flow::Customers => "customers",
        Flow::Documents => "documents",
        Flow::Transfers => "transfers",
        Flow::Returns => "returns",
    }
}

/// Keeps what of `observations` cannot be read, and forgets what can be read again or is gone. To be called with every page before
/// its cursor is kept; a page that is read again changes nothing and says nothing.
///
/// # Errors
/// The database is away.
pub async fn note(
    database: &Database,
    erp: &ErpCode,
    flow: Flow,
    observations: &[Observed],
) -> Result<(), StoreError> {
    let mut unreadable = Vec::new();
    let mut readable = HashSet::new();
    for observed in observations {
        match observed {
            Observed::Unreadable {
                entity,
                system_id,
                reason,
            } => unreadable.push(News {
                entity,
                system_id: system_id.map(|id| id.to_string()).unwrap_or_default(),
                reason,
            }),
            other => readable.extend(subject(other).map(|id| id.to_string())),
        }
    }
    let known = of_flow(database, erp, flow).await?;
    if unreadable.is_empty() && known.is_empty() {
        return Ok(());
    }
    // Of one page the last word counts: a record that is readable and then not is kept.
    for news in &unreadable {
        readable.remove(&news.system_id);
    }
    let again: HashSet<&String> = known
        .keys()
        .map(|(_, system_id)| system_id)
        .filter(|system_id| readable.contains(*system_id))
        .collect();
    keep(database, erp, flow, &unreadable, &again).await?;
    let flow = word(flow);
    for system_id in again {
        info!(
            %erp, flow, system_id,
            "a record of {flow} of erp {erp} can be read again"
        );
    }
    for News {
        entity,
        system_id,
        reason,
    } in unreadable
    {
        if known
            .get(&(entity.to_owned(), system_id.clone()))
            .map(String::as_str)
            == Some(reason)
        {
            continue;
        }
        warn!(
            %erp, flow, entity, system_id, reason,
            "a record of {flow} of erp {erp} cannot be read: {reason}"
        );
    }
    Ok(())
}

/// Whether one of `observations` cannot be read and does not say which record it is: who looks for what is gone cannot know that it is
/// not this one.
#[must_use]
pub fn nameless(observations: &[Observed]) -> bool {
    observations.iter().any(|observed| {
        matches!(
            observed,
            Observed::Unreadable {
                system_id: None,
                ..
            }
        )
    })
}

/// A full read has ended, with `nameless` records in it or without. With them nothing is taken for gone, and that is kept among what
/// cannot be read until a full read has none; then those of before are of the past. Repeats come.
///
/// # Errors
/// The database is away.
pub async fn full_read_ended(
    database: &Database,
    erp: &ErpCode,
    flow: Flow,
    nameless: bool,
) -> Result<(), StoreError> {
    let nobody = String::new();
    if !nameless {
        let known = of_flow(database, erp, flow).await?;
        return match known.keys().any(|(_, system_id)| system_id.is_empty()) {
            true => keep(database, erp, flow, &[], &HashSet::from([&nobody])).await,
            false => Ok(()),
        };
    }
    let reason = "a record cannot be read and has no system id: nothing is taken for gone before a full read without such records";
    let news = News {
        entity: FULL_READ,
        system_id: nobody.clone(),
        reason,
    };
    keep(database, erp, flow, &[news], &HashSet::new()).await?;
    let flow = word(flow);
    warn!(%erp, flow, "the full read of {flow} of erp {erp} shows nobody what is gone: {reason}");
    Ok(())
}

/// The record that was seen, or seen to be gone.
fn subject(observed: &Observed) -> Option<SystemId> {
    match observed {
        Observed::Item(item) => Some(item.system_id),
        Observed::ItemGone(id) | Observed::CustomerGone(id) => Some(*id),
        Observed::Prices(prices) => Some(prices.item),
        Observed::Stock(stock) => Some(stock.item),
        Observed::Customer(customer) => Some(customer.system_id),
        Observed::Document(document) => Some(document.document.system_id),
        Observed::Transfer(transfer) => Some(transfer.system_id),
        Observed::Return(returned) => Some(returned.system_id),
        Observed::Unreadable { .. } => None,
    }
}

/// Why each (entity, system id) is kept.
async fn of_flow(
    database: &Database,
    erp: &ErpCode,
    flow: Flow,
) -> Result<HashMap<(String, String), String>, StoreError> {
    let rows: Vec<(String, String, String)> =
        sqlx::query_as(include_str!("sql/unreadable_of_flow.sql"))
            .bind(erp.as_str())
            .bind(word(flow))
            .fetch_all(database.pool())
            .await?;
    Ok(rows
        .into_iter()
        .map(|(entity, system_id, reason)| ((entity, system_id), reason))
        .collect())
}

async fn keep(
    database: &Database,
    erp: &ErpCode,
    flow: Flow,
    unreadable: &[News<'_>],
    again: &HashSet<&String>,
) -> Result<(), StoreError> {
    if unreadable.is_empty() && again.is_empty() {
        return Ok(());
    }
    let now = database.clock().now().as_microsecond();
    let mut tx = database.begin().await?;
    for &system_id in again {
        sqlx::query(include_str!("sql/readable_again.sql"))
            .bind(erp.as_str())
            .bind(word(flow))
            .bind(system_id)
            .execute(&mut *tx)
            .await?;
    }
    for news in unreadable {
        sqlx::query(include_str!("sql/note_unreadable.sql"))
            .bind(erp.as_str())
            .bind(word(flow))
            .bind(news.entity)
            .bind(&news.system_id)
            .bind(news.reason)
            .bind(now)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}

type Row = (i64, String, String, String, String, String, i64, i64, i64);

/// What is kept, oldest first, after the entry `after` (0 begins), at most `limit`.
pub(crate) async fn list(
    database: &Database,
    after: i64,
    limit: usize,
) -> Result<Vec<Kept>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(include_str!("sql/list_unreadable.sql"))
        .bind(after)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(database.pool())
        .await?;
    let time = |at| Timestamp::from_microsecond(at).unwrap_or_default();
    let kept = rows.into_iter().map(
        |(id, erp, flow, entity, system_id, reason, times, first, last)| Kept {
            id,
            erp,
            flow,
            entity,
            system_id,
            reason,
            times_seen: u64::try_from(times).unwrap_or_default(),
            first_seen_at: time(first),
            last_seen_at: time(last),
        },
    );
    Ok(kept.collect())
}

/// Whether any of these entries is there.
pub(crate) async fn any_of(database: &Database, ids: &[i64]) -> Result<bool, StoreError> {
    for id in ids {
        let found: Option<(i64,)> = sqlx::query_as("SELECT id FROM erp_unreadable WHERE id = $1")
            .bind(id)
            .fetch_optional(database.pool())
            .await?;
        if found.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Forgets these entries; a record that is sent again as it was comes back as a new one. Answers how many.
pub(crate) async fn forget(database: &Database, ids: &[i64]) -> Result<u64, StoreError> {
    let mut tx = database.begin().await?;
    let mut forgotten = 0;
    for id in ids {
        forgotten += sqlx::query("DELETE FROM erp_unreadable WHERE id = $1")
            .bind(id)
            .execute(&mut *tx)
            .await?
            .rows_affected();
    }
    tx.commit().await?;
    Ok(forgotten)
}

/// How many there are, by ERP and flow.
pub(crate) async fn count(database: &Database) -> Result<Vec<(String, String, u64)>, StoreError> {
    let rows: Vec<(String, String, i64)> = sqlx::query_as(include_str!("sql/count_unreadable.sql"))
        .fetch_all(database.pool())
        .await?;
    let counts = rows
        .into_iter()
        .map(|(erp, flow, count)| (erp, flow, u64::try_from(count).unwrap_or_default()));
    Ok(counts.collect())
}
