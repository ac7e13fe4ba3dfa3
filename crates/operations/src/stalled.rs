//! Partitions of fact topics that wait for a person: which, and how they go on.

use millrace_contract::operations::v1 as wire;
use millrace_event_bus::{From, Stalled, list_stalled, restart_stalled};
use millrace_event_store::{Database, StoreError};
use millrace_service_kit::rejection;
use tonic::Status;

/// What of `service` is stalled.
pub(crate) async fn list(
    service: &str,
    database: &Database,
) -> Result<Vec<wire::StalledPartition>, StoreError> {
    let stalled = list_stalled(database).await?;
    Ok(stalled
        .into_iter()
        .map(|stalled| to_wire(service, stalled))
        .collect())
}

/// Lets the partitions that `request` names go on. Answers which did.
pub(crate) async fn restart(
    database: &Database,
    request: &wire::RestartStalledRequest,
) -> Result<Vec<wire::StalledPartition>, Status> {
    for (field, value) in [("group", &request.group), ("topic", &request.topic)] {
        if value.is_empty() {
            return Err(rejection::bad_request(
                field,
                "is missing; ListStalled says what is stalled",
            ));
        }
    }
    let from = match request.from() {
        wire::RestartFrom::Beginning => From::Beginning,
        wire::RestartFrom::Here => From::Here,
        wire::RestartFrom::Unspecified => {
            return Err(rejection::bad_request("from", "say where to go on"));
        }
    };
    let away = |error: StoreError| crate::away(&error);
    let mut restarted = Vec::new();
    for stalled in list_stalled(database).await.map_err(away)? {
        if is_meant(request, &stalled)
            && restart_stalled(database, &stalled, from)
                .await
                .map_err(away)?
        {
            restarted.push(to_wire(&request.service, stalled));
        }
    }
    if restarted.is_empty() {
        let wire::RestartStalledRequest { group, topic, .. } = request;
        let name = format!("{topic} of {group}");
        return Err(rejection::not_found("stalled partition", name));
    }
    Ok(restarted)
}

fn is_meant(request: &wire::RestartStalledRequest, stalled: &Stalled) -> bool {
    let numbers = &request.partitions;
    stalled.consumer == request.group
        && stalled.topic == request.topic
        && (numbers.is_empty() || numbers.contains(&number(stalled)))
}

fn number(stalled: &Stalled) -> i32 {
    i32::try_from(stalled.partition).unwrap_or(i32::MAX)
}

fn to_wire(service: &str, stalled: Stalled) -> wire::StalledPartition {
    wire::StalledPartition {
        service: service.to_owned(),
        partition: number(&stalled),
        group: stalled.consumer,
        topic: stalled.topic,
        log: stalled.source,
        reason: stalled.reason,
    }
}
