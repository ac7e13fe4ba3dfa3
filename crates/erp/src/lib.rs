//! The ERP port in our words, and its adapters.
