//! Keeps what cannot be read where people see it.

use millrace_event_store::StoreError;
use millrace_values::SystemId;
use tracing::warn;

use crate::inbound::recorder::Recorder;
use crate::read_model::{Catalog, UnreadableRecord};

/// What of a page can be read, and what cannot.
#[derive(Debug, Default)]
pub(crate) struct Legible {
    readable: Vec<SystemId>,
    unreadable: Vec<UnreadableRecord>,
}

impl Legible {
    pub(crate) fn read(&mut self, id: SystemId) {
        self.readable.push(id);
    }

    pub(crate) fn unread(&mut self, entity: &'static str, id: Option<SystemId>, reason: &str) {
        self.unreadable.push(UnreadableRecord {
            entity,
            system_id: id,
            reason: reason.to_owned(),
        });
    }

    pub(crate) fn readable(&self) -> &[SystemId] {
        &self.readable
    }

    /// Keeps what cannot be read, and says it once; forgets what can be read again.
    pub(crate) async fn note(
        self,
        catalog: &Catalog,
        recorder: &Recorder,
    ) -> Result<(), StoreError> {
        let now = recorder.clock.now();
        let news = catalog
            .note_unreadable(&recorder.erp, self.unreadable, &self.readable, now)
            .await?;
        for record in news {
            let id = record.system_id.map(|id| id.to_string());
            warn!(
                entity = record.entity,
                system_id = id.unwrap_or_default(),
                reason = record.reason,
                "a record of the erp cannot be read"
            );
        }
        Ok(())
    }
}
