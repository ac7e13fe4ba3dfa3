//! Which calls there are, read from the descriptors.

use std::collections::BTreeMap;

use prost_reflect::{DescriptorError, DescriptorPool, MethodDescriptor};

/// Every call of every service, by its path.
#[derive(Debug, Clone)]
pub struct Catalogue(BTreeMap<String, MethodDescriptor>);

impl Catalogue {
    /// From an encoded `FileDescriptorSet`.
    ///
    /// # Errors
    /// It is none.
    pub fn read(descriptors: &[u8]) -> Result<Self, DescriptorError> {
        let pool = DescriptorPool::decode(descriptors)?;
        let mut calls = BTreeMap::new();
        for service in pool.services() {
            for call in service.methods() {
                calls.insert(path(&call), call);
            }
        }
        Ok(Self(calls))
    }

    pub(crate) fn find(&self, path: &str) -> Option<&MethodDescriptor> {
        self.0.get(path)
    }

    /// In the order of their paths.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &MethodDescriptor)> {
        self.0.iter().map(|(path, call)| (path.as_str(), call))
    }
}

/// As in gRPC: the package names the version, and one rule covers every call there will ever be.
fn path(call: &MethodDescriptor) -> String {
    format!("/{}/{}", call.parent_service().full_name(), call.name())
}
