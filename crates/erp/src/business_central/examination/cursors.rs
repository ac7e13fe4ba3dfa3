//! Where readers of the ERP stand, against what its change queue can still tell. Whatever is lost is read anew by itself; who restored
//! a database wants to know that it will take its time.

use millrace_service_kit::checkup::Finding;

use super::said;
use crate::Cursor;
use crate::business_central::BusinessCentral;
use crate::business_central::cursor::{At, Place};
use crate::business_central::discovery::{self, Info};
use crate::business_central::problem::Failure;

const CHECK: &str = "restore.erp";

impl BusinessCentral {
    /// Of the cursors that readers keep, by their names: whether they can go on from there.
    pub async fn examine_cursors(&self, stored: &[(String, Cursor)]) -> Vec<Finding> {
        let places = stored
            .iter()
            .filter_map(|(name, cursor)| Some((name, Place::read(cursor).ok()?)));
        let places: Vec<(&String, Place)> = places.collect();
        let Some((_, first)) = places.first() else {
            return vec![Finding::skipped(CHECK, "nothing was read from the erp yet")];
        };
        if first.epoch.is_none() {
            let found = "a standard tenant is read again from before the backup on, by itself";
            return vec![Finding::right(CHECK, found)];
        }
        let info = match discovery::info(&self.http, first.company).await {
            Ok(info) => info,
            Err(failure) => {
                let found = match failure {
                    Failure::Problem(problem) => said(&problem),
                    Failure::Erp(error) => error.to_string(),
                };
                let mend = "see what the checks of the erp say, and look again";
                return vec![Finding::wrong(CHECK, found, mend)];
            }
        };
        let told = places.iter().map(|(name, place)| {
            let check = format!("{CHECK}.{name}");
            Finding::right(check, goes_on(place, &info))
        });
        told.collect()
    }
}

fn goes_on(place: &Place, info: &Info) -> &'static str {
    let same =
        place.environment == info.environment_id.to_string() && place.epoch == Some(info.epoch);
    match place.at {
        _ if !same => "the erp is another incarnation now: everything is read again, by itself",
        At::Queue { after } if after >= info.boundary => {
            "is ahead of the erp's change queue: everything is read again, by itself"
        }
        At::Queue { after } if after < info.oldest_cursor => {
            "the erp has forgotten changes since then: everything is read again, by itself"
        }
        At::Queue { .. } => "goes on from there: what was read since the backup is read again",
        At::Full { .. } | At::Sweep { .. } | At::Poll(_) => "goes on with its full read",
    }
}
