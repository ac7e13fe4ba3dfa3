//! The rows one transaction works with: loaded together, written together. A full load is thousands of records, and a question to the
//! database for each would be most of the work.

use std::collections::{BTreeSet, HashMap, HashSet};

use millrace_event_store::{Tx, places, places_of_rows};
use sqlx::AssertSqlSafe;

use crate::domain::shelf::Mark;
use crate::read_model::known::{Known, Row};

/// Keys per question, and rows per statement that writes.
const KEYS: usize = 100;
const ROWS: usize = 25;

#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// `None`: looked for, and not there.
    rows: HashMap<String, Option<Known>>,
    /// Keys of what hangs on each item, as far as it is in `rows`.
    hanging: HashMap<String, BTreeSet<String>>,
    /// Items of which everything that hangs on them is in `rows`.
    whole: HashSet<String>,
    changed: BTreeSet<String>,
}

impl Memory {
    /// Loads the records with these keys, and everything that hangs on these items.
    pub(crate) async fn load(
        &mut self,
        tx: &mut Tx,
        keys: Vec<String>,
        items: Vec<String>,
    ) -> Result<(), sqlx::Error> {
        let unknown: BTreeSet<String> = keys
            .into_iter()
            .filter(|key| !self.rows.contains_key(key))
            .collect();
        let unknown: Vec<String> = unknown.into_iter().collect();
        for row in select(tx, include_str!("sql/known_of_keys.sql"), &unknown).await? {
            self.take(row);
        }
        for key in unknown {
            self.rows.entry(key).or_default();
        }
        let unknown: Vec<String> = items
            .into_iter()
            .filter(|item| !self.whole.contains(item))
            .collect();
        for row in select(tx, include_str!("sql/known_of_items.sql"), &unknown).await? {
            self.take(row);
        }
        self.whole.extend(unknown);
        Ok(())
    }

    pub(crate) async fn get(
        &mut self,
        tx: &mut Tx,
        key: &str,
    ) -> Result<Option<Known>, sqlx::Error> {
        if !self.rows.contains_key(key) {
            self.load(tx, vec![key.to_owned()], vec![]).await?;
        }
        Ok(self.rows.get(key).cloned().flatten())
    }

    /// Everything that hangs on an item, without the item, by key.
    pub(crate) async fn of_item(
        &mut self,
        tx: &mut Tx,
        item: &str,
    ) -> Result<Vec<Known>, sqlx::Error> {
        if !self.whole.contains(item) {
            self.load(tx, vec![], vec![item.to_owned()]).await?;
        }
        let keys = self.hanging.get(item).into_iter().flatten();
        Ok(keys
            .filter_map(|key| self.rows.get(key).cloned().flatten())
            .collect())
    }

    pub(crate) fn put(&mut self, known: Known) {
        self.changed.insert(known.key.clone());
        self.rows.remove(&known.key);
        self.take(known);
    }

    pub(crate) fn set_shown(&mut self, key: &str, shown: Option<Mark>) {
        if let Some(Some(known)) = self.rows.get_mut(key) {
            known.shown = shown;
            self.changed.insert(key.to_owned());
        }
    }

    /// Writes what changed.
    pub(crate) async fn write(&mut self, tx: &mut Tx) -> Result<(), sqlx::Error> {
        let changed = std::mem::take(&mut self.changed);
        let rows: Vec<&Known> = changed
            .iter()
            .filter_map(|key| self.rows.get(key)?.as_ref())
            .collect();
        let (full, rest) = rows.as_chunks::<ROWS>();
        for rows in full {
            insert(tx, rows).await?;
        }
        for row in rest {
            insert(tx, &[row]).await?;
        }
        Ok(())
    }

    /// What is here already is newer.
    fn take(&mut self, known: Known) {
        if matches!(self.rows.get(&known.key), Some(Some(_))) {
            return;
        }
        if known.item != known.key {
            self.hanging
                .entry(known.item.clone())
                .or_default()
                .insert(known.key.clone());
        }
        self.rows.insert(known.key.clone(), Some(known));
    }
}

/// Rows for `keys`, in questions of one size: each size is a statement the database prepares.
async fn select(tx: &mut Tx, sql: &str, keys: &[String]) -> Result<Vec<Known>, sqlx::Error> {
    let mut found = Vec::new();
    for keys in keys.chunks(KEYS) {
        let size = if keys.len() == 1 { 1 } else { KEYS };
        let sql = sql.replace("{keys}", &places(1, size));
        let mut question = sqlx::query_as::<_, Row>(AssertSqlSafe(sql));
        // The last key fills up.
        for index in 0..size {
            question = question.bind(&keys[index.min(keys.len() - 1)]);
        }
        found.extend(
            question
                .fetch_all(&mut **tx)
                .await?
                .into_iter()
                .map(Known::from),
        );
    }
    Ok(found)
}

async fn insert(tx: &mut Tx, rows: &[&Known]) -> Result<(), sqlx::Error> {
    let places = places_of_rows(rows.len(), 8);
    let sql = include_str!("sql/put_known.sql").replace("{rows}", &places);
    let mut statement = sqlx::query(AssertSqlSafe(sql));
    for known in rows {
        statement = statement
            .bind(&known.key)
            .bind(&known.item)
            .bind(&known.kind)
            .bind(known.payload.as_ref())
            .bind(i64::from(known.deleted))
            .bind(&known.epoch)
            .bind(known.position)
            .bind(known.shown.map(u64::cast_signed));
    }
    statement.execute(&mut **tx).await?;
    Ok(())
}
