//! One table: rows by system id, with unique keys and parent links kept beside them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::Row;

/// Rows of one kind, in order of their id.
#[derive(Debug, Clone)]
pub struct Table<R> {
    rows: BTreeMap<Uuid, Arc<R>>,
    by_key: HashMap<String, Uuid>,
    by_alias: HashMap<String, Uuid>,
    by_parent: HashMap<Uuid, BTreeSet<Uuid>>,
    by_part: HashMap<Uuid, Uuid>,
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            by_key: HashMap::new(),
            by_alias: HashMap::new(),
            by_parent: HashMap::new(),
            by_part: HashMap::new(),
        }
    }
}

impl<R: Row> Table<R> {
    pub fn get(&self, id: Uuid) -> Option<&Arc<R>> {
        self.rows.get(&id)
    }

    /// By the row's own unique key, such as an item's number.
    pub fn by_key(&self, key: &str) -> Option<&Arc<R>> {
        self.by_key.get(key).and_then(|id| self.rows.get(id))
    }

    /// By the row's second unique key, such as a customer's external reference.
    pub fn by_alias(&self, alias: &str) -> Option<&Arc<R>> {
        self.by_alias.get(alias).and_then(|id| self.rows.get(id))
    }

    /// The row that contains the part `id`, such as the document of a line.
    pub fn by_part(&self, part: Uuid) -> Option<&Arc<R>> {
        self.by_part.get(&part).and_then(|id| self.rows.get(id))
    }

    pub fn children(&self, parent: Uuid) -> impl Iterator<Item = &Arc<R>> {
        self.by_parent
            .get(&parent)
            .into_iter()
            .flatten()
            .filter_map(|id| self.rows.get(id))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<R>> {
        self.rows.values()
    }

    /// Rows with an id larger than `id`.
    pub fn after(&self, id: Uuid) -> impl Iterator<Item = &Arc<R>> {
        self.rows
            .range((std::ops::Bound::Excluded(id), std::ops::Bound::Unbounded))
            .map(|(_, row)| row)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds rows to a table that is not part of a database, such as the lines of a document.
    pub fn extend(&mut self, rows: impl IntoIterator<Item = R>) {
        for row in rows {
            self.insert(Arc::new(row));
        }
    }

    pub(super) fn remove(&mut self, row: &R) {
        let id = row.id();
        self.rows.remove(&id);
        if let Some(key) = row.key() {
            self.by_key.remove(&key);
        }
        if let Some(alias) = row.alias() {
            self.by_alias.remove(&alias);
        }
        if let Some(parent) = row.parent()
            && let Some(children) = self.by_parent.get_mut(&parent)
        {
            children.remove(&id);
            if children.is_empty() {
                self.by_parent.remove(&parent);
            }
        }
        for part in row.parts() {
            self.by_part.remove(&part);
        }
    }

    pub(super) fn insert(&mut self, row: Arc<R>) {
        let id = row.id();
        if let Some(key) = row.key() {
            self.by_key.insert(key, id);
        }
        if let Some(alias) = row.alias() {
            self.by_alias.insert(alias, id);
        }
        if let Some(parent) = row.parent() {
            self.by_parent.entry(parent).or_default().insert(id);
        }
        for part in row.parts() {
            self.by_part.insert(part, id);
        }
        self.rows.insert(id, row);
    }
}
