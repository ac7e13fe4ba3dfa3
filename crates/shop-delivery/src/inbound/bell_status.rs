//! How it is with a doorbell, for people.

use jiff::Timestamp;
use millrace_contract::changes::v1::{DoorbellState, DoorbellStatus};
use millrace_event_store::StoreError;

use crate::doorbells::{Doorbell, pending};
use crate::inbound::doorbells::{Desk, wire};
use crate::read_model::{self, Bell, Replay};

pub(super) async fn status(
    desk: &Desk,
    doorbell: &Doorbell,
    is_open: bool,
    now: Timestamp,
) -> Result<DoorbellStatus, StoreError> {
    let database = &desk.feed.database;
    let bell = read_model::load_bell(database, &doorbell.name).await?;
    let bell = bell.unwrap_or_default();
    let replays = read_model::load_replays(database, &doorbell.name).await?;
    let (count, oldest) = match bell.rung_up_to() {
        Some(rung) => pending(&desk.feed.log, &doorbell.chosen, rung).await?,
        None => (0, None),
    };
    let lag = oldest.map(|oldest| now.duration_since(oldest).max(Default::default()));
    let kinds = doorbell.chosen.topics().iter();
    let (off, trouble) = (bell.off.as_ref(), bell.trouble.as_ref());
    Ok(DoorbellStatus {
        name: doorbell.name.clone(),
        origin: doorbell.endpoint.origin().to_owned(),
        kinds: kinds.map(|kind| (*kind).to_owned()).collect(),
        full_payload: doorbell.full_payload,
        state: state(desk.doorbells.staging, is_open, &bell).into(),
        off_reason: off.map(|off| off.reason.clone()).unwrap_or_default(),
        off_since: off.map(|off| wire(off.since)),
        last_success_at: bell.last_success.map(wire),
        last_failure_at: bell.last_failure.as_ref().map(|(_, at)| wire(*at)),
        last_failure: bell
            .last_failure
            .as_ref()
            .map(|(reason, _)| reason.clone())
            .unwrap_or_default(),
        failing_since: trouble.map(|trouble| wire(trouble.since)),
        failed_attempts: trouble.map_or(0, |trouble| trouble.attempts),
        next_attempt_at: trouble
            .filter(|_| off.is_none())
            .map(|trouble| wire(trouble.next_try)),
        pending: count,
        lag: lag.map(|lag| prost_types::Duration {
            seconds: lag.as_secs(),
            nanos: lag.subsec_nanos(),
        }),
        rung_up_to: bell.rung_up_to(),
        pending_replays: replays.iter().map(positions).sum(),
    })
}

fn state(staging: bool, is_open: bool, bell: &Bell) -> DoorbellState {
    if staging {
        return DoorbellState::Staging;
    }
    if bell.off.is_some() {
        return DoorbellState::Off;
    }
    if !is_open {
        return DoorbellState::WaitingForOpening;
    }
    match bell.trouble {
        Some(_) => DoorbellState::Failing,
        None => DoorbellState::Ringing,
    }
}

fn positions(replay: &Replay) -> u64 {
    (replay.last + 1).saturating_sub(replay.next)
}
