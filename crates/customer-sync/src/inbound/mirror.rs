//! Customers the ERP shows → events on their streams.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use millrace_erp::{Flow, Observed, Page};
use millrace_erp_reader::{Sink, SinkError};
use millrace_event_store::{
    AppendError, Cause, Context, Database, EventLog, ExecuteError, LeaseEpoch, SealError, Sealer,
    Streams, projected_up_to,
};
use millrace_operations::unreadable;
use millrace_service_kit::trace::{TraceContext, Work};
use millrace_service_kit::{Clock, Ids};
use millrace_values::{ErpCode, SystemId};
use prost::Message;
use tracing::info;

use crate::domain::Sealed;
use crate::domain::customer::{Command, Mirror};
use crate::{read_model, wire};

pub struct MirrorSink {
    pub erp: ErpCode,
    pub database: Database,
    pub log: Arc<dyn EventLog>,
    pub sealer: Arc<Sealer>,
    pub streams: Streams<Mirror>,
    /// How long a comparison waits for the rows to reach the log.
    pub patience: Duration,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
}

#[async_trait]
impl Sink for MirrorSink {
    async fn take(&self, page: &Page, lease: &LeaseEpoch) -> Result<(), SinkError> {
        let people: Vec<String> = page
            .observations
            .iter()
            .filter_map(|observed| match observed {
                Observed::Customer(customer) => {
                    Some(wire::customer_stream(&self.erp, customer.system_id))
                }
                _ => None,
            })
            .collect();
        self.sealer.prepare(&people).await.map_err(sealing)?;
        let mut commands = Vec::new();
        for observed in &page.observations {
            match observed {
                Observed::Customer(seen) => {
                    let stream = wire::customer_stream(&self.erp, seen.system_id);
                    let personal = self.seal(&stream, &wire::personal_of(seen)).await?;
                    commands.push((
                        stream,
                        Command::Observe(Box::new(wire::observed(&self.erp, seen, personal))),
                    ));
                }
                Observed::CustomerGone(id) => {
                    commands.push((wire::customer_stream(&self.erp, *id), Command::ObserveGone))
                }
                // Kept below, where people see it.
                Observed::Unreadable { .. } => {}
                // Other flows' records; the flow asked for does not bring them.
                Observed::Item(_)
                | Observed::ItemGone(_)
                | Observed::Prices(_)
                | Observed::Stock(_)
                | Observed::Document(_)
                | Observed::Transfer(_)
                | Observed::Return(_) => {}
            }
        }
        self.write(commands, lease).await?;
        let (database, seen) = (&self.database, &page.observations);
        Ok(unreadable::note(database, &self.erp, Flow::Customers, seen).await?)
    }

    async fn compare(&self, there: HashSet<SystemId>, lease: &LeaseEpoch) -> Result<(), SinkError> {
        // The lease makes us the only writer: once our rows have reached the head, they are what is known.
        let head = self.log.head().await?;
        let rows = read_model::CUSTOMERS;
        if !projected_up_to(&self.database, rows, head, self.patience).await? {
            return Err(SinkError::Behind);
        }
        let known = read_model::system_ids(&self.database, &self.erp).await?;
        let gone: Vec<_> = known.into_iter().filter(|id| !there.contains(id)).collect();
        if !gone.is_empty() {
            info!(
                count = gone.len(),
                "{} customers are gone from the erp",
                gone.len()
            );
        }
        let commands = gone
            .into_iter()
            .map(|id| (wire::customer_stream(&self.erp, id), Command::ObserveGone))
            .collect();
        self.write(commands, lease).await
    }
}

impl MirrorSink {
    /// An erased person stays erased, whatever the ERP still shows; what is not personal goes on.
    async fn seal(
        &self,
        person: &str,
        personal: &millrace_contract::personal::v1::Personal,
    ) -> Result<Sealed, SinkError> {
        match seal(&self.sealer, person, personal).await {
            Ok(sealed) => Ok(sealed),
            Err(SealError::Erased) => Ok(Sealed::erased(person)),
            Err(error) => Err(sealing(error)),
        }
    }

    async fn write(
        &self,
        commands: Vec<(String, Command)>,
        lease: &LeaseEpoch,
    ) -> Result<(), SinkError> {
        if commands.is_empty() {
            return Ok(());
        }
        let trace = TraceContext::begin(&self.ids);
        let _work = Work::begin("read customers of the erp", trace);
        let cause = Cause {
            correlation_id: self.ids.uuid_at(self.clock.now()),
            causation_id: None,
            traceparent: Some(trace.to_string()),
            actor: crate::NAME.to_owned(),
        };
        let context = Context {
            cause,
            lease: Some(lease.clone()),
            idempotency_key: None,
        };
        for outcome in self.streams.execute_many(commands, context).await? {
            match outcome {
                Ok(_) => {}
                Err(ExecuteError::Refused(AppendError::StaleLease { .. })) => {
                    return Err(SinkError::Superseded);
                }
                Err(ExecuteError::Store(error)) => return Err(error.into()),
                Err(error @ (ExecuteError::Conflict | ExecuteError::Refused(_))) => {
                    return Err(SinkError::Failed(Box::new(error)));
                }
                Err(ExecuteError::Rejected(never)) => match never {},
            }
        }
        Ok(())
    }
}

/// Seals for `person`, whose stream it is bound to as well.
pub(super) async fn seal(
    sealer: &Sealer,
    person: &str,
    personal: &millrace_contract::personal::v1::Personal,
) -> Result<Sealed, SealError> {
    let plain = personal.encode_to_vec();
    Ok(Sealed {
        person: person.to_owned(),
        bytes: sealer.seal(person, &plain, person.as_bytes()).await?,
        fingerprint: sealer.fingerprint(person, &plain).await?.to_vec(),
    })
}

fn sealing(error: SealError) -> SinkError {
    match error {
        SealError::Store(error) => error.into(),
        SealError::Erased | SealError::Broken => SinkError::Failed(Box::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use millrace_event_store::DatabaseSettings;
    use millrace_service_kit::SystemClock;

    use super::*;

    #[tokio::test]
    async fn nobody_is_compared_with_rows_that_are_behind_the_log() {
        let (clock, ids) = (Arc::new(SystemClock), Ids::random());
        let settings = DatabaseSettings::new("sqlite::memory:", crate::NAME);
        let database = Database::open(&settings, clock.clone(), ids.clone())
            .await
            .unwrap();
        database.migrate(&[&crate::MIGRATIONS]).await.unwrap();
        let log = database.log().await.unwrap();
        // Its marker stands in the log, and no projection runs.
        let held = log.take_lease("customers/bc-main", "here", Duration::from_secs(60));
        let held = held.await.unwrap().unwrap();
        let sink = MirrorSink {
            erp: ErpCode::parse("bc-main").unwrap(),
            sealer: Arc::new(Sealer::new(database.clone(), &[7; 32])),
            streams: Streams::new(log.clone(), clock.clone(), ids.clone()),
            database,
            log,
            patience: Duration::ZERO,
            clock,
            ids,
        };
        let compared = sink.compare(HashSet::new(), &held.lease).await;
        assert!(matches!(compared, Err(SinkError::Behind)), "{compared:?}");
    }
}
