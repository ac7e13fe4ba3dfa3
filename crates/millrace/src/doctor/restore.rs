//! After a database was restored from a backup: do logs, Kafka, consumers and the ERP's cursors still tell the same story? What
//! the services mend by themselves is said, too, so that nobody wonders.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use millrace_erp::Cursor;
use millrace_erp::business_central::BusinessCentral;
use millrace_event_bus::topics::Kind;
use millrace_event_bus::{Ends, KafkaBus, Published, Routes, Standing, standings};
use millrace_event_store::{EventLog, cursors};
use millrace_service_kit::checkup::Finding;
use uuid::Uuid;

use super::{Databases, Patient};
use crate::exit;
use crate::settings::BusKind;
use crate::system::{self, Place};

/// Where a log ends.
struct Tail {
    epoch: Uuid,
    head: u64,
    service: String,
}

type Tails = BTreeMap<String, Tail>;
type AllEnds = BTreeMap<(&'static str, i32), Ends>;

pub(super) async fn examine(patient: &Patient, databases: &Databases) -> Vec<Finding> {
    let (mut findings, mut tails, mut logs) = (Vec::new(), Tails::new(), Vec::new());
    let channels = patient.settings.channels().unwrap_or_default();
    for place in system::places(&patient.selection, &channels) {
        let Some(database) = databases.get(&place.name) else {
            let found = "cannot be compared: see what its own check says";
            findings.push(Finding::skipped(format!("restore.{}", place.name), found));
            continue;
        };
        match ending(database, &place).await {
            Ok((log, tail)) => {
                tails.insert(place.name.clone(), tail);
                logs.push((place, log));
            }
            Err(error) => findings.push(broken(&place.name, &error)),
        }
    }
    let bus = match patient.settings.bus.kind {
        BusKind::Kafka => KafkaBus::new(patient.settings.bus.kafka.clone(), "doctor").ok(),
        BusKind::Embedded => None,
    };
    for (place, log) in &logs {
        findings.push(match &bus {
            Some(bus) => match published(bus, place, &**log).await {
                Ok(finding) => finding,
                Err(error) => broken(&place.name, &error),
            },
            None => not_published(place),
        });
    }
    for (name, database) in databases {
        match readers(bus.as_ref(), database, &tails).await {
            Ok(found) => findings.extend(found),
            Err(error) => findings.push(broken(name, &error)),
        }
    }
    findings.extend(erp(patient, databases).await);
    findings
}

async fn ending(
    database: &millrace_event_store::Database,
    place: &Place,
) -> Result<(Arc<dyn EventLog>, Tail)> {
    let log = database.log().await?;
    let tail = Tail {
        epoch: log.epoch(),
        head: log.head().await?,
        service: place.service.to_string(),
    };
    Ok((log, tail))
}

fn broken(name: &str, error: &anyhow::Error) -> Finding {
    let mend = "see what the other checks say, and look again";
    Finding::wrong(format!("restore.{name}"), exit::line(error), mend)
}

/// What is known elsewhere of a log without Kafka is known to shops alone.
fn not_published(place: &Place) -> Finding {
    let check = format!("restore.{}", place.name);
    let found = match place.channel {
        Some(_) => {
            "whether shops have read more of this feed than it holds cannot be told: if it was restored, begin a new epoch, so that they are \
             told (millrace migrate --new-epoch shop-delivery)"
        }
        None => "the embedded bus keeps nothing elsewhere: its readers are compared one by one",
    };
    Finding::skipped(check, found)
}

async fn published(bus: &KafkaBus, place: &Place, log: &dyn EventLog) -> Result<Finding> {
    let routes = match &place.channel {
        Some(channel) => Routes::Channel(channel.to_string()),
        None => Routes::Internal,
    };
    let published = bus.published(log.name(), &routes).await?;
    let head = log.head().await?;
    let holds = match &published {
        Some(published) => holds(log, published).await?,
        None => true,
    };
    Ok(judge(place, log.epoch(), head, published.as_ref(), holds))
}

/// Whether the log has the event that was published last.
async fn holds(log: &dyn EventLog, published: &Published) -> Result<bool> {
    let Some(before) = published.position.checked_sub(1) else {
        return Ok(true);
    };
    let found = log.read_feed(before, 1).await?;
    Ok(found.first().is_some_and(|found| {
        found.at.number == published.position
            && published.last.is_none_or(|last| last == found.event.id)
    }))
}

fn judge(
    place: &Place,
    epoch: Uuid,
    head: u64,
    published: Option<&Published>,
    holds: bool,
) -> Finding {
    let check = format!("restore.{}", place.name);
    let service = place.service;
    let Some(published) = published else {
        let found = format!("holds {head} events, and nothing was published yet: its relay will");
        return Finding::right(check, found);
    };
    if published.epoch != epoch {
        let found =
            "is in a new epoch: its relay publishes everything again, and readers begin again";
        return Finding::right(check, found);
    }
    if holds {
        let found = format!(
            "ends at position {head}, and is published up to {}",
            published.position
        );
        return Finding::right(check, found);
    }
    let found = format!(
        "ends at position {head} and does not hold what was published up to {}: it was restored to an earlier point. What happened since \
         is in Kafka and the ERP alone",
        published.position
    );
    let again = match service {
        system::ServiceName::OrderIntake => {
            "; then have the shops send again what they sent since the backup: the same numbers make no second document"
        }
        _ => "",
    };
    let mend = format!("stop {service}, millrace migrate --new-epoch {service}, start it{again}");
    Finding::wrong(check, found, mend)
}

/// The readers whose places are kept in `database`.
async fn readers(
    bus: Option<&KafkaBus>,
    database: &millrace_event_store::Database,
    tails: &Tails,
) -> Result<Vec<Finding>> {
    let all = standings(database).await?;
    let ends = match bus {
        Some(bus) => {
            let wanted = all.iter().map(|one| (one.topic.name, one.partition));
            bus.partition_ends(wanted.collect()).await?
        }
        None => AllEnds::new(),
    };
    let mut findings = Vec::new();
    let mut same = true;
    for standing in &all {
        let Some(trouble) = trouble(standing, &ends, bus.is_some(), tails) else {
            continue;
        };
        same = false;
        let check = format!(
            "restore.{}.{}.{}",
            standing.consumer, standing.topic.name, standing.partition
        );
        findings.push(match mend(&trouble, standing, tails, database.name()) {
            Some(mend) => Finding::wrong(check, trouble.to_string(), mend),
            None => Finding::right(
                check,
                format!("{trouble}: it is read again from its beginning, by itself"),
            ),
        });
    }
    if same && !all.is_empty() {
        let check = format!("restore.{}.readers", database.name());
        findings.push(Finding::right(check, "no reader is ahead of what it reads"));
    }
    Ok(findings)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Trouble {
    Stalled,
    /// It has read a log further than the log goes now.
    AheadOfLog {
        log: String,
        seen: u64,
        head: u64,
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

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stalled => write!(f, "waits for a person"),
            Self::AheadOfLog { log, seen, head } => {
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

fn trouble(standing: &Standing, ends: &AllEnds, kafka: bool, tails: &Tails) -> Option<Trouble> {
    if standing.stalled {
        return Some(Trouble::Stalled);
    }
    if let Some((log, epoch, seen)) = &standing.seen
        && let Some(tail) = tails.get(log)
        && tail.epoch == *epoch
        && *seen > tail.head
    {
        let (log, seen, head) = (log.clone(), *seen, tail.head);
        return Some(Trouble::AheadOfLog { log, seen, head });
    }
    if !kafka || standing.next <= 0 {
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
    let restart = || {
        // Whose database it is; a feed's is shop-delivery's.
        let service = tails
            .get(database)
            .map_or(database, |tail| tail.service.as_str());
        format!(
            "compare with the ERP, then with {service} running: millrace parked restart --service {database} --group {} --topic {} --from beginning",
            standing.consumer, standing.topic.name
        )
    };
    match trouble {
        Trouble::Stalled => Some(restart()),
        Trouble::AheadOfLog { log, .. } if standing.source.is_empty() => {
            let service = tails
                .get(log)
                .map_or(log.as_str(), |tail| tail.service.as_str());
            Some(format!(
                "stop {service}, millrace migrate --new-epoch {service}, start it"
            ))
        }
        Trouble::AheadOfLog { .. } | Trouble::AheadOfTopic { .. } | Trouble::Forgotten { .. } => {
            matches!(standing.topic.kind, Kind::Facts { .. }).then(|| {
                format!(
                    "start it: this partition will wait for a person. {}",
                    restart()
                )
            })
        }
    }
}

async fn erp(patient: &Patient, databases: &Databases) -> Vec<Finding> {
    let Some(settings) = patient.settings.erp.clone() else {
        return Vec::new();
    };
    let Ok(erp) = BusinessCentral::connect(settings, patient.clock.clone(), patient.ids.clone())
    else {
        return Vec::new();
    };
    let mut stored = Vec::new();
    for (name, database) in databases {
        match cursors(database).await {
            Ok(found) => {
                let named = found
                    .into_iter()
                    .map(|(cursor, place)| (format!("{name}.{cursor}"), Cursor(place)));
                stored.extend(named);
            }
            Err(error) => return vec![broken(name, &error.into())],
        }
    }
    erp.examine_cursors(&stored).await
}
