//! Appends that handlers asked for: written before the transaction that counts on them, in the order of the records.

use std::collections::HashMap;

use futures::future::try_join_all;
use millrace_event_store::{Append, AppendError, EventLog, LeaseEpoch, StreamAppend};

use crate::consumer::attempt::{Appended, Wanted, event_ids};

/// Appends all of `wanted`, one append per record, so that a repeat is a repeat of a whole one. Records that touch the same
/// stream go one after the other, the others together: a failure must not let a later event of a stream overtake.
pub(super) async fn append(
    log: &dyn EventLog,
    wanted: Vec<Wanted>,
    lease: Option<&LeaseEpoch>,
    appended: &mut Appended,
) -> Result<(), AppendError> {
    for wave in waves(wanted) {
        let appends = wave.into_iter().map(|wanted| async move {
            let ids = event_ids(&wanted.streams);
            log.append(Append {
                streams: wanted.streams,
                idempotency_key: None,
                lease: lease.cloned(),
            })
            .await?;
            Ok::<_, AppendError>((wanted.cause, ids))
        });
        appended.extend(try_join_all(appends).await?);
    }
    Ok(())
}

fn waves(wanted: Vec<Wanted>) -> Vec<Vec<Wanted>> {
    let mut last_wave: HashMap<String, usize> = HashMap::new();
    let mut waves: Vec<Vec<Wanted>> = Vec::new();
    for wanted in wanted {
        let streams = || {
            wanted
                .streams
                .iter()
                .map(|StreamAppend { stream, .. }| stream)
        };
        let wave = streams()
            .filter_map(|stream| last_wave.get(stream))
            .max()
            .map_or(0, |wave| wave + 1);
        for stream in streams() {
            last_wave.insert(stream.clone(), wave);
        }
        if waves.len() == wave {
            waves.push(Vec::new());
        }
        waves[wave].push(wanted);
    }
    waves
}

#[cfg(test)]
mod tests {
    use millrace_event_store::Expected;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn records_of_one_stream_go_one_after_the_other_and_others_together() {
        let waves = waves(vec![
            wanted(1, &["a"]),
            wanted(2, &["b"]),
            wanted(3, &["a", "c"]),
            wanted(4, &["c"]),
            wanted(5, &["d"]),
        ]);
        let numbers: Vec<Vec<u128>> = waves
            .iter()
            .map(|wave| wave.iter().map(|wanted| wanted.cause.as_u128()).collect())
            .collect();
        assert_eq!(numbers, [vec![1, 2, 5], vec![3], vec![4]]);
    }

    fn wanted(number: u128, streams: &[&str]) -> Wanted {
        let streams = streams.iter().map(|stream| StreamAppend {
            stream: (*stream).to_owned(),
            expected: Expected::Any,
            events: Vec::new(),
        });
        Wanted {
            cause: Uuid::from_u128(number),
            streams: streams.collect(),
        }
    }
}
