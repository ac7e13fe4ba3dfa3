//! The log: append, streams, feed, projections and checkpoints, leases.
