//! Codes of locations, units, companies and channels, each kept once; a record holds their numbers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

/// Number of a code in its list.
pub type Name = u16;

/// The lists, shared by every incarnation of the index. They only grow: there are few codes, and they come back.
#[derive(Debug, Default)]
pub struct Names {
    pub erps: NameList,
    pub channels: NameList,
    pub locations: NameList,
    /// Number 0 is the empty unit.
    pub units: NameList,
}

impl Names {
    #[must_use]
    pub fn new() -> Arc<Self> {
        let names = Self::default();
        names.units.number("");
        Arc::new(names)
    }
}

/// Codes and their numbers.
#[derive(Debug, Default)]
pub struct NameList {
    codes: ArcSwap<Vec<Arc<str>>>,
    numbers: Mutex<HashMap<Arc<str>, Name>>,
}

impl NameList {
    /// The code's number, a new one if it has none; `None` when there are too many.
    pub fn number(&self, code: &str) -> Option<Name> {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = numbers.get(code) {
            return Some(*number);
        }
        let number = Name::try_from(numbers.len()).ok()?;
        let code: Arc<str> = code.into();
        let mut codes = Vec::clone(&self.codes.load());
        codes.push(code.clone());
        self.codes.store(Arc::new(codes));
        numbers.insert(code, number);
        Some(number)
    }

    /// All codes, at their numbers.
    pub fn codes(&self) -> arc_swap::Guard<Arc<Vec<Arc<str>>>> {
        self.codes.load()
    }
}
