//! `operations.v1.ParkedService` over the databases of the services that run in this process: what could not be processed,
//! why, and what a person does about it; the same as figures for `/metrics` and as troubles for `/ready`. The rules of keeping
//! records of topics aside are event-bus's. Owns the table `erp_unreadable`, which every service that reads the ERP writes
//! through [`unreadable::note`].

mod entries;
mod figures;
mod overview;
mod stalled;
pub mod unreadable;

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_contract::operations::v1 as wire;
use millrace_contract::operations::v1::parked_service_server::ParkedService;
use millrace_event_bus::{drop_parked, retry_all_parked, retry_parked};
use millrace_event_store::{Database, StoreError};
use millrace_service_kit::auth::Caller;
use millrace_service_kit::rejection;
use tonic::{Request, Response, Status};
use tracing::{error, info};

pub use overview::Overview;
pub use unreadable::migrations;

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
            let found = entries::list(name, database, after, wanted + 1)
                .await
                .map_err(|error| away(&error))?;
            let more = found.len() > wanted;
            let last = found
                .get(wanted.saturating_sub(1))
                .map_or(after, |record| record.id);
            records.extend(found.into_iter().take(wanted));
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
            entries::refuse_those_of_the_erp(database, &ids).await?;
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
        let forgotten = unreadable::forget(database, &entries::of_the_erp(&ids))
            .await
            .map_err(|error| away(&error))?;
        if forgotten > 0 {
            info!(
                actor = caller.name(),
                forgotten, "{forgotten} unreadable records of the erp are forgotten"
            );
        }
        let dropped = dropped + forgotten;
        Ok(Response::new(wire::DropParkedResponse {
            dropped: u32::try_from(dropped).unwrap_or(u32::MAX),
        }))
    }

    async fn list_stalled(
        &self,
        request: Request<wire::ListStalledRequest>,
    ) -> Result<Response<wire::ListStalledResponse>, Status> {
        operator(&request)?;
        let mut partitions = Vec::new();
        for (name, database) in self.chosen(&request.into_inner().service)? {
            let found = stalled::list(name, database).await;
            partitions.extend(found.map_err(|error| away(&error))?);
        }
        Ok(Response::new(wire::ListStalledResponse { partitions }))
    }

    async fn restart_stalled(
        &self,
        request: Request<wire::RestartStalledRequest>,
    ) -> Result<Response<wire::RestartStalledResponse>, Status> {
        let caller = operator(&request)?;
        let request = request.into_inner();
        let database = self.named(&request.service)?;
        let restarted = stalled::restart(database, &request).await?;
        for partition in &restarted {
            let wire::StalledPartition {
                group,
                topic,
                partition,
                ..
            } = partition;
            info!(
                actor = caller.name(),
                group, topic, partition, "{topic} {partition} of {group} may go on"
            );
        }
        Ok(Response::new(wire::RestartStalledResponse { restarted }))
    }
}

/// A caller who may act for every channel.
fn operator<T>(request: &Request<T>) -> Result<Arc<Caller>, Status> {
    let caller = Caller::of(request)?;
    caller.may_anywhere(SCOPE)?;
    match caller.channel() {
        None => Ok(caller),
        Some(channel) => Err(rejection::denied(
            "WRONG_CHANNEL",
            format!("token {} belongs to channel {channel}", caller.name()),
        )),
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
