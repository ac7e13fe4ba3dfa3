//! What was found by somebody who looked whether a part can do its work: for operators, before it goes live and when it does not.

use std::time::Duration;

use serde::Serialize;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// For machines, and stable: `kafka.topic.items`.
    pub check: String,
    pub verdict: Verdict,
    /// What was seen, for people. No secrets, nothing personal.
    pub found: String,
    /// The command or the setting that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Right,
    Wrong,
    /// It does not apply here, or cannot be told.
    Skipped,
}

impl Finding {
    #[must_use]
    pub fn right(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(check, Verdict::Right, found, None)
    }

    #[must_use]
    pub fn wrong(
        check: impl Into<String>,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self::new(check, Verdict::Wrong, found, Some(mend.into()))
    }

    #[must_use]
    pub fn skipped(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(check, Verdict::Skipped, found, None)
    }

    fn new(
        check: impl Into<String>,
        verdict: Verdict,
        found: impl Into<String>,
        mend: Option<String>,
    ) -> Self {
        let (check, found) = (check.into(), found.into());
        Self {
            check,
            verdict,
            found,
            mend,
        }
    }

    #[must_use]
    pub fn is_wrong(&self) -> bool {
        self.verdict == Verdict::Wrong
    }
}

/// What `look` has found by `limit`, and that it took longer where it did.
pub async fn within(
    limit: Duration,
    check: &str,
    look: impl AsyncFnOnce(&mut Vec<Finding>),
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if tokio::time::timeout(limit, look(&mut findings))
        .await
        .is_err()
    {
        let found = format!("no answer within {} s", limit.as_secs());
        let mend = "see whether it runs, and whether this host may reach it (address, firewall, network policy)";
        findings.push(Finding::wrong(check, found, mend));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_does_not_answer_is_not_waited_for_and_what_it_said_before_counts() {
        let findings = within(Duration::ZERO, "kafka", async |findings| {
            findings.push(Finding::right("kafka.topics", "all are there"));
            std::future::pending::<()>().await;
        })
        .await;
        assert_eq!(findings[0].check, "kafka.topics");
        assert!(findings[1].is_wrong());
        assert_eq!(findings[1].found, "no answer within 0 s");
    }

    #[test]
    fn machines_read_the_verdict_and_the_mend() {
        let wrong = Finding::wrong("kafka", "away", "start it");
        let json = serde_json::to_string(&wrong).unwrap();
        assert_eq!(
            json,
            r#"{"check":"kafka","verdict":"wrong","found":"away","mend":"start it"}"#
        );
    }
}
