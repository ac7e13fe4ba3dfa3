//! Entries of the list: records of topics, then records of the ERP. Both are numbered by their tables, so that one sign tells them
//! apart: an id given out for one can never mean the other.

use millrace_contract::operations::v1 as wire;
use millrace_event_bus::{ParkedRecord, ParkedState, list_parked};
use millrace_event_store::{Database, StoreError};
use millrace_service_kit::{Timestamp, rejection};
use tonic::Status;

use crate::unreadable::{self, Kept};

/// What `service` keeps aside after the entry `after` (0 begins), at most `limit`.
pub(crate) async fn list(
    service: &str,
    database: &Database,
    after: i64,
    limit: usize,
) -> Result<Vec<wire::ParkedRecord>, StoreError> {
    let mut found = Vec::new();
    if after >= 0 {
        let records = list_parked(database, after, limit).await?;
        found.extend(records.into_iter().map(|record| of_bus(service, record)));
    }
    if found.len() < limit {
        let after = after.min(0).saturating_neg();
        let kept = unreadable::list(database, after, limit - found.len()).await?;
        found.extend(kept.into_iter().map(|kept| of_erp(service, kept)));
    }
    Ok(found)
}

/// Of `ids` those of records of the ERP, as their table numbers them.
pub(crate) fn of_the_erp(ids: &[i64]) -> Vec<i64> {
    ids.iter()
        .filter(|id| id.is_negative())
        .filter_map(|id| id.checked_neg())
        .collect()
}

/// The port reads flows, not single records: nothing can be done here about one that cannot be read.
pub(crate) async fn refuse_those_of_the_erp(
    database: &Database,
    ids: &[i64],
) -> Result<(), Status> {
    let there = unreadable::any_of(database, &of_the_erp(ids)).await;
    if !there.map_err(|error| crate::away(&error))? {
        return Ok(());
    }
    Err(rejection::precondition(
        "ERP_RECORD",
        "an unreadable record of the erp cannot be asked for alone: mend it there, and it is read again; or drop it here",
    ))
}

fn of_bus(service: &str, record: ParkedRecord) -> wire::ParkedRecord {
    let state = match record.state {
        ParkedState::Parked | ParkedState::Ready => wire::ParkedState::Parked,
        ParkedState::Unresolved => wire::ParkedState::Unresolved,
        ParkedState::Waiting => wire::ParkedState::Waiting,
    };
    wire::ParkedRecord {
        id: record.id,
        service: service.to_owned(),
        source: "bus".to_owned(),
        group: record.consumer,
        topic: record.topic,
        key: record.key,
        r#type: record.kind,
        state: state.into(),
        reason: record.reason,
        waits_for: record.waits_for,
        waiting_behind: few(record.waiting_behind),
        attempts: few(record.attempts),
        parked_at: time(record.parked_at),
        last_attempt_at: time(record.last_attempt_at),
    }
}

fn of_erp(service: &str, kept: Kept) -> wire::ParkedRecord {
    wire::ParkedRecord {
        id: -kept.id,
        service: service.to_owned(),
        source: "erp".to_owned(),
        group: kept.erp,
        topic: kept.flow,
        key: kept.system_id,
        r#type: kept.entity,
        state: wire::ParkedState::Parked.into(),
        reason: kept.reason,
        waits_for: String::new(),
        waiting_behind: 0,
        attempts: few(kept.times_seen),
        parked_at: time(kept.first_seen_at),
        last_attempt_at: time(kept.last_seen_at),
    }
}

fn few(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn time(at: Timestamp) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp {
        seconds: at.as_second(),
        nanos: at.subsec_nanosecond(),
    })
}
