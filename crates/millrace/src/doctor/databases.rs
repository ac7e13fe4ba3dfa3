//! Every database of the chosen services: whether it opens, has its tables, tells our time, and whether somebody looks after it.

use std::time::Duration;

use millrace_event_store::{Database, StoreError};
use millrace_service_kit::checkup::Finding;

use super::{Databases, NEIGHBOUR, Patient};
use crate::exit;
use crate::system::{self, Place};

/// Leases are judged by the database's clock; a pod's is for stamps and tokens.
const SKEW: Duration = Duration::from_secs(5);
/// Others take a lease over within seconds, if there are any.
const FORSAKEN: Duration = Duration::from_secs(60);

/// What was found, and the databases that can be read, still open.
pub(super) async fn examine(patient: &Patient) -> (Vec<Finding>, Databases) {
    let (mut findings, mut open) = (Vec::new(), Databases::new());
    // Wrong channels are the settings' own trouble.
    let channels = patient.settings.channels().unwrap_or_default();
    for place in system::places(&patient.selection, &channels) {
        let check = format!("database.{}", place.name);
        let look = look(patient, &place, &check);
        match tokio::time::timeout(NEIGHBOUR, look).await {
            Ok((found, database)) => {
                let is_away = database.is_none() && found.iter().any(Finding::is_wrong);
                findings.extend(found);
                open.extend(database.map(|database| (place.name, database)));
                // They stand on one server: the others would say the same.
                if is_away && patient.settings.database_is_a_server() {
                    break;
                }
            }
            Err(_) => {
                let found = format!("no answer within {} s", NEIGHBOUR.as_secs());
                findings.push(Finding::wrong(check, found, MEND));
                break;
            }
        }
    }
    if let Some(first) = open.values().next() {
        findings.extend(clock(first).await);
    }
    (findings, open)
}

const MEND: &str = "database.url (MILLRACE_DATABASE__URL_FILE); see that PostgreSQL runs, lets this user in and this host through";

async fn look(patient: &Patient, place: &Place, check: &str) -> (Vec<Finding>, Option<Database>) {
    let settings = &patient.settings;
    if !settings.database_is_a_server() {
        let file = settings.data_dir.join(format!("{}.db", place.name));
        // Opening would make it.
        if !file.exists() {
            let found = format!(
                "{} is not there yet: a first start makes it",
                file.display()
            );
            return (vec![Finding::skipped(check, found)], None);
        }
    }
    let opened = system::open(settings, &place.name, &patient.clock, &patient.ids).await;
    let database = match opened {
        Ok(database) => database,
        Err(error) => return (vec![not_open(check, &error)], None),
    };
    let mut findings = Vec::new();
    match database.pending(&system::owners(place.service)).await {
        Ok(pending) if pending.is_empty() => {
            findings.push(Finding::right(
                check,
                "its tables are as this binary needs them",
            ));
            findings.extend(leases(&database, place, check).await);
        }
        Ok(pending) => {
            let found = format!("{} migrations are missing", pending.len());
            let mend = format!("millrace migrate {}", place.service);
            findings.push(Finding::wrong(check, found, mend));
            database.close().await;
            return (findings, None);
        }
        Err(error) => {
            findings.push(not_open(check, &error.into()));
            database.close().await;
            return (findings, None);
        }
    }
    (findings, Some(database))
}

fn not_open(check: &str, error: &anyhow::Error) -> Finding {
    let store = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<StoreError>());
    let found = exit::line(error);
    match store {
        Some(StoreError::InUse { .. }) => Finding::skipped(
            check,
            "a running millrace has the file: ask it (/ready on monitoring.listen), or stop it to have it looked at",
        ),
        Some(StoreError::NewerSchema { .. }) => {
            Finding::wrong(check, found, "run the binary that wrote it, or a newer one")
        }
        _ => Finding::wrong(check, found, MEND),
    }
}

async fn leases(database: &Database, place: &Place, check: &str) -> Option<Finding> {
    let leases = match database.leases().await {
        Ok(leases) => leases,
        Err(error) => return Some(not_open(check, &error.into())),
    };
    let forsaken = leases.iter().filter_map(|lease| {
        let since = lease.forsaken.filter(|since| *since >= FORSAKEN)?;
        Some(format!("{} for {} s", lease.name, since.as_secs()))
    });
    let forsaken: Vec<String> = forsaken.collect();
    if forsaken.is_empty() {
        return None;
    }
    let check = format!("leases.{}", place.name);
    let found = format!("nobody holds {}", forsaken.join(", "));
    let mend = format!(
        "start {}: a process that died left them, and no other took them over",
        place.service
    );
    Some(Finding::wrong(check, found, mend))
}

async fn clock(database: &Database) -> Option<Finding> {
    const CHECK: &str = "database.clock";
    let theirs = match database.server_time().await {
        Ok(theirs) => theirs?,
        Err(error) => return Some(not_open(CHECK, &error.into())),
    };
    let apart = database.clock().now().duration_since(theirs).unsigned_abs();
    if apart <= SKEW {
        return Some(Finding::right(CHECK, "tells the same time as this machine"));
    }
    let found = format!("is {} s apart from this machine's", apart.as_secs());
    let mend = "let both machines follow a time server (NTP)";
    Some(Finding::wrong(CHECK, found, mend))
}
