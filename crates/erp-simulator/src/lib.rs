//! A pretend Business Central over HTTP, with switchable faults.
