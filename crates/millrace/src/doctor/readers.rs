//! Where the readers of logs and topics stand after a restore: whether what they have read is still there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use millrace_event_bus::topics::Kind;
use millrace_event_bus::{Ends, KafkaBus, Standing, standings};
use millrace_event_store::Database;
use millrace_service_kit::checkup::Finding;
use uuid::Uuid;

use super::restore::new_epoch;
use crate::system::ServiceName;

/// Where a log ends.
pub(super) struct Tail {
    pub epoch: Uuid,
    pub head: u64,
    pub service: ServiceName,
}

/// By the name of the log.
pub(super) type Tails = BTreeMap<String, Tail>;
type AllEnds = BTreeMap<(&'static str, i32), Ends>;

/// The readers whose places are kept in `database`.
pub(super) async fn examine(
    bus: Option<&KafkaBus>,
    database: &Database,
    tails: &Tails,
) -> anyhow::Result<Vec<Finding>> {
    let all = standings(database).await?;
    let ends = match bus {
        Some(bus) => {
            let wanted = all.iter().map(|one| (one.topic.name, one.partition));
            Some(bus.partition_ends(wanted.collect()).await?)
        }
        None => None,
    };
    Ok(judge(&all, ends.as_ref(), tails, database.name()))
}

/// Without `ends` there is no Kafka.
fn judge(all: &[Standing], ends: Option<&AllEnds>, tails: &Tails, database: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut unseen = BTreeSet::new();
    for standing in all {
        let Some(trouble) = trouble(standing, ends, tails) else {
            let log = standing.seen.iter().map(|(log, ..)| log.as_str());
            unseen.extend(log.filter(|log| !tails.contains_key(*log)));
            continue;
        };
        let check = format!(
            "restore.{}.{}.{}",
            standing.consumer, standing.topic.name, standing.partition
        );
        findings.push(match mend(&trouble, standing, tails, database) {
            Some(mend) => Finding::wrong(check, trouble.to_string(), mend),
            None => Finding::right(
                check,
                format!("{trouble}: it is read again from its beginning, by itself"),
            ),
        });
    }
    let check = format!("restore.{database}.readers");
    if !unseen.is_empty() {
        let logs: Vec<&str> = unseen.into_iter().collect();
        let found = format!(
            "whether they are ahead of {} cannot be told: that cannot be read from here",
            logs.join(", ")
        );
        findings.push(Finding::skipped(check, found));
    } else if findings.is_empty() && !all.is_empty() {
        findings.push(Finding::right(check, "no reader is ahead of what it reads"));
    }
    findings
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Trouble {
    Stalled,
    /// It has read a log further than the log goes now.
    AheadOfLog {
        log: String,
        seen: u64,
        head: u64,
        service: ServiceName,
    },
    /// It has read a partition further than that goes now.
    AheadOfTopic {
        next: i64,
        end: i64,
    },
    /// What comes next for it is gone.
    Forgotten {
        next: i64,
        first: i64,
    },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stalled => write!(f, "waits for a person"),
            Self::AheadOfLog {
                log, seen, head, ..
            } => {
                write!(
                    f,
                    "has read {log} up to position {seen}, and that ends at {head}"
                )
            }
            Self::AheadOfTopic { next, end } => {
                write!(f, "goes on at offset {next}, and the topic ends at {end}")
            }
            Self::Forgotten { next, first } => {
                write!(
                    f,
                    "goes on at offset {next}, and the topic begins at {first}"
                )
            }
        }
    }
}

fn trouble(standing: &Standing, ends: Option<&AllEnds>, tails: &Tails) -> Option<Trouble> {
    // Before all others: whatever else is done, its new events would be taken for old ones.
    if let Some((log, epoch, seen)) = &standing.seen
        && let Some(tail) = tails.get(log)
        && tail.epoch == *epoch
        && *seen > tail.head
    {
        return Some(Trouble::AheadOfLog {
            log: log.clone(),
            seen: *seen,
            head: tail.head,
            service: tail.service,
        });
    }
    if standing.stalled {
        return Some(Trouble::Stalled);
    }
    let ends = ends?;
    if standing.next <= 0 {
        return None;
    }
    let Some(Ends { first, next: end }) = ends.get(&(standing.topic.name, standing.partition))
    else {
        let next = standing.next;
        return Some(Trouble::AheadOfTopic { next, end: 0 });
    };
    let (next, first, end) = (standing.next, *first, *end);
    if next > end {
        return Some(Trouble::AheadOfTopic { next, end });
    }
    (next < first).then_some(Trouble::Forgotten { next, first })
}

