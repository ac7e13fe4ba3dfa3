//! The service in-process: the real simulator over HTTP, a real gRPC client over loopback, its database in memory.

mod calls;
mod harness;
mod mirror;
mod registering;
