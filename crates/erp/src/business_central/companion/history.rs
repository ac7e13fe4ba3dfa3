//! What became of one order, for who has lost his place in the status feed.

use millrace_values::{ChannelCode, OrderNumber};

use super::rows::StatusEntry;
use super::{CompanionLevel, mapping};
use crate::ErpError;
use crate::business_central::discovery::ORDER_DOCUMENTS;
use crate::business_central::governor::Priority;
use crate::business_central::odata::{Query, Value};
use crate::document::DocumentObserved;

impl CompanionLevel<'_> {
    pub async fn documents_of(
        &self,
        channel: &ChannelCode,
        number: &OrderNumber,
    ) -> Result<Vec<DocumentObserved>, ErpError> {
        // An older companion does not have the page.
        if !self.companion.has(ORDER_DOCUMENTS) {
            return Err(ErpError::Unsupported(
                "tell an order's documents with this version of the companion",
            ));
        }
        let url = Query::new()
            .equal("channelCode", &Value::text(mapping::channel_out(channel)))
            .equal("orderNumber", &Value::text(number.as_str()))
            .expand("lines")
            .on(self.url("orderDocuments"));
        let unreadable = |reason: &str| ErpError::Unreadable(format!("a document: {reason}"));
        let mut documents = Vec::new();
        for raw in &self.reader(Priority::Bulk).all(url).await? {
            let entry: StatusEntry =
                serde_json::from_str(raw.get()).map_err(|_| unreadable("it has another shape"))?;
            let document = mapping::document(&entry).map_err(|reason| unreadable(&reason))?;
            documents.extend(document);
        }
        Ok(documents)
    }
}
