//! `millrace doctor`: looks at settings, neighbours and the ERP, and says of each trouble how it is mended. Changes nothing.

mod databases;
mod disk;
mod erp;
mod kafka;
mod readers;
mod restore;
mod rules;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use millrace_event_store::Database;
use millrace_service_kit::checkup::{Finding, Verdict, within};
use millrace_service_kit::{Clock, Ids, SystemClock};

use crate::cli::{DoctorArgs, Output, ServerArgs, SettingsArgs, selection};
use crate::client::print;
use crate::exit;
use crate::settings::{BusKind, Settings};
use crate::system::Selection;

/// How long a neighbour may take to answer one question.
const NEIGHBOUR: Duration = Duration::from_secs(15);
/// All pages of the ERP, and all logs after a restore, are many questions.
const MANY: Duration = Duration::from_secs(120);

/// What is looked at.
struct Patient {
    settings: Settings,
    selection: Selection,
    clock: Arc<dyn Clock>,
    ids: Ids,
}

pub async fn run(args: &DoctorArgs, files: &SettingsArgs, server: &ServerArgs) -> Result<()> {
    let findings = match Settings::load(files.config.as_deref()) {
        Ok(settings) => {
            let patient = Patient {
                settings,
                selection: selection(&args.services),
                clock: Arc::new(SystemClock),
                ids: Ids::random(),
            };
            patient.examine(args).await
        }
        Err(error) => {
            let mend = "the key and the place that the message names; `millrace config defaults` lists every setting";
            vec![Finding::wrong("settings", exit::line(&error), mend)]
        }
    };
    match server.output {
        Output::Text => tell(&findings)?,
        Output::Json => print::value(&serde_json::json!({ "findings": findings }))?,
    }
    let wrong = findings.iter().filter(|found| found.is_wrong()).count();
    if wrong > 0 {
        bail!("{wrong} of {} checks found something wrong", findings.len());
    }
    Ok(())
}

impl Patient {
    async fn examine(&self, args: &DoctorArgs) -> Vec<Finding> {
        let mut findings = rules::examine(&self.settings, &self.selection);
        findings.push(disk::examine(&self.settings));
        let (found, mut databases) = databases::examine(self, args.after_restore).await;
        findings.extend(found);
        if !args.after_restore {
            // Who has a file open keeps a service from starting.
            close(std::mem::take(&mut databases)).await;
        }
        findings.extend(self.kafka().await);
        findings.extend(erp::examine(self, args.erp).await);
        if args.after_restore {
            findings.extend(restore::examine(self, &databases).await);
        }
        close(databases).await;
        findings
    }

    async fn kafka(&self) -> Vec<Finding> {
        if self.settings.bus.kind == BusKind::Embedded {
            let found = "bus.kind is \"embedded\": there is no Kafka";
            return vec![Finding::skipped("kafka", found)];
        }
        let look = async |findings: &mut Vec<Finding>| kafka::examine(self, findings).await;
        within(NEIGHBOUR, "kafka", look).await
    }
}

/// By the name of the log.
type Databases = BTreeMap<String, Database>;

async fn close(databases: Databases) {
    for database in databases.into_values() {
        database.close().await;
    }
}

fn tell(findings: &[Finding]) -> Result<()> {
    for finding in findings {
        let verdict = match finding.verdict {
            Verdict::Right => "ok     ",
            Verdict::Wrong => "WRONG  ",
            Verdict::Skipped => "skipped",
        };
        print::line(&format!("{verdict}  {}: {}", finding.check, finding.found))?;
        if let Some(mend) = &finding.mend {
            print::line(&format!("         mend: {mend}"))?;
        }
    }
    Ok(())
}
