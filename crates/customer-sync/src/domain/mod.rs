//! The rules: what an observation of a customer means, and what a shop's wish for one may become.

pub mod customer;
pub mod registration;

/// Personal data as it stands in an event: readable only with the person's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    pub person: String,
    pub bytes: Vec<u8>,
    /// Equal as long as the content is.
    pub fingerprint: Vec<u8>,
}

impl Sealed {
    /// Nothing is left of it.
    #[must_use]
    pub fn erased(person: &str) -> Self {
        Self {
            person: person.to_owned(),
            bytes: Vec::new(),
            fingerprint: Vec::new(),
        }
    }

    /// The same content; the bytes differ each time something is sealed.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        self.person == other.person && self.fingerprint == other.fingerprint
    }
}
