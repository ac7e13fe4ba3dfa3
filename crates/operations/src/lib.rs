//! `operations.v1.ParkedService` over the databases of the services that run in this process: what could not be processed,
//! why, and what a person does about it. Owns no table and no topic; the rules of keeping aside are event-bus's.

use std::collections::BTreeMap;

use millrace_contract::operations::v1 as wire;
use millrace_contract::operations::v1::parked_service_server::ParkedService;
use millrace_event_bus::{
    ParkedRecord, ParkedState, drop_parked, list_parked, retry_all_parked, retry_parked,
};
use millrace_event_store::{Database, StoreError};
use millrace_service_kit::auth::Caller;
use millrace_service_kit::rejection;
use tonic::{Request, Response, Status};
use tracing::{error, info};

/// What a caller needs.
pub const SCOPE: &str = "operations:admin";

const PAGE: usize = 100;
const MOST: usize = 1000;

/// The databases by service name. A service may have several (a feed per channel): each goes by its own name.
#[derive(Debug, Clone, Default)]
pub struct Parked(BTreeMap<String, Database>);

impl Parked {
    #[must_use]
    pub fn new(databases: impl IntoIterator<Item = Database>) -> Self {
        Self(
            databases
                .into_iter()
                .map(|database| (database.name().to_owned(), database))
                .collect(),
        )
    }

    fn named(&self, service: &str) -> Result<&Database, Status> {
        if service.is_empty() {
            return Err(rejection::bad_request(
                "service",
                "name the service, e.g. order-intake",
            ));
        }
        self.0
            .get(service)
            .ok_or_else(|| rejection::not_found("service", service))
    }

    fn chosen<'a>(&'a self, service: &'a str) -> Result<Vec<(&'a str, &'a Database)>, Status> {
        if service.is_empty() {
            return Ok(self
                .0
                .iter()
                .map(|(name, database)| (name.as_str(), database))
                .collect());
        }
        Ok(vec![(service, self.named(service)?)])
    }
}

#[tonic::async_trait]
impl ParkedService for Parked {
    async fn list_parked(
        &self,
        request: Request<wire::ListParkedRequest>,
    ) -> Result<Response<wire::ListParkedResponse>, Status> {
        Caller::of(&request)?.may_everywhere(SCOPE)?;
        let wire::ListParkedRequest {
            service,
            page_size,
            page_token,
        } = request.into_inner();
        let size = match usize::try_from(page_size).unwrap_or(usize::MAX) {
            0 => PAGE,
            size if size <= MOST => size,
            _ => return Err(rejection::bad_request("page_size", "at most 1000")),
        };
        let (from, after) = after(&page_token)?;
        let mut records = Vec::new();
        for (name, database) in self.chosen(&service)? {
            if name < from.as_str() {
                continue;
            }
            let after = if name == from { after } else { 0 };
            let wanted = size - records.len();
            let found = list_parked(database, after, wanted + 1)
                .await
                .map_err(|error| away(&error))?;
            let more = found.len() > wanted;
            let last = found
                .get(wanted.saturating_sub(1))
                .map_or(after, |record| record.id);
            records.extend(
                found
                    .into_iter()
                    .take(wanted)
                    .map(|record| to_wire(name, record)),
            );
            if more {
                let next_page_token = format!("{name}:{}", if wanted == 0 { after } else { last });
                return Ok(Response::new(wire::ListParkedResponse {
                    records,
                    next_page_token,
                }));
            }
        }
        Ok(Response::new(wire::ListParkedResponse {
            records,
            next_page_token: String::new(),
        }))
    }

    async fn retry_parked(
        &self,
        request: Request<wire::RetryParkedRequest>,
    ) -> Result<Response<wire::RetryParkedResponse>, Status> {
        let caller = Caller::of(&request)?;
        caller.may_everywhere(SCOPE)?;
        let wire::RetryParkedRequest { service, ids } = request.into_inner();
        if !ids.is_empty() && service.is_empty() {
            return Err(rejection::bad_request(
                "service",
                "ids are those of one service: name it",
            ));
        }
        let mut retried = 0;
        for (_, database) in self.chosen(&service)? {
            let done = if ids.is_empty() {
                retry_all_parked(database).await
            } else {
                retry_parked(database, &ids).await
            };
            retried += done.map_err(|error| away(&error))?;
        }
        info!(
            actor = caller.name(),
            retried, "{retried} parked records are tried again"
        );
        Ok(Response::new(wire::RetryParkedResponse {
            retried: u32::try_from(retried).unwrap_or(u32::MAX),
        }))
    }

    async fn drop_parked(
        &self,
        request: Request<wire::DropParkedRequest>,
    ) -> Result<Response<wire::DropParkedResponse>, Status> {
        let caller = Caller::of(&request)?;
        caller.may_everywhere(SCOPE)?;
        let wire::DropParkedRequest { service, ids, note } = request.into_inner();
        let database = self.named(&service)?;
        if ids.is_empty() {
            return Err(rejection::bad_request("ids", "name the records to give up"));
        }
        if note.trim().is_empty() {
            return Err(rejection::bad_request("note", "say why"));
        }
        let note = format!("{}: {}", caller.name(), note.trim());
        let dropped = drop_parked(database, &ids, &note)
            .await
            .map_err(|error| away(&error))?;
        Ok(Response::new(wire::DropParkedResponse {
            dropped: u32::try_from(dropped).unwrap_or(u32::MAX),
        }))
    }
}

fn after(token: &str) -> Result<(String, i64), Status> {
    if token.is_empty() {
        return Ok((String::new(), 0));
    }
    let parsed = token
        .rsplit_once(':')
        .and_then(|(name, id)| Some((name.to_owned(), id.parse().ok()?)));
    parsed.ok_or_else(|| rejection::bad_request("page_token", "is not one that was given out"))
}

fn away(error: &StoreError) -> Status {
    error!(
        error = error as &dyn std::error::Error,
        "parked records cannot be reached"
    );
    rejection::unavailable("database", "the database is away")
}

fn to_wire(service: &str, record: ParkedRecord) -> wire::ParkedRecord {
    let state = match record.state {
        ParkedState::Parked | ParkedState::Ready => wire::ParkedState::Parked,
        ParkedState::Unresolved => wire::ParkedState::Unresolved,
        ParkedState::Waiting => wire::ParkedState::Waiting,
    };
    let time = |at: millrace_service_kit::Timestamp| prost_types::Timestamp {
        seconds: at.as_second(),
        nanos: at.subsec_nanosecond(),
    };
    wire::ParkedRecord {
        id: record.id,
        service: service.to_owned(),
        group: record.consumer,
        topic: record.topic,
        key: record.key,
        r#type: record.kind,
        state: state.into(),
        reason: record.reason,
        waits_for: record.waits_for,
        waiting_behind: u32::try_from(record.waiting_behind).unwrap_or(u32::MAX),
        attempts: u32::try_from(record.attempts).unwrap_or(u32::MAX),
        parked_at: Some(time(record.parked_at)),
        last_attempt_at: Some(time(record.last_attempt_at)),
    }
}
