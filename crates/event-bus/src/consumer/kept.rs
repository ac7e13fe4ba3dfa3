//! Which keys something is kept aside for, asked once per transaction: while thousands of records wait, those that have nothing to do
//! with them cost no question each. Only a "no" is believed; a "yes" is looked up in the database.

use std::collections::HashSet;

use millrace_event_store::Tx;

use crate::consumer::held::Status;

/// More than this is not carried around: then the database is asked every time.
const MOST: i64 = 20_000;
/// For fewer records it is not worth asking for all.
const WORTH_IT: usize = 8;

pub(super) enum Kept {
    /// Everything there is.
    Known {
        keys: HashSet<(String, String)>,
        needs: HashSet<String>,
    },
    Unknown,
}

impl Kept {
    /// Nothing is kept aside yet.
    pub(super) fn nothing() -> Self {
        Self::Known {
            keys: HashSet::new(),
            needs: HashSet::new(),
        }
    }

    pub(super) async fn load(
        tx: &mut Tx,
        consumer: &str,
        records: usize,
    ) -> Result<Self, sqlx::Error> {
        if records < WORTH_IT {
            return Ok(Self::Unknown);
        }
        let rows: Vec<(String, String, String)> = sqlx::query_as(include_str!("sql/kept.sql"))
            .bind(consumer)
            .bind(MOST + 1)
            .fetch_all(&mut **tx)
            .await?;
        if rows.len() > usize::try_from(MOST).unwrap_or(usize::MAX) {
            return Ok(Self::Unknown);
        }
        let (mut keys, mut needs) = (HashSet::new(), HashSet::new());
        for (topic, key, waits_for) in rows {
            keys.insert((topic, key));
            if !waits_for.is_empty() {
                needs.insert(waits_for);
            }
        }
        Ok(Self::Known { keys, needs })
    }

    /// May a record of this key be kept aside?
    pub(super) fn may_hold(&self, topic: &str, key: &str) -> bool {
        match self {
            Self::Known { keys, .. } => {
                !keys.is_empty() && keys.contains(&(topic.to_owned(), key.to_owned()))
            }
            Self::Unknown => true,
        }
    }

    /// May somebody wait for this record?
    pub(super) fn may_need(&self, topic: &str, key: &str) -> bool {
        match self {
            Self::Known { needs, .. } => {
                !needs.is_empty() && needs.contains(&format!("{topic}/{key}"))
            }
            Self::Unknown => true,
        }
    }

    /// One more.
    pub(super) fn add(&mut self, topic: &str, key: &str, status: &Status) {
        if let Self::Known { keys, needs } = self {
            keys.insert((topic.to_owned(), key.to_owned()));
            if let Status::Unresolved { waits_for } = status {
                needs.insert(waits_for.clone());
            }
        }
    }
}