/// `None`: it mends itself.
fn mend(trouble: &Trouble, standing: &Standing, tails: &Tails, database: &str) -> Option<String> {
    if let Trouble::AheadOfLog { service, .. } = trouble {
        return Some(new_epoch(*service));
    }
    if let Some((log, ..)) = &standing.seen
        && !tails.contains_key(log)
    {
        // Read again, it would take new events of a shorter log for old ones.
        return Some(format!(
            "find out first whether {log} was restored, too: look again from where its database can be read. If it was, it needs a new epoch \
             before this is read again"
        ));
    }
    // Whose database it is; a feed's is shop-delivery's.
    let service = tails
        .get(database)
        .map_or(database, |tail| tail.service.as_str());
    let restart = format!(
        "compare with the ERP, then with {service} running: millrace parked restart --service {database} --group {} --topic {} --from beginning",
        standing.consumer, standing.topic.name
    );
    match trouble {
        Trouble::Stalled => Some(restart),
        Trouble::AheadOfLog { .. } | Trouble::AheadOfTopic { .. } | Trouble::Forgotten { .. } => {
            matches!(standing.topic.kind, Kind::Facts { .. })
                .then(|| format!("start it: this partition will wait for a person. {restart}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use millrace_event_bus::topics;
    use millrace_service_kit::checkup::Verdict;

    use super::*;

    const EPOCH: Uuid = Uuid::from_u128(1);

    fn reader(seen: u64) -> Standing {
        Standing {
            consumer: "order-intake.master-data".to_owned(),
            topic: topics::named("items").unwrap(),
            partition: 3,
            source: String::new(),
            next: 40,
            seen: Some(("catalog-sync".to_owned(), EPOCH, seen)),
            stalled: false,
        }
    }

    fn catalog_ends_at(head: u64) -> Tails {
        let tail = Tail {
            epoch: EPOCH,
            head,
            service: ServiceName::CatalogSync,
        };
        [("catalog-sync".to_owned(), tail)].into()
    }

    fn topic_ends_at(next: i64) -> AllEnds {
        [(("items", 3), Ends { first: 0, next })].into()
    }

    fn judged(reader: Standing, ends: Option<&AllEnds>, tails: &Tails) -> Finding {
        let mut findings = judge(&[reader], ends, tails, "order-intake");
        assert_eq!(findings.len(), 1, "{findings:#?}");
        findings.remove(0)
    }

    #[test]
    fn who_has_read_no_more_than_there_is_is_right() {
        let found = judged(reader(9), Some(&topic_ends_at(40)), &catalog_ends_at(9));
        assert_eq!(found.verdict, Verdict::Right);
    }

    #[test]
    fn what_was_not_compared_is_not_called_right() {
        let found = judged(reader(9), Some(&topic_ends_at(40)), &Tails::new());
        assert_eq!(found.verdict, Verdict::Skipped);
        assert!(found.found.contains("catalog-sync"), "{found:?}");
    }

    #[test]
    fn a_shorter_log_needs_a_new_epoch_on_every_bus_whatever_its_topic_lost() {
        let lost = AllEnds::new();
        for ends in [None, Some(&lost), Some(&topic_ends_at(40))] {
            let found = judged(reader(9), ends, &catalog_ends_at(8));
            let mend = found.mend.unwrap();
            assert!(mend.contains("--new-epoch catalog-sync"), "{mend}");
        }
        let stalled = Standing {
            stalled: true,
            ..reader(9)
        };
        let found = judged(stalled, Some(&topic_ends_at(40)), &catalog_ends_at(8));
        assert!(found.mend.unwrap().contains("--new-epoch catalog-sync"));
    }

    #[test]
    fn a_lost_topic_is_read_again_only_where_its_log_is_known_to_be_whole() {
        let lost = AllEnds::new();
        let found = judged(reader(9), Some(&lost), &catalog_ends_at(9));
        assert_eq!(found.verdict, Verdict::Right);
        assert!(found.found.contains("by itself"), "{found:?}");
        let found = judged(reader(9), Some(&lost), &Tails::new());
        assert!(found.is_wrong());
        let mend = found.mend.unwrap();
        assert!(!mend.contains("restart"), "{mend}");
        assert!(mend.contains("catalog-sync was restored"), "{mend}");
    }
}
