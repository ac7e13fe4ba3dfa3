//! Whether the ERP can be reached with our credentials and, asked for more, whether it is ready to go live.

use millrace_erp::business_central::BusinessCentral;
use millrace_service_kit::checkup::{Finding, within};

use super::{MANY, NEIGHBOUR, Patient};

const CHECK: &str = "erp";

pub(super) async fn examine(patient: &Patient, thoroughly: bool) -> Vec<Finding> {
    let Some(settings) = patient.settings.erp.clone() else {
        // The settings' own check says so.
        return vec![Finding::skipped(CHECK, "there is none in the settings")];
    };
    let connected = BusinessCentral::connect(settings, patient.clock.clone(), patient.ids.clone());
    let erp = match connected {
        Ok(erp) => erp,
        Err(error) => {
            let found = format!("erp.{error}");
            return vec![Finding::wrong(
                CHECK,
                found,
                "the setting that the message names",
            )];
        }
    };
    match thoroughly {
        true => {
            let look = async |findings: &mut Vec<Finding>| erp.examine_setup(findings).await;
            within(MANY, CHECK, look).await
        }
        false => {
            let look = async |findings: &mut Vec<Finding>| erp.examine(findings).await;
            within(NEIGHBOUR, CHECK, look).await
        }
    }
}
