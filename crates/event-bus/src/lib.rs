//! How events travel between processes: Kafka, and embedded.
