//! Every database of the chosen services: whether it opens, has its tables, tells our time, and whether somebody looks after it.

use std::time::Duration;

use millrace_event_store::{Database, LeaseStanding, StoreError};
use millrace_service_kit::checkup::Finding;

use super::{Databases, NEIGHBOUR, Patient};
use crate::exit;
use crate::system::{self, Place};

/// Leases are judged by the database's clock; a pod's is for stamps and tokens.
const SKEW: Duration = Duration::from_secs(5);
/// Others take a lease over within seconds, if there are any.
const FORSAKEN: Duration = Duration::from_secs(60);

/// What was found, and the databases that can be read, still open. After a restore leases are as they were at the backup, and nobody
/// holds them: that is no news then.
pub(super) async fn examine(patient: &Patient, after_restore: bool) -> (Vec<Finding>, Databases) {
    let (mut findings, mut open) = (Vec::new(), Databases::new());
    // Wrong channels are the settings' own trouble.
    let channels = patient.settings.channels().unwrap_or_default();
    let mut is_away = false;
    for place in system::places(&patient.selection, &channels) {
        let check = check(&place);
        if is_away {
            let found = "was not looked at: its server does not answer, as the check before says";
            findings.push(Finding::skipped(check, found));
            continue;
        }
        match self::open(patient, &place).await {
            Ok(database) => {
                let found = "its tables are as this binary needs them";
                findings.push(Finding::right(check, found));
                if !after_restore {
                    findings.extend(leases(&database, &place).await);
                }
                open.insert(place.name, database);
            }
            Err(shut) => {
                findings.push(shut.finding);
                // They stand on one server: the others would say the same, each after a while.
                is_away = shut.is_away && patient.settings.database_is_a_server();
            }
        }
    }
    if let Some(first) = open.values().next() {
        findings.extend(clock(first).await);
    }
    (findings, open)
}

const MEND: &str = "database.url (MILLRACE_DATABASE__URL_FILE); see that PostgreSQL runs, lets this user in and this host through";

/// Why a database cannot be read.
pub(super) struct Shut {
    finding: Finding,
    /// Nobody answers there, or nobody is let in.
    is_away: bool,
}

impl Shut {
    fn because(finding: Finding) -> Self {
        Self {
            finding,
            is_away: false,
        }
    }
}

fn check(place: &Place) -> String {
    format!("database.{}", place.name)
}

/// Opens one that has all its tables, and makes none.
pub(super) async fn open(patient: &Patient, place: &Place) -> Result<Database, Shut> {
    match tokio::time::timeout(NEIGHBOUR, try_open(patient, place)).await {
        Ok(opened) => opened,
        Err(_) => {
            let found = format!("no answer within {} s", NEIGHBOUR.as_secs());
            Err(Shut {
                finding: Finding::wrong(check(place), found, MEND),
                is_away: true,
            })
        }
    }
}

async fn try_open(patient: &Patient, place: &Place) -> Result<Database, Shut> {
    let settings = &patient.settings;
    let check = check(place);
    if !settings.database_is_a_server() {
        let file = settings.data_dir.join(format!("{}.db", place.name));
        // Opening would make it.
        if !file.exists() {
            let found = format!(
                "{} is not there yet: a first start makes it",
                file.display()
            );
            return Err(Shut::because(Finding::skipped(check, found)));
        }
    }
    let opened = system::open(settings, &place.name, &patient.clock, &patient.ids).await;
    let database = opened.map_err(|error| not_open(&check, &error))?;
    let shut = match database.pending(&system::owners(place.service)).await {
        Ok(pending) if pending.is_empty() => return Ok(database),
        Ok(pending) => {
            let found = format!("{} migrations are missing", pending.len());
            let mend = format!("millrace migrate {}", place.service);
            Shut::because(Finding::wrong(check, found, mend))
        }
        Err(error) => not_open(&check, &error.into()),
    };
    database.close().await;
    Err(shut)
}

fn not_open(check: &str, error: &anyhow::Error) -> Shut {
    let store = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<StoreError>());
    let found = exit::line(error);
    match store {
        Some(StoreError::InUse { .. }) => Shut::because(Finding::skipped(
            check,
            "a running millrace has the file: ask it (/ready on monitoring.listen), or stop it to have it looked at",
        )),
        Some(StoreError::NewerSchema { .. }) => {
            let mend = "run the binary that wrote it, or a newer one";
            Shut::because(Finding::wrong(check, found, mend))
        }
        _ => Shut {
            finding: Finding::wrong(check, found, MEND),
            is_away: is_away(error),
        },
    }
}

/// Whether the server was not reached or let nobody in; anything else may be one database's own trouble.
fn is_away(error: &anyhow::Error) -> bool {
    let mut causes = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<sqlx::Error>());
    causes.any(|cause| match cause {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut => true,
        // SQLSTATE: no connection, a password refused, no such database, shutting down.
        sqlx::Error::Database(said) => said.code().is_some_and(|code| {
            ["08", "28", "3D", "57"]
                .iter()
                .any(|class| code.starts_with(class))
        }),
        _ => false,
    })
}

async fn leases(database: &Database, place: &Place) -> Option<Finding> {
    match database.leases().await {
        Ok(leases) => forsaken(&leases, place),
        Err(error) => Some(not_open(&check(place), &error.into()).finding),
    }
}

fn forsaken(leases: &[LeaseStanding], place: &Place) -> Option<Finding> {
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
    if leases.iter().any(|lease| lease.held) {
        let found = format!(
            "{found}; {} runs and holds others, so these are names of before",
            place.service
        );
        return Some(Finding::skipped(check, found));
    }
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
        Err(error) => return Some(not_open(CHECK, &error.into()).finding),
    };
    let apart = database.clock().now().duration_since(theirs).unsigned_abs();
    if apart <= SKEW {
        return Some(Finding::right(CHECK, "tells the same time as this machine"));
    }
    let found = format!("is {} s apart from this machine's", apart.as_secs());
    let mend = "let both machines follow a time server (NTP)";
    Some(Finding::wrong(CHECK, found, mend))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::ServiceName;

    fn lease(name: &str, held: bool, forsaken: Option<u64>) -> LeaseStanding {
        LeaseStanding {
            name: name.to_owned(),
            held,
            forsaken: forsaken.map(Duration::from_secs),
        }
    }

    #[test]
    fn a_lease_is_forsaken_only_where_nobody_runs() {
        let place = Place {
            service: ServiceName::CatalogSync,
            name: "catalog-sync".to_owned(),
            channel: None,
        };
        let old = lease("items/the-erp-of-before", false, Some(3_600));
        let found = forsaken(std::slice::from_ref(&old), &place).unwrap();
        assert!(found.is_wrong());
        let found = forsaken(&[old, lease("relay", true, None)], &place).unwrap();
        assert!(!found.is_wrong());
        assert!(forsaken(&[lease("relay", false, None)], &place).is_none());
    }

    #[test]
    fn a_server_that_is_away_and_a_database_that_is_wrong_are_told_apart() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let away = StoreError::Database(sqlx::Error::Io(refused));
        assert!(not_open("database.returns", &away.into()).is_away);
        let changed = StoreError::Changed {
            name: "returns".to_owned(),
            owner: "returns".to_owned(),
            version: 1,
        };
        assert!(!not_open("database.returns", &changed.into()).is_away);
    }
}
