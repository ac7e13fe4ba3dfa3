//! stock-availability.
