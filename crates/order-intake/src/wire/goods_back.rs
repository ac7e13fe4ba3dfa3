//! Facts of topic `returns`, as far as an order shows them.

use bytes::Bytes;
use millrace_contract::returns::v1 as proto;
use prost::Message;

use super::event::Broken;

const PACKAGE: &str = "millrace.returns.v1.";

/// What a fact tells of a return.
#[derive(Debug, Clone, PartialEq)]
pub struct ReturnTold {
    /// Only with its first fact, and when it was mended.
    pub goods: Option<proto::Return>,
    pub state: proto::ReturnState,
    /// Whether somebody sends the goods back who is not known to have bought them. `None`: as before.
    pub is_strangers: Option<bool>,
    pub lines: Vec<proto::LineStatus>,
}

/// # Errors
/// The fact cannot be decoded, or a newer binary wrote it.
pub fn read_return(kind: &str, payload: Bytes) -> Result<ReturnTold, Broken> {
    use proto::ReturnState::{Accepted, Cancelled, Held, Posted, Received, Refused};

    let told = |state, lines| ReturnTold {
        goods: None,
        state,
        is_strangers: None,
        lines,
    };
    // Where the ERP has no receipts the goods are here before it gets the return.
    let unless_here = |state, lines: Vec<proto::LineStatus>| {
        let is_here = lines.iter().any(has_received);
        told(if is_here { Received } else { state }, lines)
    };
    // Whose the goods are is told by the next fact, which is appended with it.
    let nobody_knows = Some(true);
    Ok(match kind.strip_prefix(PACKAGE).unwrap_or(kind) {
        "ReturnSubmitted" => {
            let fact = proto::ReturnSubmitted::decode(payload)?;
            ReturnTold {
                goods: fact.shop_return,
                is_strangers: nobody_knows,
                ..told(Held, fact.lines)
            }
        }
        "ReturnMended" => {
            let fact = proto::ReturnMended::decode(payload)?;
            ReturnTold {
                goods: fact.shop_return,
                is_strangers: nobody_knows,
                ..told(Held, fact.lines)
            }
        }
        "ReturnHeld" => {
            let fact = proto::ReturnHeld::decode(payload)?;
            ReturnTold {
                is_strangers: Some(fact.reasons.iter().any(is_mismatch)),
                ..told(Held, fact.lines)
            }
        }
        "ReturnErpRefused" => told(Held, proto::ReturnErpRefused::decode(payload)?.lines),
        "ReturnCleared" => ReturnTold {
            is_strangers: Some(false),
            ..unless_here(Accepted, proto::ReturnCleared::decode(payload)?.lines)
        },
        "ReturnLost" => unless_here(Accepted, proto::ReturnLost::decode(payload)?.lines),
        "ReturnPosted" => unless_here(Posted, proto::ReturnPosted::decode(payload)?.lines),
        "ReturnReceived" => credited(proto::ReturnReceived::decode(payload)?.lines),
        // What is credited may be looked at later.
        "ReturnInspected" => credited(proto::ReturnInspected::decode(payload)?.lines),
        "ReturnCredited" => credited(proto::ReturnCredited::decode(payload)?.lines),
        "ReturnRefundAnnounced" => credited(proto::ReturnRefundAnnounced::decode(payload)?.lines),
        "ReturnRefused" => told(Refused, proto::ReturnRefused::decode(payload)?.lines),
        "ReturnCancelled" => told(Cancelled, proto::ReturnCancelled::decode(payload)?.lines),
        other => {
            return Err(Broken::of(format_args!(
                "events of type {other} are not known here"
            )));
        }
    })
}

fn is_mismatch(reason: &proto::HoldReason) -> bool {
    reason.kind() == proto::HoldKind::CustomerMismatch
}

fn has_received(line: &proto::LineStatus) -> bool {
    let received = line.received.clone().unwrap_or_default();
    received.units > 0 || received.nanos > 0
}

fn credited(lines: Vec<proto::LineStatus>) -> ReturnTold {
    use proto::LineState;

    let is_finished = |line: &proto::LineStatus| {
        matches!(line.state(), LineState::Credited | LineState::Cancelled)
    };
    let state = if lines.iter().all(is_finished) {
        proto::ReturnState::Credited
    } else {
        proto::ReturnState::Received
    };
    ReturnTold {
        goods: None,
        state,
        is_strangers: None,
        lines,
    }
}

#[cfg(test)]
mod tests {
    use millrace_contract::values::v1::Quantity;

    use super::*;

    #[test]
    fn what_is_cleared_again_with_its_goods_here_is_received() {
        let cleared = |units| {
            let received = Quantity {
                units,
                ..Quantity::default()
            };
            let fact = proto::ReturnCleared {
                lines: vec![proto::LineStatus {
                    received: Some(received),
                    ..proto::LineStatus::default()
                }],
                ..proto::ReturnCleared::default()
            };
            let told = read_return("ReturnCleared", fact.encode_to_vec().into());
            told.unwrap().state
        };
        assert_eq!(cleared(0), proto::ReturnState::Accepted);
        assert_eq!(cleared(1), proto::ReturnState::Received);
    }

    #[test]
    fn what_is_looked_at_after_it_was_credited_stays_credited() {
        let told = |state: proto::LineState| {
            let line = proto::LineStatus {
                state: state.into(),
                ..proto::LineStatus::default()
            };
            let fact = proto::ReturnInspected {
                dispositions: vec![],
                lines: vec![line],
            };
            let payload = fact.encode_to_vec().into();
            let told = read_return("millrace.returns.v1.ReturnInspected", payload);
            told.unwrap().state
        };
        assert_eq!(
            told(proto::LineState::Credited),
            proto::ReturnState::Credited
        );
        assert_eq!(
            told(proto::LineState::Inspected),
            proto::ReturnState::Received
        );
    }
}
