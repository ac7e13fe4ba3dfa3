//! What returns have taken of an order ⇄ its message.

use millrace_contract::returnables::v1 as proto;
use millrace_event_store::Recorded;
use millrace_values::Quantity;
use prost::Message;

use super::event::Broken;
use super::status::read_amount;
use crate::domain::{Credit, Returnable, TakenLine};

pub const KIND: &str = "millrace.returnables.v1.ReturnableMoved";

/// # Errors
/// It was not written by this binary or one before it.
pub fn read_returnable(recorded: &Recorded) -> Result<Returnable, Broken> {
    let message = proto::ReturnableMoved::decode(recorded.event.payload.clone())?;
    let lines = message.lines.into_iter().map(|line| {
        let quantity = Quantity::try_from(line.taken.unwrap_or_default()).map_err(Broken::of)?;
        let worth = Credit {
            gross: read_amount(line.gross)?,
            tax: read_amount(line.tax)?,
        };
        let credited = Quantity::try_from(line.credited.unwrap_or_default()).map_err(Broken::of)?;
        let taken = TakenLine {
            quantity,
            worth,
            credited,
        };
        Ok((line.order_line, taken))
    });
    Ok(Returnable {
        lines: lines.collect::<Result<_, Broken>>()?,
        freight_by: Some(message.freight_by).filter(|stream| !stream.is_empty()),
    })
}

/// `stream`: of the return that moved it.
#[must_use]
pub fn write_returnable(returnable: &Returnable, stream: &str) -> Vec<u8> {
    let lines = returnable.lines.iter();
    let lines = lines.map(|(order_line, taken)| proto::ReturnableLine {
        order_line: *order_line,
        taken: Some(taken.quantity.into()),
        gross: Some(taken.worth.gross.into()),
        tax: Some(taken.worth.tax.into()),
        credited: Some(taken.credited.into()),
    });
    proto::ReturnableMoved {
        return_stream: stream.to_owned(),
        lines: lines.collect(),
        freight_by: returnable.freight_by.clone().unwrap_or_default(),
    }
    .encode_to_vec()
}
