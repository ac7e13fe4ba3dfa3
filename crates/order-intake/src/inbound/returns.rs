//! Reads topic `returns`: what comes back of orders is shown with them.

use async_trait::async_trait;
use millrace_event_bus::{HandleError, Handler, Outcome};
use millrace_event_store::{Recorded, Tx};

use crate::read_model::{forget_return, keep_return};
use crate::wire;

/// Name of the consumer; stored for ever.
pub const GROUP: &str = "order-intake.returns";
pub const TOPICS: [&str; 1] = ["returns"];

pub struct ReturnRows;

#[async_trait]
impl Handler for ReturnRows {
    async fn handle(&self, tx: &mut Tx, recorded: &Recorded) -> Result<Outcome, HandleError> {
        let event = &recorded.event;
        if event.deleted {
            forget_return(tx, &event.key).await?;
            return Ok(Outcome::Done);
        }
        match wire::read_return(&event.kind, event.payload.clone()) {
            Ok(told) => keep_return(tx, &event.key, recorded.at.number, told).await?,
            Err(broken) => return Ok(Outcome::parked(broken.to_string())),
        }
        Ok(Outcome::Done)
    }
}
