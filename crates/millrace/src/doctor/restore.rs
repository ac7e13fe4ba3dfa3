//! After a database was restored from a backup: do logs, Kafka, consumers and the ERP's cursors still tell the same story? What
//! the services mend by themselves is said, too, so that nobody wonders.

use std::sync::Arc;

use anyhow::Result;
use millrace_erp::Cursor;
use millrace_erp::business_central::BusinessCentral;
use millrace_event_bus::{KafkaBus, Published, Routes};
use millrace_event_store::{Database, EventLog, cursors};
use millrace_service_kit::checkup::{Finding, within};
use uuid::Uuid;

use super::readers::{self, Tail, Tails};
use super::{Databases, MANY, NEIGHBOUR, Patient, databases};
use crate::exit;
use crate::settings::BusKind;
use crate::system::{self, Place, Selection, ServiceName};

pub(super) async fn examine(patient: &Patient, databases: &Databases) -> Vec<Finding> {
    let look = async |findings: &mut Vec<Finding>| compare(patient, databases, findings).await;
    let mut findings = within(MANY, "restore", look).await;
    let look = async |findings: &mut Vec<Finding>| erp(patient, databases, findings).await;
    findings.extend(within(NEIGHBOUR, "restore.erp", look).await);
    findings
}

/// Logs with Kafka, and readers with both.
async fn compare(patient: &Patient, databases: &Databases, findings: &mut Vec<Finding>) {
    let (mut tails, mut logs) = (Tails::new(), Vec::new());
    let channels = patient.settings.channels().unwrap_or_default();
    // Readers of a chosen service may be ahead of any log.
    for place in system::places(&Selection::all(), &channels) {
        if !patient.selection.has(place.service) {
            tails.extend(tail_of_another(patient, &place).await);
            continue;
        }
        let Some(database) = databases.get(&place.name) else {
            findings.push(not_compared(&place));
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
        match readers::examine(bus.as_ref(), database, &tails).await {
            Ok(found) => findings.extend(found),
            Err(error) => findings.push(broken(name, &error)),
        }
    }
}

/// Where the log of a service ends that was not chosen; `None`: it cannot be seen from here.
async fn tail_of_another(patient: &Patient, place: &Place) -> Option<(String, Tail)> {
    let database = databases::open(patient, place).await.ok()?;
    let ending = ending(&database, place).await;
    database.close().await;
    Some((place.name.clone(), ending.ok()?.1))
}

async fn ending(database: &Database, place: &Place) -> Result<(Arc<dyn EventLog>, Tail)> {
    let log = database.log().await?;
    let tail = Tail {
        epoch: log.epoch(),
        head: log.head().await?,
        service: place.service,
    };
    Ok((log, tail))
}

fn not_compared(place: &Place) -> Finding {
    let found = "was not compared with anything: see what its own check says";
    let mend = format!(
        "stop {}, mend what that check names, then look again",
        place.service
    );
    Finding::wrong(format!("restore.{}", place.name), found, mend)
}

fn broken(name: &str, error: &anyhow::Error) -> Finding {
    let mend = "see what the other checks say, and look again";
    Finding::wrong(format!("restore.{name}"), exit::line(error), mend)
}

/// How a log is told to be another one than its readers knew. Topics are as they were, whoever makes them.
pub(super) fn new_epoch(service: ServiceName) -> String {
    let whose = match service {
        ServiceName::ShopDelivery => " (of every channel's feed: all shops read theirs again)",
        ServiceName::CatalogSync
        | ServiceName::CustomerSync
        | ServiceName::OrderIntake
        | ServiceName::StockAvailability
        | ServiceName::Reservation
        | ServiceName::Returns => "",
    };
    format!("stop {service}, millrace migrate --new-epoch {service} --topics=off{whose}, start it")
}

/// What is known elsewhere of a log without Kafka is known to shops alone.
fn not_published(place: &Place) -> Finding {
    let check = format!("restore.{}", place.name);
    let found = match place.channel {
        Some(_) => format!(
            "whether shops have read more of this feed than it holds cannot be told: if it was restored, begin a new epoch, so that they are \
             told ({})",
            new_epoch(place.service)
        ),
        None => "the embedded bus keeps nothing elsewhere: its readers are compared one by one"
            .to_owned(),
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
        if head == 0 {
            return Finding::right(check, "holds nothing, and nothing was published");
        }
        let found = format!(
            "holds {head} events, and Kafka does not know that any was published: its relay publishes them. If it was restored, begin a new \
             epoch: {}",
            new_epoch(service)
        );
        return Finding::skipped(check, found);
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
        ServiceName::OrderIntake | ServiceName::Reservation | ServiceName::Returns => {
            "; then have the shops send again what they sent since the backup: the same numbers make no second document"
        }
        ServiceName::CatalogSync
        | ServiceName::CustomerSync
        | ServiceName::StockAvailability
        | ServiceName::ShopDelivery => "",
    };
    Finding::wrong(check, found, format!("{}{again}", new_epoch(service)))
}

async fn erp(patient: &Patient, databases: &Databases, findings: &mut Vec<Finding>) {
    let Some(settings) = patient.settings.erp.clone() else {
        return;
    };
    let Ok(erp) = BusinessCentral::connect(settings, patient.clock.clone(), patient.ids.clone())
    else {
        return;
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
            Err(error) => findings.push(broken(name, &error.into())),
        }
    }
    findings.extend(erp.examine_cursors(&stored).await);
}

#[cfg(test)]
mod tests {
    use millrace_service_kit::checkup::Verdict;

    use super::*;

    fn place(service: ServiceName) -> Place {
        Place {
            service,
            name: service.as_str().to_owned(),
            channel: None,
        }
    }

    fn published_up_to(position: u64) -> Published {
        Published {
            epoch: Uuid::nil(),
            position,
            last: None,
        }
    }

    #[test]
    fn shops_send_again_what_a_restored_log_has_lost_of_them() {
        let mend = |service| {
            let found = judge(
                &place(service),
                Uuid::nil(),
                3,
                Some(&published_up_to(5)),
                false,
            );
            found.mend.unwrap()
        };
        for service in [
            ServiceName::OrderIntake,
            ServiceName::Reservation,
            ServiceName::Returns,
        ] {
            assert!(mend(service).contains("have the shops send again"));
        }
        let mend = mend(ServiceName::CatalogSync);
        assert_eq!(
            mend,
            "stop catalog-sync, millrace migrate --new-epoch catalog-sync --topics=off, start it"
        );
    }

    #[test]
    fn a_log_that_nobody_remembers_publishing_may_have_been_restored() {
        let place = place(ServiceName::CatalogSync);
        let found = judge(&place, Uuid::nil(), 3, None, true);
        assert_eq!(found.verdict, Verdict::Skipped);
        assert!(found.found.contains("begin a new epoch"), "{found:?}");
        let found = judge(&place, Uuid::nil(), 0, None, true);
        assert_eq!(found.verdict, Verdict::Right);
    }
}
