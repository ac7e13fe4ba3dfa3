//! customer-sync.
