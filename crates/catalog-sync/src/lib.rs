//! catalog-sync.
