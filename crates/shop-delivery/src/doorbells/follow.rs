//! Looking along the feed for what a doorbell is for.

use std::sync::Arc;

use jiff::Timestamp;
use millrace_event_bus::topics;
use millrace_event_store::{EventLog, Recorded, StoreError};
use millrace_values::ChannelCode;

use crate::domain::rings::{Change, Gathering, Ring};
use crate::doorbells::events::opening_stream;
use crate::doorbells::settings::Doorbell;
use crate::inbound::kinds::Chosen;

/// Events read at once.
const PAGE: usize = 200;
/// Changes up to this are counted exactly.
const COUNTED: u64 = 1_000;

/// The first change after `after`, up to `up_to`, that is `chosen`, and how far it was looked.
pub(crate) async fn first_after(
    log: &Arc<dyn EventLog>,
    chosen: &Chosen,
    after: u64,
    up_to: u64,
) -> Result<(Option<Recorded>, u64), StoreError> {
    let mut looked = after;
    while looked < up_to {
        let page = log.read_feed(looked, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for recorded in page {
            if recorded.at.number > up_to {
                return Ok((None, up_to));
            }
            looked = recorded.at.number;
            if chosen.has(&recorded.event.kind) {
                return Ok((Some(recorded), looked));
            }
        }
    }
    Ok((None, looked))
}

/// The rings of what comes after `after`, up to `up_to` or to where there are `most` of them; and where that is.
pub(crate) async fn gather(
    log: &Arc<dyn EventLog>,
    doorbell: &Doorbell,
    after: u64,
    up_to: u64,
    most: usize,
) -> Result<(Vec<Ring>, u64), StoreError> {
    let mut gathering = Gathering::new(doorbell.together, most);
    let mut looked = after;
    'stretch: while looked < up_to {
        let page = log.read_feed(looked, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for recorded in page {
            if recorded.at.number > up_to {
                break 'stretch;
            }
            if let Some(change) = change(&recorded, &doorbell.chosen)
                && !gathering.take(change)
            {
                break 'stretch;
            }
            looked = recorded.at.number;
        }
    }
    Ok((gathering.rings(), looked))
}

fn change<'a>(recorded: &'a Recorded, chosen: &Chosen) -> Option<Change<'a>> {
    let event = &recorded.event;
    let topic = topics::of_kind(&event.kind).filter(|_| chosen.has(&event.kind))?;
    Some(Change {
        position: recorded.at.number,
        id: event.id,
        kind: topic.name,
        key: &event.key,
    })
}

/// The event at `position`.
pub(crate) async fn at(
    log: &Arc<dyn EventLog>,
    position: u64,
) -> Result<Option<Recorded>, StoreError> {
    let found = log.read_feed(position.saturating_sub(1), 1).await?;
    Ok(found.into_iter().find(|found| found.at.number == position))
}

/// How many chosen changes come after `after`, and since when the first of them waits.
pub(crate) async fn pending(
    log: &Arc<dyn EventLog>,
    chosen: &Chosen,
    after: u64,
) -> Result<(u64, Option<Timestamp>), StoreError> {
    let head = log.head().await?;
    let most = head.saturating_sub(after);
    if most == 0 {
        return Ok((0, None));
    }
    if most > COUNTED {
        let (first, _) = first_after(log, chosen, after, head).await?;
        return Ok((
            first.as_ref().map_or(0, |_| most),
            first.map(|first| first.recorded_at),
        ));
    }
    let (mut count, mut oldest, mut looked) = (0, None, after);
    while looked < head {
        let page = log.read_feed(looked, PAGE).await?;
        let Some(last) = page.last() else { break };
        looked = last.at.number;
        for recorded in page.iter().filter(|event| chosen.has(&event.event.kind)) {
            count += 1;
            oldest = oldest.or(Some(recorded.recorded_at));
        }
    }
    Ok((count, oldest))
}

/// Where, and when, the channel was opened.
pub(crate) async fn opened(
    log: &Arc<dyn EventLog>,
    channel: &ChannelCode,
) -> Result<Option<(u64, Timestamp)>, StoreError> {
    let found = log.read_last(&[opening_stream(channel)]).await?;
    Ok(found
        .first()
        .map(|opened| (opened.at.number, opened.recorded_at)))
}
